//! Hands what components say of their own state from the IPC to the supervisor.

use marram_ipc::shapes::ReportedLifecycleState;
use marram_model::ComponentName;

use crate::ipc::state::{StateReports, UnknownComponent};
use crate::supervisor::Supervisor;
use crate::supervisor::status::ReportedState;

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
