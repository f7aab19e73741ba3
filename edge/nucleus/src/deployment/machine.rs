//! One deployment as a state machine: which step comes next, and how it ends.
//!
//! Pure: the engine runs the steps and feeds their results back. The steps' own data (the
//! resolution, the downloads) stay with the engine; what is decided here is only the order, so
//! that every sequence of events can be tested. What holds, and is property-tested:
//!
//! - every event leads on: a deployment whose steps all return ends, once;
//! - nothing on the device has changed before [`Step::Apply`] is done, so a failure or a cancel
//!   up to then ends in `FAILED_NO_STATE_CHANGE` or `CANCELED`;
//! - a cancel is honoured in every step: from then on it leads back to the configuration of before,
//!   so that `CANCELED` always means that the device is as it was;
//! - a deployment that restarts the nucleus goes back on failure whatever its policy says, and the
//!   way back restarts the nucleus too (B5.9).

use std::error::Error;
use std::time::Duration;

use marram_model::error_code::ErrorCode;
use marram_model::status::DetailedStatus;
use serde::{Deserialize, Serialize};

use super::patience::MAX_LIMIT;

/// The most that a document's `configurationValidationPolicy` gives components.
pub(crate) const MAX_VALIDATION: Duration = Duration::from_secs(24 * 60 * 60);

/// What a deployment does, in this order; those from [`Step::Restore`] on only to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// Ask the cloud which thing groups the device is in.
    Gather,
    /// Choose a version for every component of every group.
    Resolve,
    /// Download, check and unpack the artifacts.
    Prepare,
    /// Ask components whether now is a good time.
    NotifyComponents,
    /// Ask components whether they can live with their new configuration. After the consent, as in
    /// Greengrass (B5.7).
    ValidateConfiguration,
    /// Write the new configuration in one transaction.
    Apply,
    /// Stop all components and run the bootstrap steps; only of a deployment that restarts.
    Bootstrap,
    /// Start the nucleus, or the device, again; only of a deployment that restarts.
    Restart,
    /// Wait until every component has reached its desired state.
    Settle,
    /// Stop what is no longer wanted.
    Remove,
    /// Write the configuration of before back, in one transaction.
    Restore,
    /// Run the bootstrap steps of the restored components that ask for it.
    BootstrapRestored,
    /// Start the nucleus with the configuration of before.
    RestartRestored,
    /// Wait until the restored components run again.
    SettleRestored,
}

impl Step {
    /// True from the moment that the device has changed.
    pub fn has_changed_the_device(self) -> bool {
        self > Self::Apply
    }
}

/// How long each step may take before it counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Asking for the groups, with retries.
    pub gather: Duration,
    /// Resolving, with retries of the cloud calls.
    pub resolve: Duration,
    /// All downloads together.
    pub prepare: Duration,
    /// All rounds of asking components; they have a limit of their own, well below.
    pub notify: Duration,
    /// The same for one round about configuration.
    pub validate: Duration,
    /// Writing configuration, either way.
    pub write: Duration,
    /// Stopping all components, and all bootstrap steps together; each has its own `Timeout` too.
    pub bootstrap: Duration,
    /// Until this process has ended, which a restart begins with.
    pub restart: Duration,
    /// All components' install, startup and retries together.
    pub settle: Duration,
    /// Stopping what is no longer wanted.
    pub remove: Duration,
    /// Waiting for the restored components of a deployment that was cancelled: whoever cancels
    /// wants the next one, so the components come up behind it.
    pub canceled: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            gather: minutes(15),
            resolve: minutes(30),
            prepare: minutes(12 * 60),
            notify: 2 * MAX_LIMIT,
            validate: 2 * MAX_VALIDATION,
            write: minutes(2),
            bootstrap: minutes(12 * 60),
            restart: minutes(5),
            settle: minutes(60),
            remove: minutes(5),
            canceled: Duration::from_secs(8),
        }
    }
}

impl Deadlines {
    /// The deadline of one step, counted from its start.
    pub fn of(&self, step: Step) -> Duration {
        match step {
            Step::Gather => self.gather,
            Step::Resolve => self.resolve,
            Step::Prepare => self.prepare,
            Step::NotifyComponents => self.notify,
            Step::ValidateConfiguration => self.validate,
            Step::Apply | Step::Restore => self.write,
            Step::Bootstrap | Step::BootstrapRestored => self.bootstrap,
            Step::Restart | Step::RestartRestored => self.restart,
            Step::Settle | Step::SettleRestored => self.settle,
            Step::Remove => self.remove,
        }
    }
}

