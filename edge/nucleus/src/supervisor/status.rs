//! What the supervisor says about components.

use marram_model::component_state::{ComponentState, StatusCode};
use marram_model::{ComponentName, Version};

/// A moment in the order of all state changes of one run of the nucleus. The default is before
/// the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub(crate) u64);

/// One component now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentStatus {
    /// Its name.
    pub name: ComponentName,
    /// The version that was last asked for.
    pub version: Version,
    /// Where it is in its lifecycle.
    pub state: ComponentState,
    /// Why it is there; `NONE` when nothing is wrong.
    pub code: StatusCode,
    /// The same in a sentence; empty when nothing is wrong.
    pub reason: String,
    /// Whether it runs in the nucleus's own process.
    pub is_native: bool,
    /// The last lines that its processes wrote to stderr, oldest first.
    pub last_stderr: Vec<String>,
    /// Whether it is where it shall be: nothing more happens by itself.
    pub is_settled: bool,
    /// When its state last changed.
    pub changed: Mark,
}

/// A component has reached another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The component.
    pub name: ComponentName,
    /// The version that was last asked for.
    pub version: Version,
    /// The state it left; `None` for a component that was just created.
    pub from: Option<ComponentState>,
    /// The state it reached; `None` for a component that was removed.
    pub to: Option<ComponentState>,
    /// Why it is there.
    pub code: StatusCode,
    /// The same in a sentence; empty when nothing is wrong.
    pub reason: String,
    /// Its place in the order of all changes.
    pub at: Mark,
}

/// What a component may say of itself (`UpdateState`, ipc 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedState {
    /// It is up.
    Running,
    /// It failed.
    Errored,
}

/// How waiting for components ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// All are RUNNING or FINISHED, as they shall.
    Reached,
    /// These became BROKEN.
    Broken(Vec<ComponentStatus>),
    /// The supervisor has no components of these names.
    Missing(Vec<ComponentName>),
    /// The supervisor has stopped.
    Stopped,
}

/// The nucleus has no component of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no component {0}")]
pub struct UnknownComponent(pub ComponentName);
