//! What happens to a machine, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use marram_model::component_state::{ComponentState, StatusCode};
use marram_os::process::Exit;
use marram_recipe::lifecycle::StepName;

use super::definition::Definition;
use super::readiness::Readiness;

/// One run of one step. Never given twice by one machine, so that a late exit of an earlier run is
/// told from that of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(pub(crate) u64);

/// One order to end processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KillId(pub(crate) u64);

/// One deadline. A new one takes the place of those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimerId(pub(crate) u64);

/// What happens to a component.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Somebody wants it in another state.
    Request(Request),
    /// It has another definition from its next step on.
    Define(Arc<Definition>),
    /// Its dependencies are there, or no longer.
    Dependencies(Readiness),
    /// Something became of a step that it wanted run.
    Step(RunId, StepEvent),
    /// Processes were ended as it wanted; `complete` unless some survived.
    Killed {
        /// Which order this answers.
        kill: KillId,
        /// Whether nothing is left.
        complete: bool,
    },
    /// A deadline has passed.
    Timer(TimerId),
    /// It says itself that it is up.
    ReportedRunning,
    /// It says itself that it failed.
    ReportedErrored,
}

/// What somebody wants of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// It shall run.
    Start,
    /// It shall end.
    Stop,
    /// It shall end and run again.
    Restart,
    /// It shall end, install and run again, also when it is BROKEN.
    Reinstall,
    /// It shall end and clean up behind itself, also when it is BROKEN.
    Uninstall,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepEvent {
    /// Its process runs.
    Spawned,
    /// There was nothing to do.
    Skipped,
    /// It could not be started.
    Refused(Refusal, String),
    /// Its process has ended.
    Exited(Exit),
}

/// Why a step could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The recipe is wrong.
    ConfigNotValid,
    /// The operating system refused.
    Io,
    /// There is no user to run it as.
    MissingRunWith,
    /// A native component said no.
    Failed,
}

/// What a machine wants done, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Run a step and tell what becomes of it.
    Run {
        /// Names this run in events.
        run: RunId,
        /// Which step.
        step: StepName,
        /// Whose.
        definition: Arc<Definition>,
    },
    /// End processes with everything they started, within seconds, and tell.
    Kill {
        /// Names this order in the answer.
        kill: KillId,
        /// Which processes.
        scope: KillScope,
    },
    /// Tell when so much time has passed. Earlier timers no longer matter.
    SetTimer {
        /// Names this deadline in the event.
        timer: TimerId,
        /// From now.
        after: Duration,
    },
    /// The component's status is now this.
    Announce(Status),
}

/// Which processes to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillScope {
    /// All of the component's.
    All,
    /// Those of one run.
    Run(RunId),
}

/// Where a component is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Where.
    pub(crate) state: ComponentState,
    /// Why; `NONE` when nothing is wrong.
    pub(crate) code: StatusCode,
    /// Why, in a sentence or two; empty when nothing is wrong.
    pub(crate) reason: String,
}
