//! The lifecycle of one component: a pure state machine.
//!
//! Events go in, actions come out; it has no clock, starts no process and waits for nothing. The
//! supervisor carries the actions out and feeds back what becomes of them. What holds, and is
//! property-tested:
//!
//! - there is never more than one main process: before one starts, everything the component ever
//!   started has been ended;
//! - three failures in one state, each within `errorResetTime` of the one before, make it BROKEN,
//!   and only a reinstall or an uninstall leads out;
//! - a stop leads to FINISHED (or it is BROKEN) once its timeouts have passed, an uninstall always
//!   to UNINSTALLED.
//!
//! Unlike Java, failures are counted by the phase that the machine is in, so that a process that
//! ends very fast cannot escape the count.
//!
//! Source: recipes-and-deployments A7 (`nucleus: lifecyclemanager/Lifecycle.java`).

mod definition;
mod desires;
mod event;
mod failures;
mod readiness;
mod reason;
mod stage;
mod transitions;

use std::sync::Arc;
use std::time::Duration;

use marram_model::component_state::{ComponentState, StatusCode};
use marram_os::process::Exit;
use marram_recipe::lifecycle::StepName;

pub(crate) use definition::{Definition, Work};
pub(crate) use event::{
    Action, Event, KillId, KillScope, Refusal, Request, RunId, Status, StepEvent, TimerId,
};
pub(crate) use readiness::Readiness;

use desires::Desires;
use failures::Failures;
use reason::Failure;
use stage::{AfterStop, Main, Stage};

/// One component's lifecycle.
#[derive(Debug)]
pub(crate) struct Machine {
    /// What its next steps come from.
    definition: Arc<Definition>,
    /// What its main process came from, for as long as that may live: it is shut down by the
    /// version that was started, although another one may be defined already.
    started: Option<Arc<Definition>>,
    stage: Stage,
    status: Status,
    desires: Desires,
    failures: Failures,
    readiness: Readiness,
    /// Whether the install step is done: a component stopped before must not start without.
    is_installed: bool,
    /// Whether the stop under way follows an error.
    stops_after_error: bool,
    /// When the event being handled happened, since an arbitrary moment.
    now: Duration,
    next_id: u64,
    actions: Vec<Action>,
}

impl Machine {
    /// A component in NEW that nobody has asked for anything yet.
    pub(crate) fn new(definition: Arc<Definition>) -> Self {
        Self {
            definition,
            started: None,
            stage: Stage::Resting,
            status: Status {
                state: ComponentState::New,
                code: StatusCode::None,
                reason: String::new(),
            },
            desires: Desires::default(),
            failures: Failures::default(),
            readiness: Readiness::Ready,
            is_installed: false,
            stops_after_error: false,
            now: Duration::ZERO,
            next_id: 0,
            actions: Vec::new(),
        }
    }

    /// Where the component is.
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    /// Whether it is where it shall be, RUNNING or FINISHED, and nothing more happens by itself.
    pub(crate) fn is_settled(&self) -> bool {
        let is_up = matches!(self.stage, Stage::Resting | Stage::Running(_))
            && matches!(self.status.state, ComponentState::Running | ComponentState::Finished);
        is_up && self.desires.is_empty()
    }