/// Why a step failed: what people read, and the codes that the cloud stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The cause with its chain, in words.
    pub cause: String,
    /// Codes after the leading `DEPLOYMENT_FAILURE`, from general to specific.
    pub codes: Vec<ErrorCode>,
}

impl Failure {
    /// A failure whose cause is the whole chain of an error (B7.1: joined by `. `).
    pub(crate) fn of(error: &dyn Error, codes: Vec<ErrorCode>) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            cause.push_str(". ");
            cause.push_str(&error.to_string());
            source = error.source();
        }
        Self { cause, codes }
    }
}

/// What the engine tells the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The step that was asked for is done.
    Done,
    /// The step that was asked for failed.
    Failed(Failure),
    /// The step that was asked for was not over at its deadline; the failure says so.
    Overdue(Failure),
    /// Somebody wants the deployment to stop: the cloud, a newer one, or a person.
    Cancel,
}

/// What the machine tells the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run this step; the one before is over.
    Run(Step),
    /// Give up the step under way, if any, and end like this.
    Finish(Ending),
    /// Nothing changes: the deployment goes back already, or is over.
    Ignore,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// All is as the document says.
    Succeeded,
    /// Cancelled; the device's configuration is as it was before.
    Canceled,
    /// Failed; the detail says what state the device is in.
    Failed {
        /// One of the `FAILED_…` details.
        detailed: DetailedStatus,
        /// The first failure; a failing rollback adds its own cause.
        failure: Failure,
    },
}

/// What to do when components do not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// `ROLLBACK`
    Rollback,
    /// `DO_NOTHING`
    DoNothing,
}

/// One deployment's progress; serialised into the device's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    step: Step,
    on_failure: OnFailure,
    /// Why it is going back, once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// Whether the nucleus is started again on the way, and on the way back.
    #[serde(default)]
    restarts: bool,
    /// Whether something on the way back has failed.
    #[serde(default)]
    rollback_failed: bool,
    /// Whether somebody wants it to stop.
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    over: bool,
}

impl Machine {
    /// A deployment that has done nothing yet; [`Machine::resume`] says what to do first.
    pub fn new(on_failure: OnFailure) -> Self {
        Self {
            step: Step::Gather,
            on_failure,
            failure: None,
            restarts: false,
            rollback_failed: false,
            canceled: false,
            over: false,
        }
    }

    /// What is about to be applied needs another start of the nucleus (B5.7.1).
    pub fn require_restart(&mut self) {
        self.restarts = true;
    }

    /// Whether the nucleus is started again on the way. Its components are then started by the
    /// deployment, and not by the nucleus.
    pub fn restarts(&self) -> bool {
        self.restarts
    }

    /// Takes over that somebody wanted it to stop while the step that it is in ran.
    pub(super) fn take_cancel_of(&mut self, other: &Self) {
        self.canceled |= other.canceled;
    }

    /// Whether somebody wants it to stop.
    pub fn is_canceled(&self) -> bool {
        self.canceled
    }

    /// The step under way.
    pub fn step(&self) -> Step {
        self.step
    }

    /// The first action, now or after a restart at any instruction.
    ///
    /// Up to [`Step::Apply`] nothing has changed on the device, so everything starts over: the
    /// cloud's answers may have changed meanwhile. Apply itself moves on in the same transaction
    /// that writes the configuration, so it is either not begun or over.
    pub fn resume(&mut self) -> Action {
        if !self.step.has_changed_the_device() {
            self.step = Step::Gather;
        }
        Action::Run(self.step)
    }

    /// What follows from an event.
    pub fn handle(&mut self, event: Event) -> Action {
        if self.over {
            return Action::Ignore;
        }
        match event {
            Event::Done => self.advance(),
            Event::Failed(failure) => self.fail(failure),
            // The configuration of before is in force, and its components are on their way.
            Event::Overdue(_)
                if self.step == Step::SettleRestored && self.goes_back_by_cancel() =>
            {
                self.finish(Ending::Canceled)
            }
            Event::Overdue(failure) => self.fail(failure),
            Event::Cancel => self.cancel(),
        }
    }

