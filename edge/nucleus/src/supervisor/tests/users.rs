//! Whom scripts run as, and what belongs to them. Only root can become somebody else.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

/// Says who it is, into a file that its user may write.
const WHO: &str = "{ id -u; id -g; id -G; echo $HOME; } >";

fn as_nobody(spec: ServiceSpec) -> ServiceSpec {
    ServiceSpec { run_with: user("nobody"), ..spec }
}

fn user(posix_user: &str) -> RunWith {
    RunWith { posix_user: Some(posix_user.to_owned()), ..RunWith::default() }
}

/// A device whose folders other users can get through to; `None`, and why, without root.
async fn device() -> Option<Device> {
    if !marram_os::user::is_root() {
        eprintln!("skipped: only root can run components as another user");
        return None;
    }
    let device = Device::new().await;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(device.folder.path(), mode).unwrap();
    Some(device)
}

#[tokio::test]
async fn a7_7_scripts_run_as_posix_user_and_privileged_ones_as_root() {
    let Some(device) = device().await else { return };
    let lifecycle = json!({
        "install": {"Script": format!("{WHO} privileged"), "RequiresPrivilege": true},
        "startup": format!("{WHO} plain"),
    });
    assert_eq!(device.settle([as_nobody(spec("c", lifecycle))]).await, Settled::Reached);
    let nobody = marram_os::user::resolve("nobody").unwrap();
    let groups: Vec<String> = nobody.groups.iter().map(u32::to_string).collect();
    let home = nobody.home.display();
    let expected = format!("{}\n{}\n{}\n{home}\n", nobody.uid, nobody.gid, groups.join(" "));
    assert_eq!(device.read("c", "plain"), expected);
    assert!(device.read("c", "privileged").starts_with("0\n0\n"));
    let work = std::fs::metadata(device.folder.path().join("work/c")).unwrap();
    assert_eq!((work.uid(), work.gid(), work.mode() & 0o777), (nobody.uid, nobody.gid, 0o700));
}

#[tokio::test]
async fn a5_4_artifacts_and_work_are_given_to_the_user_before_the_first_script() {
    let Some(device) = device().await else { return };
    let paths = NucleusPaths::new(device.folder.path());
    let (c, version) = (name("c"), "1.0.0".parse().unwrap());
    let folders = [paths.artifacts(&c, &version), paths.unarchived(&c, &version), paths.work(&c)];
    for folder in &folders {
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::fs::write(folder.join("inner/file"), "").unwrap();
    }
    device.settle([as_nobody(spec("c", json!({"install": "stat -c %U inner/file > seen"})))]).await;
    assert_eq!(device.read("c", "seen"), "nobody\n");
    let nobody = marram_os::user::resolve("nobody").unwrap();
    let owner = |path: &std::path::Path| std::fs::metadata(path).unwrap().uid();
    for folder in &folders {
        assert_eq!(owner(&folder.join("inner")), nobody.uid);
        assert_eq!(owner(&folder.join("inner/file")), nobody.uid);
    }
    assert_eq!(folders.each_ref().map(|folder| owner(folder)), [0, 0, nobody.uid]);
}

#[tokio::test]
async fn a7_5_unknown_user_is_named_in_the_reason() {
    let device = Device::new().await;
    let unknown =
        ServiceSpec { run_with: user("no-such-user"), ..spec("c", json!({"run": "true"})) };
    assert!(matches!(device.settle([unknown]).await, Settled::Broken(_)));
    let status = device.status("c");
    assert_eq!(status.code, StatusCode::RunIoError);
    assert!(status.reason.contains("`no-such-user` does not exist"), "{}", status.reason);
}

#[tokio::test]
async fn a7_2_uninstall_runs_when_a_component_is_removed_and_not_when_the_nucleus_stops() {
    let device = Device::new().await;
    let lifecycle = json!({
        "run": "sleep 1000",
        "shutdown": "echo shutdown >> steps",
        "uninstall": "echo uninstall $GREENGRASS_COMPONENT_VERSION >> steps; exit 1",
    });
    device.settle([spec("c", lifecycle.clone()), spec("d", lifecycle)]).await;
    device.supervisor.remove([name("c")]).await;
    assert_eq!(device.read("c", "steps"), "shutdown\nuninstall 1.0.0\n");
    assert!(device.supervisor.status_of("c").is_none(), "its failure changes nothing");
    device.supervisor.stop_all(DEADLINE).await;
    assert_eq!(device.read("d", "steps"), "shutdown\n");
}
