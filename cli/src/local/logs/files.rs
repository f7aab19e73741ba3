//! Which files are logs, and in which order they were written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The logs of a folder, by name: files whose name contains `log`.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let invalid = || format!("Log dir provided invalid: {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(invalid)? {
        let path = entry.with_context(invalid)?.path();
        let is_log = path.file_name().is_some_and(|name| name.to_string_lossy().contains("log"));
        if is_log && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Files of one log together, the oldest first: `NAME_yyyy_MM_dd_HH_N.log` and then `NAME.log`.
pub(super) fn by_log(paths: Vec<PathBuf>) -> Vec<Vec<PathBuf>> {
    let mut logs: BTreeMap<PathBuf, Vec<(Rotation, PathBuf)>> = BTreeMap::new();
    for path in paths {
        let (log, rotation) = rotation(&path);
        logs.entry(log).or_default().push((rotation, path));
    }
    logs.into_values()
        .map(|mut files| {
            files.sort();
            files.dedup();
            files.into_iter().map(|(_, path)| path).collect()
        })
        .collect()
}

/// Year, month, day, hour, index; `None`, the file that is written now, is the last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rotation {
    At([u32; 5]),
    Current,
}

fn rotation(path: &Path) -> (PathBuf, Rotation) {
    let current = || (path.to_owned(), Rotation::Current);
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { return current() };
    let mut parts = stem.rsplitn(6, '_');
    let mut at = [0; 5];
    for place in at.iter_mut().rev() {
        match parts.next().and_then(|part| part.parse().ok()) {
            Some(number) => *place = number,
            None => return current(),
        }
    }
    match parts.next() {
        Some(name) => (path.with_file_name(format!("{name}.log")), Rotation::At(at)),
        None => current(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_come_first_by_number_and_each_log_apart() {
        let paths = [
            "/l/a.log",
            "/l/a_2026_01_02_03_10.log",
            "/l/a_2026_01_02_03_9.log",
            "/l/b_c.log",
            "/l/a_2025_12_31_23_0.log",
        ];
        let logs = by_log(paths.map(PathBuf::from).to_vec());
        let expected: Vec<Vec<PathBuf>> = vec![
            vec![
                "/l/a_2025_12_31_23_0.log".into(),
                "/l/a_2026_01_02_03_9.log".into(),
                "/l/a_2026_01_02_03_10.log".into(),
                "/l/a.log".into(),
            ],
            vec!["/l/b_c.log".into()],
        ];
        assert_eq!(logs, expected);
    }

    #[test]
    fn only_files_named_log_are_logs() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.log", "syslog", "x.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("logs")).unwrap();
        let found = in_folder(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join("a.log"), folder.path().join("syslog")]);
        let error = in_folder(Path::new("/no/such")).unwrap_err().to_string();
        assert_eq!(error, "Log dir provided invalid: /no/such");
    }
}
