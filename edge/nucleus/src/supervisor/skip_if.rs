//! Whether a step's `Skipif` holds (A3.1).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use marram_recipe::lifecycle::{Condition, SkipIf};

use super::environment::Variables;
use crate::paths::NucleusPaths;

/// Whether the step has nothing to do. PATH and HOME are those of the nucleus, in `inherited`.
pub(super) fn holds(skip_if: &SkipIf, inherited: &Variables, paths: &NucleusPaths) -> bool {
    let is_true = match &skip_if.condition {
        Condition::OnPath(program) => {
            is_on_path(program, inherited.get("PATH").map_or("", |path| path))
        }
        Condition::Exists(file) => expand(file, inherited, paths).exists(),
    };
    is_true != skip_if.negated
}

/// Whether a program is in one of the folders of `path`, or is itself the path of one.
pub(super) fn is_on_path(program: &str, path: &str) -> bool {
    if program.contains('/') {
        return is_executable(Path::new(program));
    }
    std::env::split_paths(path).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The file that `~/`, `~root/`, `~config/` or `~packages/` begins.
fn expand(file: &str, inherited: &Variables, paths: &NucleusPaths) -> PathBuf {
    let home = || inherited.get("HOME").map_or_else(PathBuf::new, PathBuf::from);
    let bases: [(&str, &dyn Fn() -> PathBuf); 4] = [
        ("~/", &home),
        ("~root/", &|| paths.root().to_owned()),
        ("~config/", &|| paths.config()),
        ("~packages/", &|| paths.root().join("packages")),
    ];
    for (prefix, base) in bases {
        if let Some(rest) = file.strip_prefix(prefix) {
            return base().join(rest);
        }
    }
    PathBuf::from(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds_for(negated: bool, condition: Condition) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let paths = NucleusPaths::new(folder.path());
        std::fs::create_dir(paths.config()).unwrap();
        std::fs::write(paths.config().join("there"), "").unwrap();
        let inherited = Variables::from([
            ("PATH".to_owned(), "/nonexistent:/bin:/usr/bin".to_owned()),
            ("HOME".to_owned(), folder.path().to_string_lossy().into_owned()),
        ]);
        holds(&SkipIf { negated, condition }, &inherited, &paths)
    }

    #[test]
    fn a3_1_onpath_looks_on_the_path_for_programs() {
        assert!(holds_for(false, Condition::OnPath("sh".to_owned())));
        assert!(holds_for(false, Condition::OnPath("/bin/sh".to_owned())));
        assert!(!holds_for(false, Condition::OnPath("/etc/passwd".to_owned())));
        assert!(!holds_for(false, Condition::OnPath("no-such-program".to_owned())));
    }

    #[test]
    fn a3_1_exists_knows_the_folders_of_the_nucleus() {
        assert!(holds_for(false, Condition::Exists("~config/there".to_owned())));
        assert!(holds_for(false, Condition::Exists("~root/config/there".to_owned())));
        assert!(holds_for(false, Condition::Exists("~/config/there".to_owned())));
        assert!(!holds_for(false, Condition::Exists("~packages/there".to_owned())));
        assert!(holds_for(true, Condition::Exists("/nonexistent".to_owned())));
    }
}
