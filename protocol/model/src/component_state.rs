//! States and status codes of a component's lifecycle (recipes and deployments, A7.1 and A7.5).

use crate::text::words;

words! {
    /// Where a component is in its lifecycle.
    ComponentState {
        /// A built-in without a lifecycle.
        Stateless = "STATELESS",
        /// Known, nothing run yet.
        New = "NEW",
        /// The install step is done.
        Installed = "INSTALLED",
        /// The startup or run step has been started.
        Starting = "STARTING",
        /// Works.
        Running = "RUNNING",
        /// The shutdown step runs, or the processes are being ended.
        Stopping = "STOPPING",
        /// A step failed; it will be tried again.
        Errored = "ERRORED",
        /// Failed too often; only a deployment or a person tries it again.
        Broken = "BROKEN",
        /// Ran to its end.
        Finished = "FINISHED",
        /// The uninstall step runs (nucleus 2.18); never sent in a fleet status.
        Uninstalling = "UNINSTALLING",
        /// Removed; only nucleus-lite reports it.
        Uninstalled = "UNINSTALLED",
    }
}

words! {
    /// Why a component is in its state.
    StatusCode {
        /// Nothing is wrong.
        None = "NONE",
        /// The install step failed.
        InstallError = "INSTALL_ERROR",
        /// The install step is not written correctly.
        InstallConfigNotValid = "INSTALL_CONFIG_NOT_VALID",
        /// The install step could not be started.
        InstallIoError = "INSTALL_IO_ERROR",
        /// No user to run the install step as.
        InstallMissingDefaultRunwith = "INSTALL_MISSING_DEFAULT_RUNWITH",
        /// The install step took too long.
        InstallTimeout = "INSTALL_TIMEOUT",
        /// The startup step failed.
        StartupError = "STARTUP_ERROR",
        /// The startup step is not written correctly.
        StartupConfigNotValid = "STARTUP_CONFIG_NOT_VALID",
        /// The startup step could not be started.
        StartupIoError = "STARTUP_IO_ERROR",
        /// No user to run the startup step as.
        StartupMissingDefaultRunwith = "STARTUP_MISSING_DEFAULT_RUNWITH",
        /// The startup step took too long.
        StartupTimeout = "STARTUP_TIMEOUT",
        /// The run step failed.
        RunError = "RUN_ERROR",
        /// The run step is not written correctly.
        RunConfigNotValid = "RUN_CONFIG_NOT_VALID",
        /// The run step could not be started.
        RunIoError = "RUN_IO_ERROR",
        /// No user to run the run step as.
        RunMissingDefaultRunwith = "RUN_MISSING_DEFAULT_RUNWITH",
        /// The run step took too long.
        RunTimeout = "RUN_TIMEOUT",
        /// The shutdown step failed.
        ShutdownError = "SHUTDOWN_ERROR",
        /// The shutdown step took too long.
        ShutdownTimeout = "SHUTDOWN_TIMEOUT",
        /// The uninstall step took too long.
        UninstallTimeout = "UNINSTALL_TIMEOUT",
        /// The uninstall step failed.
        UninstallError = "UNINSTALL_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back() {
        for state in ComponentState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        for code in StatusCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert!("running".parse::<ComponentState>().is_err());
    }
}
