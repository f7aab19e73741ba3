//! The conformance pages name a test for each case: every one of them must exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where sources with tests are.
const SOURCES: &[&str] = &["protocol", "blocks", "edge", "cloud", "cli", "xtask"];
const INTEROP: &str = "tests/interop";
const PAGES: &str = "docs/reference";

/// One sentence for each test that a page names and that does not exist.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let functions = rust_tests(root)?;
    let mut problems = Vec::new();
    for page in pages(&root.join(PAGES))? {
        let text = fs::read_to_string(&page)?;
        let shown = page.strip_prefix(root).unwrap_or(&page).display();
        for name in named_tests(&text) {
            let exists = match name.split_once("::") {
                Some((file, test)) => {
                    let source = fs::read_to_string(root.join(INTEROP).join(file));
                    source.is_ok_and(|text| text.contains(&format!("def {test}(")))
                }
                None => functions.contains(name),
            };
            if !exists {
                problems.push(format!("{shown} names the test `{name}`, which does not exist"));
            }
        }
    }
    Ok(problems)
}

fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_page = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("conformance") && name.ends_with(".md")
    };
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(is_page).collect())
}

/// What stands in backticks in the last cell of a page's table rows.
fn named_tests(page: &str) -> impl Iterator<Item = &str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit_once(" | "));
    cells.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2))
}

/// The names of all tests in the sources. A helper of the same name proves nothing.
fn rust_tests(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(tests_in(&fs::read_to_string(&path)?));
            }
        }
    }
    Ok(names)
}

/// The functions that an attribute makes tests.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if is_test && let Some((name, _)) = function.and_then(|f| f.split_once(['(', '<'])) {
            names.push(name.to_owned());
        }
        is_test &= line.is_empty() || line.starts_with("//");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_read_from_the_last_cell() {
        let page = "| case | test |\n|---|---|\n| `x: 1` goes | `a_test`, `test_b.py::test_c` |\n";
        assert_eq!(named_tests(page).collect::<Vec<_>>(), ["a_test", "test_b.py::test_c"]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_a_problem() {
        let root = tempfile::tempdir().unwrap();
        for folder in SOURCES.iter().chain([&INTEROP, &PAGES]) {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text).unwrap();
        write("edge/lib.rs", "#[test]\nfn here() {}\nfn helper() {}\n");
        write("tests/interop/test_a.py", "def test_here(core):\n    pass\n");
        write(
            "docs/reference/conformance-x.md",
            "| 1 | `here`, `helper` |\n| 2 | `test_a.py::test_here`, `test_a.py::test_gone` |\n",
        );
        let problems = problems(root.path()).unwrap();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("`helper`") && problems[1].contains("test_gone"));
    }
}
