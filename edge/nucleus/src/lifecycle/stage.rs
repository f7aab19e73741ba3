//! What a machine waits for.

use marram_model::component_state::ComponentState;
use marram_recipe::lifecycle::StepName;

use super::event::{KillId, RunId, TimerId};

/// What a machine waits for. Together with the state this is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// For somebody's wish or its dependencies: NEW, INSTALLED, FINISHED, BROKEN or UNINSTALLED.
    Resting,
    /// NEW: for the install step.
    Installing(RunId, Option<TimerId>),
    /// NEW: for the end of an install step that nobody wants any more.
    Abandoning(KillId),
    /// STARTING: for the end of what earlier steps left behind.
    Clearing(KillId),
    /// STARTING: for the startup step's success, or for the run step's process.
    Starting(Main),
    /// RUNNING: for the main process's end or a deadline.
    Running(Main),
    /// STOPPING or BROKEN: for the shutdown step.
    ShuttingDown(RunId, Option<TimerId>, AfterStop),
    /// STOPPING, BROKEN or UNINSTALLING: for the end of all processes.
    Ending(KillId, AfterStop),
    /// ERRORED: for the end of all processes, before recovering from the named state.
    Clearance(KillId, ComponentState),
    /// ERRORED: for the recover step.
    Recovering(RunId, Option<TimerId>, ComponentState),
    /// ERRORED: for the end of a recover step that took too long.
    EndingRecover(KillId, ComponentState),
    /// UNINSTALLING: for the uninstall step.
    Uninstalling(RunId, Option<TimerId>),
}

/// The startup or run step under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Main {
    pub(super) run: RunId,
    pub(super) step: StepName,
    pub(super) timer: Option<TimerId>,
}

/// What follows when all processes have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterStop {
    /// The next desired state, or FINISHED.
    NextDesire,
    /// It stays BROKEN.
    StayBroken,
    /// It is UNINSTALLED.
    Uninstalled,
}
