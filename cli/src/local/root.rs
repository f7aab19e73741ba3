//! Which root folder is meant.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Options, expand_home};

/// The variable that the official tool reads.
const VARIABLE: &str = "GGC_ROOT_PATH";

/// The root folder: as told, or where this tool is installed (`<root>/bin/greengrass-cli`).
pub(super) fn root(options: &Options) -> Result<PathBuf> {
    let told = options.root.clone().or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    if let Some(root) = told.filter(|root| !root.as_os_str().is_empty()) {
        return Ok(expand_home(&root));
    }
    let called = std::path::absolute(marram_os::process::called_as()).ok();
    let places = called.into_iter().chain(std::env::current_exe().ok());
    match places.filter_map(|program| installed_in(&program)).next() {
        Some(root) => Ok(root),
        None => bail!(
            "GGC root path not configured. Provide ggc root path via --ggcRootPath before the \
             command, or set the environment variable {VARIABLE}"
        ),
    }
}

fn installed_in(program: &Path) -> Option<PathBuf> {
    let bin = program.parent()?;
    let root = bin.parent()?;
    (bin.file_name()? == "bin" && root.join(super::credentials::FOLDER).is_dir())
        .then(|| root.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_tool_knows_its_root() {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("bin/greengrass-cli");
        assert_eq!(installed_in(&program), None);
        std::fs::create_dir(root.path().join("cli_ipc_info")).unwrap();
        assert_eq!(installed_in(&program), Some(root.path().to_owned()));
        assert_eq!(installed_in(Path::new("greengrass-cli")), None);
    }
}