    /// Whether nothing of it runs and nothing more will without a request.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stage == Stage::Resting && self.desires.is_empty()
    }

    /// What its dependencies allow, as it last heard.
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness
    }

    /// What it means for components with a HARD dependency on this one.
    pub(crate) fn readiness_of_dependers(&self) -> Readiness {
        Readiness::of_hard(self.status.state, !self.stops_after_error)
    }

    /// What follows from `event`, which happened at `now`: the time since an arbitrary moment,
    /// the same for all calls.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Request(request) => self.take_request(request),
            Event::Define(definition) => self.definition = definition,
            Event::Dependencies(readiness) => self.take_readiness(readiness),
            Event::Step(run, StepEvent::Spawned) => self.spawned(run),
            Event::Step(run, StepEvent::Skipped) => self.skipped(run),
            Event::Step(run, StepEvent::Refused(refusal, detail)) => {
                self.refused(run, refusal, &detail);
            }
            Event::Step(run, StepEvent::Exited(exit)) => self.exited(run, exit),
            Event::Killed { kill, complete } => self.killed(kill, complete),
            Event::Timer(timer) => self.timer_fired(timer),
            Event::ReportedRunning => self.reported_running(),
            Event::ReportedErrored => self.reported_errored(),
        }
        std::mem::take(&mut self.actions)
    }

    fn take_request(&mut self, request: Request) {
        let is_broken = self.status.state == ComponentState::Broken;
        match request {
            Request::Reinstall => self.desires.reinstall(),
            Request::Uninstall => {
                self.desires.uninstall();
                if is_broken {
                    self.desires.break_down();
                }
            }
            // Only these two lead out of BROKEN; others may change what follows a pending one.
            _ if is_broken && self.desires.is_empty() => {}
            Request::Start => self.desires.start(),
            Request::Stop => self.desires.stop(),
            Request::Restart => {
                let is_new = self.status.state == ComponentState::New;
                if !(is_new && self.desires.is_empty()) {
                    self.desires.restart();
                }
            }
        }
        self.pursue();
    }

    fn take_readiness(&mut self, readiness: Readiness) {
        self.readiness = readiness;
        let is_up =
            matches!(self.stage, Stage::Clearing(_) | Stage::Starting(_) | Stage::Running(_));
        if readiness == Readiness::NotReady && is_up && !self.will_stop() {
            self.desires.restart();
        }
        self.pursue();
    }

    fn spawned(&mut self, run: RunId) {
        if let Stage::Starting(main) = self.stage
            && main.run == run
            && main.step == StepName::Run
        {
            let timer = self.set_timer_for(StepName::Run);
            self.enter_running(Main { timer, ..main });
        }
    }

    fn skipped(&mut self, run: RunId) {
        match self.stage {
            Stage::Installing(installing, _) if installing == run => self.enter_installed(),
            Stage::Starting(main) if main.run == run => match main.step {
                StepName::Startup if self.definition_for(StepName::Run).has(StepName::Run) => {
                    self.run_main(StepName::Run);
                }
                _ => self.enter_finished_from_starting(),
            },
            Stage::ShuttingDown(shutdown, _, after) if shutdown == run => self.end_all(after),
            Stage::Recovering(recover, _, from) if recover == run => self.leave_errored(from),
            Stage::Uninstalling(uninstall, _) if uninstall == run => {
                self.end_all(AfterStop::Uninstalled);
            }
            _ => {}
        }
    }

    fn refused(&mut self, run: RunId, refusal: Refusal, detail: &str) {
        match self.stage {
            Stage::Installing(installing, _) if installing == run => {
                self.fail(Failure::refused(StepName::Install, refusal, detail));
            }
            Stage::Starting(main) if main.run == run => {
                self.fail(Failure::refused(main.step, refusal, detail));
            }
            Stage::Uninstalling(uninstall, _) if uninstall == run => {
                self.uninstall_failed(Failure::refused(StepName::Uninstall, refusal, detail));
            }
            // What becomes of these two steps changes nothing: the component stops or recovers.
            _ => self.skipped(run),
        }
    }

    fn exited(&mut self, run: RunId, exit: Exit) {
        match self.stage {
            Stage::Installing(installing, _) if installing == run => {
                if exit.is_success() {
                    self.enter_installed();
                } else {
                    self.fail(Failure::exited(StepName::Install, exit));
                }
            }
            Stage::Starting(main) if main.run == run => self.main_exited(main, exit),
            Stage::Running(main) if main.run == run => self.main_exited(main, exit),
            Stage::Uninstalling(uninstall, _) if uninstall == run && !exit.is_success() => {
                self.uninstall_failed(Failure::exited(StepName::Uninstall, exit));
            }
            Stage::ShuttingDown(..) | Stage::Recovering(..) | Stage::Uninstalling(..) => {
                self.skipped(run);
            }
            _ => {}
        }
    }

    fn main_exited(&mut self, main: Main, exit: Exit) {
        if !exit.is_success() {
            self.fail(Failure::exited(main.step, exit));
        } else if main.step == StepName::Run {
            self.failures.passed(ComponentState::Running);
            self.stop();
        } else if matches!(self.stage, Stage::Starting(_)) {
            self.enter_running(Main { timer: None, ..main });
        }
    }

    fn killed(&mut self, kill: KillId, complete: bool) {
        let is_awaited = match self.stage {
            Stage::Abandoning(id) | Stage::Clearing(id) => id == kill,
            Stage::Ending(id, _) | Stage::Clearance(id, _) | Stage::EndingRecover(id, _) => {
                id == kill
            }
            _ => false,
        };
        if !is_awaited {
            return;
        }
        if !complete {
            return self.give_up();
        }
        match self.stage {
            Stage::Abandoning(_) => self.rest(),
            Stage::Clearing(_) => self.begin_main(),
            Stage::Ending(_, AfterStop::NextDesire) => self.leave_stopped(),
            Stage::Ending(_, AfterStop::StayBroken) => {
                self.started = None;
                self.rest();
            }
            Stage::Ending(_, AfterStop::Uninstalled) => self.leave_uninstalling(),
            Stage::Clearance(_, from) => self.recover(from),
            Stage::EndingRecover(_, from) => self.leave_errored(from),
            _ => {}
        }
    }

    fn timer_fired(&mut self, timer: TimerId) {
        match self.stage {
            Stage::Installing(_, Some(awaited)) if awaited == timer => {
                self.fail(Failure::timed_out(StepName::Install));
            }
            Stage::Starting(main) | Stage::Running(main) if main.timer == Some(timer) => {
                self.fail(Failure::timed_out(main.step));
            }
            Stage::ShuttingDown(_, Some(awaited), after) if awaited == timer => match after {
                AfterStop::NextDesire => self.fail(Failure::timed_out(StepName::Shutdown)),
                AfterStop::StayBroken | AfterStop::Uninstalled => self.end_all(after),
            },
            Stage::Uninstalling(_, Some(awaited)) if awaited == timer => {
                self.uninstall_failed(Failure::timed_out(StepName::Uninstall));
            }
            Stage::Recovering(run, Some(awaited), from) if awaited == timer => {
                let kill = self.kill(KillScope::Run(run));
                self.stage = Stage::EndingRecover(kill, from);
            }
            _ => {}
        }
    }

    /// A component with a startup step may be up before its script ends (ipc 4.5).
    fn reported_running(&mut self) {
        if let Stage::Starting(main) = self.stage {
            self.enter_running(Main { timer: None, ..main });
        }
    }

    fn reported_errored(&mut self) {
        let state = self.status.state;
        let is_heard = match self.stage {
            Stage::Installing(..) | Stage::Starting(_) | Stage::Running(_) => true,
            Stage::ShuttingDown(.., after) | Stage::Ending(_, after) => {
                after == AfterStop::NextDesire
            }
            _ => false,
        };
        if is_heard {
            self.fail(Failure::reported(state));
        }
    }
}

#[cfg(test)]
mod tests;
