//! Which program a start of `marramd` becomes: itself, the device's current one, or a guard over one
//! that is on trial (ADR 0011).

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use marram_nucleus::alternatives::Alternatives;

use crate::failure::Failure;

/// How this process was started by another `marramd`, if it was.
pub(crate) const VARIABLE: &str = "MARRAM_LAUNCH";
/// A guard watches over it.
pub(crate) const TRIAL: &str = "trial";
/// It is in the place of another one.
const HANDED_OVER: &str = "handed-over";

/// What to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The nucleus.
    Nucleus,
    /// Nothing: this program takes over.
    HandOver(PathBuf),
    /// The guard over this program.
    Guard(PathBuf),
}

/// Decides. `launched` is the value of [`VARIABLE`].
pub(crate) fn role(alternatives: &Alternatives, itself: &Path, launched: Option<&str>) -> Role {
    if launched == Some(TRIAL) {
        return Role::Nucleus;
    }
    match alternatives.current() {
        Some(current) if is_same(&current, itself) => {
            alternatives.on_trial().map_or(Role::Nucleus, Role::Guard)
        }
        // Handed over to once, and still another file: better this nucleus than a circle.
        Some(current) if launched != Some(HANDED_OVER) => Role::HandOver(current),
        _ => Role::Nucleus,
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Lets `program` take this process's place. Returns only if that fails.
pub(crate) fn hand_over(program: PathBuf, words: &[OsString]) -> Failure {
    let source = Command::new(&program).args(words).env(VARIABLE, HANDED_OVER).exec();
    Failure::StartAgain { executable: program, source }
}

#[cfg(test)]
mod tests {
    use marram_nucleus::paths::NucleusPaths;

    use super::*;

    #[test]
    fn the_current_program_runs_and_guards_and_others_hand_over_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let alternatives = Alternatives::new(&NucleusPaths::new(folder.path()));
        let packaged = folder.path().join("packaged");
        std::fs::write(&packaged, "p").unwrap();
        assert_eq!(role(&alternatives, &packaged, None), Role::Nucleus, "never installed");

        let version = "2.18.0".parse().unwrap();
        alternatives.stage("a", &packaged, &version, &packaged).unwrap();
        let current = alternatives.current().unwrap();
        let new = alternatives.on_trial().unwrap();
        assert_eq!(role(&alternatives, &packaged, None), Role::HandOver(current.clone()));
        assert_eq!(role(&alternatives, &current, None), Role::Guard(new.clone()));
        assert_eq!(role(&alternatives, &current, Some(HANDED_OVER)), Role::Guard(new.clone()));
        assert_eq!(role(&alternatives, &new, Some(TRIAL)), Role::Nucleus);
        assert_eq!(role(&alternatives, &packaged, Some(HANDED_OVER)), Role::Nucleus);

        alternatives.promote().unwrap();
        assert_eq!(role(&alternatives, &new, None), Role::Nucleus);
        assert_eq!(role(&alternatives, &current, None), Role::HandOver(new));
    }
}
