//! The interop tests: the built programs judged by the AWS CLI, boto3 and the Device SDK.
//!
//! Python and the pinned clients are set up here; where that is impossible the whole part is
//! skipped, and the reason is printed. Without Node.js only the JavaScript SDK's part is.

mod javascript;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::postgres::{self, Server};
use crate::test::{Tally, heading};
use crate::{routes, run};

/// Builds the programs, sets the clients up and runs the suite.
pub(crate) fn run(server: Option<&Server>) -> Result<Tally> {
    heading("interop tests");
    let python = match environment() {
        Ok(python) => python,
        Err(reason) => {
            println!("skipped: all interop tests: {reason:#}");
            return Ok(Tally { skipped: 1, ..Tally::default() });
        }
    };
    let mut build = run::cargo();
    build.args(["build", "--locked", "--quiet", "--bins"]);
    build.args(["--package", "marram", "--package", "marramd", "--package", "marram-cloud"]);
    build.args(["--package", "marram-ipc-load", "--example", "guest"]);
    if !run::succeeds(&mut build)? {
        return Ok(Tally::FAILED);
    }
    suite(&python, server)
}

fn suite(python: &Path, server: Option<&Server>) -> Result<Tally> {
    let report = target_dir().join("interop.xml");
    if report.exists() {
        fs::remove_file(&report)?;
    }
    let routes = target_dir().join("routes.json");
    fs::write(&routes, routes::tables().to_string())?;
    let modules = javascript::modules().unwrap_or_else(|reason| {
        println!("skipped: the interop tests of JavaScript: {reason:#}");
        PathBuf::new()
    });
    let ok = run::succeeds(
        Command::new(python)
            .current_dir(run::root())
            .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/interop"])
            // The tests wait more than they work; one file's tests stay together and in order.
            .args(["--numprocesses", "4", "--dist", "loadfile"])
            .arg(format!("--junitxml={}", report.display()))
            .env("MARRAM_BIN", target_dir().join("debug"))
            .env("MARRAM_ROUTES", &routes)
            .envs(server.map(|server| (postgres::VARIABLE, server.url())))
            .env("MARRAM_NODE_MODULES", modules)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )?;
    let xml = fs::read_to_string(&report)
        .with_context(|| format!("pytest wrote no report at {}", report.display()))?;
    let mut tally = junit_tally(&xml)?;
    if !ok && tally.failed == 0 {
        tally = Tally { failed: 1, ..tally };
    }
    Ok(tally)
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), PathBuf::from)
}

/// The Python of a virtual environment that holds the pinned clients.
pub(crate) fn environment() -> Result<PathBuf> {
    let requirements = fs::read_to_string(run::root().join("tests/interop/requirements.txt"))?;
    let folder = target_dir().join("interop-venv");
    let python = folder.join("bin/python");
    let marker = folder.join("installed.txt");
    if python.exists() && fs::read_to_string(&marker).is_ok_and(|text| text == requirements) {
        return Ok(python);
    }
    system_python()?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    if !run::succeeds(run::program("python3").args(["-m", "venv"]).arg(&folder))? {
        bail!("`python3 -m venv` failed: install Debian's python3-venv");
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args(["--requirement", "tests/interop/requirements.txt"]).current_dir(run::root());
    if !run::succeeds(&mut install)? {
        bail!(
            "pip could not install tests/interop/requirements.txt: is the package index reachable?"
        );
    }
    fs::write(marker, requirements)?;
    Ok(python)
}

/// Makes sure of a Python with venv, from Debian's packages where we may install them.
fn system_python() -> Result<()> {
    let has_venv = || {
        run::output(run::program("python3").args(["-c", "import venv, ensurepip"]))
            .is_ok_and(|output| output.status.success())
    };
    if has_venv() {
        return Ok(());
    }
    if !run::may_install() {
        bail!("no Python 3 with venv; as root on a Debian this would install it by itself");
    }
    run::succeeds(run::program("apt-get").args(["update", "-q"]))?;
    let mut install = run::program("apt-get");
    install.args(["install", "-y", "-q", "--no-install-recommends", "python3", "python3-venv"]);
    run::succeeds(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    if !has_venv() {
        bail!("Debian's python3-venv could not be installed");
    }
    Ok(())
}

/// Reads the counts of the first `<testsuite …>`.
fn junit_tally(xml: &str) -> Result<Tally> {
    let start = xml.find("<testsuite ").context("the report has no test suite")?;
    let end = xml[start..].find('>').context("the report is cut off")?;
    let element = &xml[start..start + end];
    let count = |name: &str| -> Result<u64> {
        let key = format!(" {name}=\"");
        let at = element.find(&key).with_context(|| format!("the report has no `{name}`"))?;
        let text: String =
            element[at + key.len()..].chars().take_while(char::is_ascii_digit).collect();
        text.parse().with_context(|| format!("`{name}` is not a number"))
    };
    let failed = count("failures")? + count("errors")?;
    let skipped = count("skipped")?;
    Ok(Tally { passed: count("tests")?.saturating_sub(failed + skipped), failed, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_counts_are_read() {
        let xml = r#"<?xml version="1.0"?><testsuites name="x"><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10" time="1.0">"#;
        let tally = junit_tally(xml).unwrap();
        assert_eq!(tally, Tally { passed: 4, failed: 3, skipped: 3 });
    }
}
