//! UpdateState: a component says that it runs or that it failed.

use std::fmt;

use marram_ipc::IpcError;
use marram_ipc::shapes::{ReportedLifecycleState, UpdateStateRequest};
use marram_model::ComponentName;

/// Takes what components say of their own state.
pub trait StateReports: fmt::Debug + Send + Sync + 'static {
    /// Takes a report. A report that does not fit the component's state is ignored, as the Java
    /// nucleus does.
    fn report_state(
        &self,
        component: &ComponentName,
        state: ReportedLifecycleState,
    ) -> Result<(), UnknownComponent>;
}

/// The nucleus does not run such a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such component runs on this device")]
pub struct UnknownComponent;

/// Answers UpdateState.
pub(super) fn update(
    reports: &dyn StateReports,
    component: &ComponentName,
    request: &UpdateStateRequest,
) -> Result<(), IpcError> {
    let Some(state) = request.state else {
        return Err(IpcError::service("state is required; use RUNNING or ERRORED"));
    };
    reports.report_state(component, state).map_err(|UnknownComponent| {
        IpcError::not_found("Component with given name not found")
            .with_resource("Component", component.as_str())
    })
}
