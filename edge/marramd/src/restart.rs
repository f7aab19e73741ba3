//! What a deployment's wish for a restart means to the process.
//!
//! The nucleus is started again by the process replacing itself (`execve`): same process id, so a
//! service manager, a container and a shell all see one program that goes on. A restart of the
//! device is left to a command of the operator's, and to the exit code.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

/// This program as it was started.
#[derive(Debug)]
pub(crate) struct Itself {
    executable: PathBuf,
    words: Vec<OsString>,
}

impl Itself {
    /// Call it early: an update of the package may move the file away.
    pub(crate) fn now() -> io::Result<Self> {
        Ok(Self { executable: std::env::current_exe()?, words: std::env::args_os().collect() })
    }

    /// The file that was started.
    pub(crate) fn executable(&self) -> &Path {
        &self.executable
    }

    /// Becomes the program anew. Returns only if that fails.
    pub(crate) fn start_again(self) -> Failure {
        let mut command = Command::new(&self.executable);
        if let Some((name, arguments)) = self.words.split_first() {
            command.arg0(name).args(arguments);
        }
        let source = command.exec();
        Failure::StartAgain { executable: self.executable, source }
    }
}

/// Restarts the device, or tries to. Whether it goes down is seen when it does: the exit code asks
/// for it in any case.
pub(crate) fn reboot(command: Option<&str>) {
    let Some(command) = command else {
        tracing::info!("exit code 101 asks for a restart of the device");
        return;
    };
    tracing::info!(command, "restarting the device");
    match Command::new("sh").arg("-c").arg(command).status() {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::error!(command, %status, "--reboot-command failed"),
        Err(error) => tracing::error!(command, %error, "--reboot-command could not be started"),
    }
}
