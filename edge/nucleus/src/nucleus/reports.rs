//! Hands what components say of their own state, and want paused, from the IPC to the supervisor.

use marram_ipc::shapes::ReportedLifecycleState;
use marram_model::ComponentName;
use marram_telemetry::Chain;

use crate::ipc::lifecycle::{Outcome, PauseRefused, Pausing};
use crate::ipc::state::{StateReports, UnknownComponent};
use crate::resolve::NUCLEUS;
use crate::supervisor::status::ReportedState;
use crate::supervisor::{PauseComponent, ResumeComponent, Supervisor};

impl StateReports for Supervisor {
    fn report_state(
        &self,
        component: &ComponentName,
        state: ReportedLifecycleState,
    ) -> Result<(), UnknownComponent> {
        let state = match state {
            ReportedLifecycleState::Running => ReportedState::Running,
            ReportedLifecycleState::Errored => ReportedState::Errored,
        };
        Self::report_state(self, component, state).map_err(|_| UnknownComponent)
    }
}

impl Pausing for Supervisor {
    fn pause<'a>(&'a self, component: &'a str) -> Outcome<'a> {
        Box::pin(async move {
            if component == NUCLEUS {
                return Err(PauseRefused::NotGeneric);
            }
            Self::pause(self, component).await.map_err(|error| match error {
                PauseComponent::Unknown => PauseRefused::Unknown,
                PauseComponent::NotGeneric => PauseRefused::NotGeneric,
                PauseComponent::NotRunning => PauseRefused::WrongState,
                PauseComponent::Cgroup(_) | PauseComponent::TooSlow => {
                    PauseRefused::Failed(Chain(&error).to_string())
                }
            })
        })
    }

    fn resume<'a>(&'a self, component: &'a str) -> Outcome<'a> {
        Box::pin(async move {
            if component == NUCLEUS {
                return Err(PauseRefused::NotGeneric);
            }
            Self::resume(self, component).map_err(|error| match error {
                ResumeComponent::Unknown => PauseRefused::Unknown,
                ResumeComponent::NotGeneric => PauseRefused::NotGeneric,
                ResumeComponent::NotPaused => PauseRefused::WrongState,
                ResumeComponent::Cgroup(_) => PauseRefused::Failed(Chain(&error).to_string()),
            })
        })
    }
}
