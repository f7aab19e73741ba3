//! UpdateState, PauseComponent and ResumeComponent.

use serde::Deserialize;

/// Reports the state of the asking component.
#[derive(Debug, Deserialize)]
pub struct UpdateStateRequest {
    /// The state it says it is in; required.
    pub state: Option<ReportedLifecycleState>,
}

/// Asks to pause or resume a component.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseComponentRequest {
    /// Its name; required.
    pub component_name: Option<String>,
}

/// What a component may say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReportedLifecycleState {
    /// It works.
    Running,
    /// It failed.
    Errored,
}
