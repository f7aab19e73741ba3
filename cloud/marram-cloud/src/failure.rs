//! Why the cloud ended, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use marram_os::file::WriteFile;
use marram_telemetry::{Chain, InitTelemetry};

use crate::cloud::StartCloud;
use crate::store::ChooseStore;

/// Bad arguments or configuration (`sysexits.h`: EX_USAGE).
const USAGE: u8 = 64;
/// Something needed is not available (`sysexits.h`: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;

/// What ended the cloud.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the asynchronous runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error("--log-level")]
    LogLevel(#[from] InitTelemetry),
    #[error("--ready-file")]
    ReadyFile(#[source] WriteFile),
    #[error("--ephemeral: cannot make a temporary folder; set TMPDIR to one that can be written")]
    Ephemeral(#[source] WriteFile),
    #[error(transparent)]
    Store(#[from] ChooseStore),
    #[error(transparent)]
    Start(#[from] StartCloud),
}

impl Failure {
    /// Prints the chain of causes once, to stderr.
    #[allow(clippy::print_stderr, reason = "the program's last words")]
    pub(crate) fn report(&self) -> ExitCode {
        let text = Chain(self);
        eprintln!("marram-cloud: {text}");
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::LogLevel(_) | Self::ReadyFile(_) | Self::Ephemeral(_) | Self::Store(_) => USAGE,
            Self::Start(start) if start.is_bad_configuration() => USAGE,
            Self::Start(start) if start.is_unavailable() => UNAVAILABLE,
            _ => 1,
        }
    }
}