    /// Whether nothing but a cancel is the reason for going back.
    fn goes_back_by_cancel(&self) -> bool {
        self.canceled && self.failure.is_none()
    }

    fn cancel(&mut self) -> Action {
        let is_first = !std::mem::replace(&mut self.canceled, true);
        match self.step {
            Step::Gather
            | Step::Resolve
            | Step::Prepare
            | Step::NotifyComponents
            | Step::ValidateConfiguration => self.finish(Ending::Canceled),
            Step::Bootstrap | Step::Restart | Step::Settle | Step::Remove => {
                self.run(Step::Restore)
            }
            // Again, with less patience.
            Step::SettleRestored if is_first => self.run(Step::SettleRestored),
            // Apply is one write, and goes back when it is done; the others go back already.
            Step::Apply
            | Step::Restore
            | Step::BootstrapRestored
            | Step::RestartRestored
            | Step::SettleRestored => Action::Ignore,
        }
    }

    fn advance(&mut self) -> Action {
        let next = match self.step {
            Step::Gather => Step::Resolve,
            Step::Resolve => Step::Prepare,
            Step::Prepare => Step::NotifyComponents,
            Step::NotifyComponents => Step::ValidateConfiguration,
            Step::ValidateConfiguration => Step::Apply,
            Step::Apply if self.canceled => Step::Restore,
            Step::Apply if self.restarts => Step::Bootstrap,
            Step::Bootstrap => Step::Restart,
            Step::Apply | Step::Restart => Step::Settle,
            Step::Settle => Step::Remove,
            Step::Restore if self.restarts => Step::BootstrapRestored,
            Step::BootstrapRestored => Step::RestartRestored,
            Step::Restore | Step::RestartRestored => Step::SettleRestored,
            Step::Remove => return self.finish(Ending::Succeeded),
            Step::SettleRestored if self.rollback_failed => {
                return self.finish_failed(DetailedStatus::FailedUnableToRollback);
            }
            Step::SettleRestored if self.goes_back_by_cancel() => {
                return self.finish(Ending::Canceled);
            }
            Step::SettleRestored => {
                return self.finish_failed(DetailedStatus::FailedRollbackComplete);
            }
        };
        self.run(next)
    }

    fn fail(&mut self, failure: Failure) -> Action {
        match self.step {
            Step::Gather
            | Step::Resolve
            | Step::Prepare
            | Step::NotifyComponents
            | Step::ValidateConfiguration
            | Step::Apply => {
                self.failure = Some(failure);
                self.finish_failed(DetailedStatus::FailedNoStateChange)
            }
            Step::Bootstrap | Step::Restart | Step::Settle | Step::Remove => {
                self.failure = Some(failure);
                match self.on_failure {
                    OnFailure::DoNothing if !self.restarts => {
                        self.finish_failed(DetailedStatus::FailedRollbackNotRequested)
                    }
                    OnFailure::Rollback | OnFailure::DoNothing => self.run(Step::Restore),
                }
            }
            // The configuration is back already: the nucleus and the components follow it.
            Step::BootstrapRestored => {
                self.add_rollback_failure(failure);
                self.rollback_failed = true;
                self.run(Step::RestartRestored)
            }
            Step::Restore | Step::RestartRestored | Step::SettleRestored => {
                self.add_rollback_failure(failure);
                self.finish_failed(DetailedStatus::FailedUnableToRollback)
            }
        }
    }

    /// The first failure stays the cause; the rollback's is told after it.
    fn add_rollback_failure(&mut self, rollback: Failure) {
        let Some(first) = &mut self.failure else {
            self.failure = Some(rollback);
            return;
        };
        first.cause = format!("{}. Rolling back failed too: {}", first.cause, rollback.cause);
        for code in rollback.codes {
            if !first.codes.contains(&code) {
                first.codes.push(code);
            }
        }
    }

    fn run(&mut self, step: Step) -> Action {
        self.step = step;
        Action::Run(step)
    }

    fn finish_failed(&mut self, detailed: DetailedStatus) -> Action {
        let failure = self.failure.take().unwrap_or_else(|| Failure {
            cause: "the rollback was asked for without a failure".to_owned(),
            codes: Vec::new(),
        });
        self.finish(Ending::Failed { detailed, failure })
    }

    fn finish(&mut self, ending: Ending) -> Action {
        self.over = true;
        Action::Finish(ending)
    }
}

#[cfg(test)]
mod tests;
