//! What a deployment's wish for a restart means to the process.
//!
//! The nucleus is started again by the process replacing itself (`execve`): same process id, so a
//! service manager, a container and a shell all see one program that goes on. A restart of the
//! device is left to a command of the operator's, and to the exit code.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tokio::time::timeout;

use crate::failure::Failure;

/// How long the operator's command for a restart of the device may take: it only has to ask for it.
const REBOOT_DEADLINE: Duration = Duration::from_secs(60);

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
    match run_within(command, REBOOT_DEADLINE) {
        Ok(Some(status)) if status.success() => {}
        Ok(Some(status)) => tracing::error!(command, %status, "--reboot-command failed"),
        Ok(None) => tracing::error!(
            command,
            seconds = REBOOT_DEADLINE.as_secs(),
            "--reboot-command did not end in time and was killed"
        ),
        Err(error) => tracing::error!(command, %error, "--reboot-command could not be run"),
    }
}

/// Runs a shell command; `None` if it had to be killed because it was not over in time.
fn run_within(command: &str, limit: Duration) -> io::Result<Option<ExitStatus>> {
    // The device's own runtime is gone by now.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut shell = tokio::process::Command::new("sh").arg("-c").arg(command).spawn()?;
        match timeout(limit, shell.wait()).await {
            Ok(ended) => ended.map(Some),
            Err(_) => shell.kill().await.map(|()| None),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reboot_command_that_hangs_is_given_up() {
        assert!(run_within("exec sleep 1000", Duration::from_millis(50)).unwrap().is_none());
    }

    #[test]
    fn a_reboot_command_says_how_it_ended() {
        let ended = |command| run_within(command, Duration::from_secs(60)).unwrap();
        assert!(ended("exit 0").is_some_and(|status| status.success()));
        assert_eq!(ended("exit 7").and_then(|status| status.code()), Some(7));
    }
}
