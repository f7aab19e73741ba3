//! What one version of a component does, as far as its machine and its runner must know.

use std::sync::Arc;
use std::time::Duration;

use marram_model::Version;
use marram_model::deployment::RunWith;
use marram_recipe::lifecycle::{Lifecycle, ParseLifecycle, StepName};

use crate::component::NativeComponent;

/// Errors further apart than this are not counted together, if the recipe does not say.
const DEFAULT_ERROR_RESET: Duration = Duration::from_secs(3600);

/// One version of a component.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Which.
    pub(crate) version: Version,
    /// Whom its scripts run as.
    pub(crate) run_with: RunWith,
    /// What it does.
    pub(crate) work: Work,
}

/// What a component does.
#[derive(Debug)]
pub(crate) enum Work {
    /// Its scripts. A lifecycle that cannot be read at all fails when its first step runs.
    Scripts(Result<Lifecycle, ParseLifecycle>),
    /// A guest of the nucleus's process. Starting it is its startup step.
    Native(Arc<dyn NativeComponent>),
}

impl Definition {
    /// Whether there is anything to run for `step`.
    pub(crate) fn has(&self, step: StepName) -> bool {
        match &self.work {
            Work::Scripts(Ok(lifecycle)) => lifecycle.has(step),
            Work::Scripts(Err(_)) => step == StepName::Install,
            Work::Native(_) => step == StepName::Startup,
        }
    }

    /// How long `step` may take; `None` is for ever.
    pub(crate) fn timeout(&self, step: StepName) -> Option<Duration> {
        let own = match &self.work {
            Work::Scripts(Ok(lifecycle)) => {
                lifecycle.step(step).and_then(|step| step.ok()?.timeout)
            }
            Work::Scripts(Err(_)) | Work::Native(_) => None,
        };
        own.or_else(|| step.default_timeout())
    }

    /// Errors further apart than this are not counted together.
    pub(crate) fn error_reset_time(&self) -> Duration {
        match &self.work {
            Work::Scripts(Ok(lifecycle)) => lifecycle.error_reset_time,
            Work::Scripts(Err(_)) | Work::Native(_) => DEFAULT_ERROR_RESET,
        }
    }
}
