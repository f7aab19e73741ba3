//! Running other programs from the workspace's root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};

/// The workspace's root, wherever xtask was called from.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root());
    command
}

/// A program run from the workspace's root.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Runs to the end with inherited output; true if it exited 0.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    Ok(status.success())
}

/// Runs to the end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("starting {command:?}"))
}

/// True if a program of that name is on the PATH and answers `--version`.
pub(crate) fn is_installed(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// True if we may do everything.
pub(crate) fn is_root() -> bool {
    output(program("id").arg("-u")).is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// True if Debian packages can be installed by us.
pub(crate) fn may_install() -> bool {
    is_root() && is_installed("apt-get")
}
