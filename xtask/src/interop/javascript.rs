//! The Device SDK for JavaScript, pinned in `tests/interop/package.json` and installed by npm.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::target_dir;
use crate::run;

/// The folder of modules that `node` finds the SDK in. Its native part comes ready-made, so no
/// script of a package is run.
pub(super) fn modules() -> Result<PathBuf> {
    if !run::is_installed("node") || !run::is_installed("npm") {
        bail!("no Node.js with npm: install Debian's nodejs and npm");
    }
    let wanted = fs::read_to_string(run::root().join("tests/interop/package.json"))?;
    let folder = target_dir().join("interop-node");
    let modules = folder.join("node_modules");
    let marker = folder.join("installed.json");
    if modules.is_dir() && fs::read_to_string(&marker).is_ok_and(|text| text == wanted) {
        return Ok(modules);
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), &wanted)?;
    let mut install = run::program("npm");
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
    if !run::succeeds(install.arg("--prefix").arg(&folder))? {
        bail!("npm could not install tests/interop/package.json: is the registry reachable?");
    }
    fs::write(marker, wanted)?;
    Ok(modules)
}
