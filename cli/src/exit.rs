//! Exit codes that mean something (the numbers of `sysexits.h`).

use std::process::ExitCode;

use crate::aws::CallCloud;
use crate::output::is_closed_pipe;

/// Bad arguments or configuration: nothing was changed.
pub(crate) const USAGE: u8 = 64;
/// The cloud cannot be reached.
const UNAVAILABLE: u8 = 69;

/// A failure that is the user's to mend in what they wrote: exits with [`USAGE`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadInput(pub(crate) String);

/// Prints clap's message; help and version are no errors.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let is_error = error.use_stderr();
    // A closed pipe (`marram --help | head`) is the reader's choice, not our failure.
    let _ = error.print();
    if is_error { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Prints the error with its chain, once, and gives the exit code.
pub(crate) fn of(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("marram: {error:#}");
    if error.downcast_ref::<BadInput>().is_some() {
        ExitCode::from(USAGE)
    } else if let Some(CallCloud::Send(_)) = error.downcast_ref::<CallCloud>() {
        ExitCode::from(UNAVAILABLE)
    } else {
        ExitCode::FAILURE
    }
}

/// As the official `greengrass-cli` ends: every failed command is 1.
pub(crate) fn of_official(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("{error:#}");
    ExitCode::FAILURE
}
