//! Programs come, prove themselves, or go; whatever is cut off, a proven one starts.

use std::os::unix::fs::PermissionsExt;

use super::*;

struct Device {
    folder: tempfile::TempDir,
    alternatives: Alternatives,
}

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let alternatives = Alternatives::new(&NucleusPaths::new(folder.path()));
        Self { folder, alternatives }
    }

    fn file(&self, content: &str) -> PathBuf {
        let file = self.folder.path().join(content);
        fs::write(&file, content).unwrap();
        file
    }

    fn stage(&self, id: &str, version: &str) {
        let (program, running) = (self.file(version), self.file("running"));
        self.alternatives.stage(id, &program, &version.parse().unwrap(), &running).unwrap();
    }

    fn content(program: Option<PathBuf>) -> Option<String> {
        program.map(|program| fs::read_to_string(program).unwrap())
    }

    fn starts(&self) -> Option<String> {
        Self::content(self.alternatives.current())
    }

    fn trial(&self) -> Option<String> {
        Self::content(self.alternatives.on_trial())
    }
}

#[test]
fn a_new_program_is_on_trial_until_it_is_promoted() {
    let device = Device::new();
    let alternatives = &device.alternatives;
    assert_eq!((device.starts(), device.trial()), (None, None));
    device.stage("a", "2.18.0");
    assert_eq!(device.starts().as_deref(), Some("running"), "what ran before comes back");
    assert_eq!(device.trial().as_deref(), Some("2.18.0"));
    let program = alternatives.on_trial().unwrap();
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(alternatives.version_of(&program), Some(Version::new(2, 18, 0)));
    assert_eq!(alternatives.version_of(&alternatives.current().unwrap()), None);
    assert_eq!(alternatives.version_of(Path::new("/bin/sh")), None);
    for _ in 0..2 {
        alternatives.promote().unwrap();
        assert_eq!((device.starts().as_deref(), device.trial()), (Some("2.18.0"), None));
        assert_eq!(alternatives.target(OLD).as_deref(), Some(INIT));
    }
}

#[test]
fn a_failed_program_is_withdrawn_and_goes_with_the_next_good_one() {
    let device = Device::new();
    device.stage("a", "2.18.0");
    for _ in 0..2 {
        device.alternatives.withdraw().unwrap();
        assert_eq!((device.starts().as_deref(), device.trial()), (Some("running"), None));
        assert_eq!(device.alternatives.target(BROKEN).as_deref(), Some("a"));
    }
    device.stage("b", "2.18.1");
    device.alternatives.promote().unwrap();
    device.stage("c", "2.18.2");
    device.alternatives.promote().unwrap();
    assert_eq!(device.starts().as_deref(), Some("2.18.2"));
    let mut left: Vec<String> = fs::read_dir(device.alternatives.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["b", "c", "current", "init", "old"]);
}

#[test]
fn a_promotion_that_was_cut_off_is_neither_lost_nor_on_trial_again() {
    let device = Device::new();
    device.stage("a", "2.18.0");
    device.alternatives.link(OLD, INIT).unwrap();
    assert_eq!(device.trial().as_deref(), Some("2.18.0"), "before the rename nothing has changed");
    device.alternatives.link(CURRENT, "a").unwrap();
    assert_eq!((device.starts().as_deref(), device.trial()), (Some("2.18.0"), None));
    device.alternatives.withdraw().unwrap();
    assert_eq!(device.starts().as_deref(), Some("2.18.0"), "it was proven");
    device.alternatives.promote().unwrap();
    assert_eq!(device.alternatives.target(OLD).as_deref(), Some(INIT));
}

#[test]
fn attempts_outlive_the_process_and_begin_anew_with_each_program() {
    let device = Device::new();
    device.stage("a", "2.18.0");
    assert_eq!(device.alternatives.attempts(), 0);
    device.alternatives.set_attempts(2).unwrap();
    assert_eq!(device.alternatives.attempts(), 2);
    device.alternatives.withdraw().unwrap();
    device.stage("b", "2.18.1");
    assert_eq!(device.alternatives.attempts(), 0);
}

#[test]
fn an_installation_starts_what_it_is_given_and_disturbs_no_trial() {
    let device = Device::new();
    device.alternatives.install(&device.file("first")).unwrap();
    assert_eq!(device.starts().as_deref(), Some("first"));
    device.stage("a", "2.18.0");
    assert_eq!(device.starts().as_deref(), Some("first"));
    let second = device.file("second");
    let refused = device.alternatives.install(&second).unwrap_err();
    assert!(matches!(refused, ChangeAlternatives::OnTrial), "{refused}");
    device.alternatives.promote().unwrap();
    device.alternatives.install(&second).unwrap();
    assert_eq!(device.starts().as_deref(), Some("second"), "the operator has the last word");
}

#[test]
fn a_program_in_use_is_not_written_over() {
    let device = Device::new();
    device.stage("a", "2.18.0");
    device.alternatives.promote().unwrap();
    let program = device.file("other");
    let refused =
        device.alternatives.stage("a", &program, &Version::new(2, 19, 0), &program).unwrap_err();
    assert!(matches!(refused, ChangeAlternatives::InUse(_)), "{refused}");
    assert_eq!(device.starts().as_deref(), Some("2.18.0"));
}
