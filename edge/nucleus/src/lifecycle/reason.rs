//! Status codes and their sentences (A7.5).

use marram_model::component_state::{ComponentState, StatusCode};
use marram_os::process::Exit;
use marram_recipe::lifecycle::StepName;

use super::event::Refusal;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: StatusCode,
    pub(super) reason: String,
}

impl Failure {
    /// The script of a step ended otherwise than with 0.
    pub(super) fn exited(step: StepName, exit: Exit) -> Self {
        let how = match exit {
            Exit::Code(code) => format!("exited with code {code}."),
            Exit::Signal(signal) => format!("was ended by signal {signal}."),
        };
        let reason = format!("The {} step failed. Its script {how}", step.as_str());
        Self { code: code(step, Wrong::Error), reason }
    }

    /// A step did not end, or did not get up, in time.
    pub(super) fn timed_out(step: StepName) -> Self {
        let reason = format!("The {} step took longer than its timeout.", step.as_str());
        Self { code: code(step, Wrong::Timeout), reason }
    }

    /// A step could not be started.
    pub(super) fn refused(step: StepName, refusal: Refusal, detail: &str) -> Self {
        let (wrong, what) = match refusal {
            Refusal::ConfigNotValid => (Wrong::ConfigNotValid, "is not valid"),
            Refusal::Io => (Wrong::Io, "could not be started"),
            Refusal::MissingRunWith => (Wrong::MissingRunWith, "has no user to run as"),
            Refusal::Failed => (Wrong::Error, "failed"),
        };
        let reason = format!("The {} step {what}: {detail}.", step.as_str());
        Self { code: code(step, wrong), reason }
    }

    /// The component said so itself.
    pub(super) fn reported(state: ComponentState) -> Self {
        let code = match state {
            ComponentState::Starting => StatusCode::StartupError,
            ComponentState::Running => StatusCode::RunError,
            ComponentState::Stopping => StatusCode::ShutdownError,
            _ => StatusCode::InstallError,
        };
        Self { code, reason: "The component reported an error.".to_owned() }
    }

    /// Some of its processes cannot be ended.
    pub(super) fn survived() -> Self {
        let reason = "Some of its processes survived SIGKILL.".to_owned();
        Self { code: StatusCode::ShutdownTimeout, reason }
    }
}

#[derive(Clone, Copy)]
enum Wrong {
    Error,
    ConfigNotValid,
    Io,
    MissingRunWith,
    Timeout,
}

/// The code of a step that counts. Recover and bootstrap have none of their own.
fn code(step: StepName, wrong: Wrong) -> StatusCode {
    let [error, config_not_valid, io, missing_run_with, timeout] = match step {
        StepName::Startup => [
            StatusCode::StartupError,
            StatusCode::StartupConfigNotValid,
            StatusCode::StartupIoError,
            StatusCode::StartupMissingDefaultRunwith,
            StatusCode::StartupTimeout,
        ],
        StepName::Run => [
            StatusCode::RunError,
            StatusCode::RunConfigNotValid,
            StatusCode::RunIoError,
            StatusCode::RunMissingDefaultRunwith,
            StatusCode::RunTimeout,
        ],
        StepName::Shutdown => [
            StatusCode::ShutdownError,
            StatusCode::ShutdownError,
            StatusCode::ShutdownError,
            StatusCode::ShutdownError,
            StatusCode::ShutdownTimeout,
        ],
        StepName::Uninstall => [
            StatusCode::UninstallError,
            StatusCode::UninstallError,
            StatusCode::UninstallError,
            StatusCode::UninstallError,
            StatusCode::UninstallTimeout,
        ],
        _ => [
            StatusCode::InstallError,
            StatusCode::InstallConfigNotValid,
            StatusCode::InstallIoError,
            StatusCode::InstallMissingDefaultRunwith,
            StatusCode::InstallTimeout,
        ],
    };
    match wrong {
        Wrong::Error => error,
        Wrong::ConfigNotValid => config_not_valid,
        Wrong::Io => io,
        Wrong::MissingRunWith => missing_run_with,
        Wrong::Timeout => timeout,
    }
}
