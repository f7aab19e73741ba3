//! Installations into temporary roots, without starting anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn arguments(root: &Path) -> Arguments {
    Arguments {
        root: Some(root.to_owned()),
        init_config: None,
        component_default_user: Some("root:root".to_owned()),
        setup_system_service: false,
        start: false,
        unit_folder: root.join("units"),
    }
}

fn configuration(root: &Path) -> Value {
    InitialConfig::read(&root.join("config/config.yaml")).unwrap().into_value()
}

const NUCLEUS: &str = "/services/aws.greengrass.Nucleus/configuration";

#[test]
fn the_root_is_laid_out_and_the_program_is_current() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("device");
    let installed = install(&arguments(&root)).unwrap();
    let current = root.join("alts/current/distro/bin/marramd");
    assert_eq!(installed.program.canonicalize().unwrap(), current.canonicalize().unwrap());
    assert_eq!(fs::read(&current).unwrap(), fs::read(std::env::current_exe().unwrap()).unwrap());
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    let modes = ["config", "packages/recipes", "packages/artifacts", "work", "logs", "deployments"];
    assert_eq!(modes.map(mode), [0o700, 0o700, 0o755, 0o755, 0o700, 0o700]);
    assert_eq!(mode("config/config.yaml"), 0o600);
    let written = configuration(&root);
    assert_eq!(written["system"]["rootpath"], json!(root));
    let user = format!("{NUCLEUS}/runWithDefault/posixUser");
    assert_eq!(written.pointer(&user), Some(&json!("root:root")));
}

#[test]
fn the_first_configuration_is_checked_and_completed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("init.yaml");
    let mut arguments = arguments(folder.path());
    arguments.init_config = Some(file.clone());
    arguments.component_default_user = None;
    fs::write(&file, "services: {aws.greengrass.Nucleus: {configuration: {awsRegion: [1]}}}")
        .unwrap();
    let refused = install(&arguments).unwrap_err();
    assert_eq!(refused.code(), USAGE, "{refused}");
    assert!(!folder.path().join("alts").exists(), "nothing was done");
    let run_with = "runWithDefault: {posixUser: daemon}";
    fs::write(
        &file,
        format!("services: {{aws.greengrass.Nucleus: {{configuration: {{{run_with}}}}}}}"),
    )
    .unwrap();
    install(&arguments).unwrap();
    let user = format!("{NUCLEUS}/runWithDefault/posixUser");
    assert_eq!(configuration(folder.path()).pointer(&user), Some(&json!("daemon")));

    fs::create_dir(folder.path().join("config/journal")).unwrap();
    let refused = install(&arguments).unwrap_err();
    assert!(matches!(refused, Install::Configured { .. }), "{refused}");
}

#[test]
fn a_service_is_written_and_a_wrong_user_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = arguments(folder.path());
    arguments.component_default_user = Some("no-such-user".to_owned());
    assert!(matches!(install(&arguments).unwrap_err(), Install::User(_)));
    arguments.component_default_user = Some("root".to_owned());
    if Path::new(SYSTEMD_RUNS).is_dir() {
        eprintln!("skipped: this machine's own systemd would be told of the unit");
        return;
    }
    arguments.setup_system_service = true;
    install(&arguments).unwrap();
    let unit = fs::read_to_string(folder.path().join("units").join(SERVICE)).unwrap();
    assert_eq!(unit, unit::text(folder.path(), REBOOT));
}
