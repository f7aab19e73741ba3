//! Why the runtime ended, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use marram_nucleus::StartNucleus;
use marram_nucleus::alternatives::ChangeAlternatives;
use marram_nucleus::config::initial::ReadInitialConfig;
use marram_os::file::WriteFile;
use marram_telemetry::{Chain, InitTelemetry, OpenLog};

/// Bad arguments or configuration (`sysexits.h`: EX_USAGE).
pub(crate) const USAGE: u8 = 64;
/// Something needed is not available (`sysexits.h`: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;

/// Start this program again: it wanted to do so itself, and could not.
pub(crate) const START_AGAIN: u8 = 100;
/// Restart the device, which starts this program again.
pub(crate) const REBOOT: u8 = 101;

/// What ended the runtime.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the asynchronous runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error("--root {}: not a usable path", root.display())]
    Root { root: PathBuf, source: io::Error },
    #[error("HOME is not set: name the device's root folder with --root")]
    NoHome,
    #[error("--init-config")]
    Config(#[source] ReadInitialConfig),
    #[error("the log could not be opened")]
    Log(#[source] OpenLog),
    #[error("--log-level")]
    LogLevel(#[from] InitTelemetry),
    #[error("--ready-file")]
    Ready(#[source] WriteFile),
    #[error("{} could not take this process's place; start it again", executable.display())]
    StartAgain { executable: PathBuf, source: io::Error },
    #[error("the trial of a new version of the nucleus cannot be ended")]
    Trial(#[source] ChangeAlternatives),
    #[error(transparent)]
    Nucleus(#[from] StartNucleus),
}

impl Failure {
    /// Prints the chain of causes once, to stderr and to the log.
    pub(crate) fn report(&self) -> ExitCode {
        let text = Chain(self);
        tracing::error!("{text}");
        eprintln!("marramd: {text}");
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Root { .. }
            | Self::NoHome
            | Self::Config(_)
            | Self::LogLevel(_)
            | Self::Ready(_) => USAGE,
            Self::Nucleus(start) if start.is_bad_configuration() => USAGE,
            Self::Nucleus(start) if start.is_in_use() => UNAVAILABLE,
            Self::StartAgain { .. } => START_AGAIN,
            _ => 1,
        }
    }
}
