//! The machine's ways from state to state.

use std::sync::Arc;

use marram_model::component_state::{ComponentState, StatusCode};
use marram_recipe::lifecycle::StepName;

use super::desires::Desire;
use super::event::{Action, KillId, KillScope, RunId, Status, TimerId};
use super::reason::Failure;
use super::stage::{AfterStop, Main, Stage};
use super::{Definition, Machine, Readiness};

impl Machine {
    /// Does what the desires ask for, as far as the present stage allows; where something is under
    /// way that must end first, its end leads back here.
    pub(super) fn pursue(&mut self) {
        match self.stage {
            Stage::Resting => self.pursue_at_rest(),
            Stage::Installing(..) => {
                if matches!(self.desires.head(), Some(Desire::New | Desire::Finished)) {
                    let kill = self.kill(KillScope::All);
                    self.stage = Stage::Abandoning(kill);
                }
            }
            Stage::Clearing(_) | Stage::Starting(_) | Stage::Running(_) => {
                if self.stage_is_running() {
                    self.desires.drop_reached(Desire::Running);
                }
                if self.will_stop() {
                    self.stop();
                }
            }
            _ => {}
        }
    }

    /// Whether what is up shall not stay up.
    pub(super) fn will_stop(&self) -> bool {
        !matches!(self.desires.head(), None | Some(Desire::Running))
    }

    fn stage_is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// Each turn either drops a desire, or moves to a state from which that desire is met, or ends.
    fn pursue_at_rest(&mut self) {
        use ComponentState::{Broken, Finished, Installed, New, Uninstalled};
        while let Some(desire) = self.desires.head() {
            match (self.status.state, desire) {
                (_, Desire::New) => {
                    self.desires.pop();
                    self.failures.clear();
                    self.is_installed = false;
                    self.enter(New);
                }
                (Uninstalled, _) => self.desires.pop(),
                (_, Desire::Uninstalled) => return self.uninstall(),
                (Broken, _) => self.desires.break_down(),
                (New, Desire::Installed | Desire::Running) => return self.install(),
                (Finished, Desire::Installed | Desire::Running) => {
                    self.enter(if self.is_installed { Installed } else { New });
                }
                (Installed, Desire::Running) => {
                    if self.readiness == Readiness::Ready {
                        self.start();
                    }
                    return;
                }
                (_, Desire::Finished) => {
                    self.desires.pop();
                    self.enter(Finished);
                }
                (_, Desire::Installed) => self.desires.pop(),
                // No other state is ever at rest.
                (_, Desire::Running) => return,
            }
        }
    }

    fn uninstall(&mut self) {
        self.desires.pop();
        self.enter(ComponentState::Uninstalling);
        if !self.definition.has(StepName::Uninstall) {
            return self.end_all(AfterStop::Uninstalled);
        }
        let (run, timer) = self.run(StepName::Uninstall);
        self.stage = Stage::Uninstalling(run, timer);
    }

    /// It is said, and changes nothing else.
    pub(super) fn uninstall_failed(&mut self, failure: Failure) {
        self.enter_with(ComponentState::Uninstalling, failure);
        self.end_all(AfterStop::Uninstalled);
    }

    /// Gone, unless somebody wants it again meanwhile.
    pub(super) fn leave_uninstalling(&mut self) {
        let Status { code, reason, .. } = self.status.clone();
        self.enter_with(ComponentState::Uninstalled, Failure { code, reason });
        self.rest();
    }

    fn install(&mut self) {
        if !self.definition.has(StepName::Install) {
            return self.enter_installed();
        }
        let (run, timer) = self.run(StepName::Install);
        self.stage = Stage::Installing(run, timer);
    }

    pub(super) fn enter_installed(&mut self) {
        self.failures.passed(ComponentState::New);
        self.is_installed = true;
        self.enter(ComponentState::Installed);
        self.rest();
    }

    fn start(&mut self) {
        self.enter(ComponentState::Starting);
        let kill = self.kill(KillScope::All);
        self.stage = Stage::Clearing(kill);
    }

    pub(super) fn begin_main(&mut self) {
        self.started = Some(Arc::clone(&self.definition));
        for step in [StepName::Startup, StepName::Run] {
            if self.definition.has(step) {
                return self.run_main(step);
            }
        }
        self.enter_finished_from_starting();
    }

    pub(super) fn run_main(&mut self, step: StepName) {
        let run = self.order(step);
        let timer = match step {
            // The time of a run step counts from its process's start.
            StepName::Run => None,
            _ => self.set_timer_for(step),
        };
        self.stage = Stage::Starting(Main { run, step, timer });
    }

    pub(super) fn enter_running(&mut self, main: Main) {
        self.failures.passed(ComponentState::Starting);
        self.enter(ComponentState::Running);
        self.stage = Stage::Running(main);
        self.pursue();
    }

    /// There was nothing to start: that is success.
    pub(super) fn enter_finished_from_starting(&mut self) {
        self.failures.passed(ComponentState::Starting);
        self.started = None;
        self.desires.drop_reached(Desire::Running);
        self.enter(ComponentState::Finished);
        self.rest();
    }

    /// Stops what is up, in order.
    pub(super) fn stop(&mut self) {
        self.stops_after_error = false;
        self.enter(ComponentState::Stopping);
        self.shut_down(AfterStop::NextDesire);
    }

    fn shut_down(&mut self, after: AfterStop) {
        let has_step = self.started.as_ref().is_some_and(|d| d.has(StepName::Shutdown));
        if !has_step {
            return self.end_all(after);
        }
        let (run, timer) = self.run(StepName::Shutdown);
        self.stage = Stage::ShuttingDown(run, timer, after);
    }

    pub(super) fn end_all(&mut self, after: AfterStop) {
        let kill = self.kill(KillScope::All);
        self.stage = Stage::Ending(kill, after);
    }

    /// All processes have ended: on to the next desired state.
    pub(super) fn leave_stopped(&mut self) {
        self.started = None;
        let next = match self.desires.head() {
            Some(Desire::New) => ComponentState::New,
            Some(Desire::Installed | Desire::Running) => ComponentState::Installed,
            Some(Desire::Finished | Desire::Uninstalled) | None => ComponentState::Finished,
        };
        self.enter(next);
        self.rest();
    }

    /// Something went wrong in the present state: ERRORED, or BROKEN if it did too often.
    pub(super) fn fail(&mut self, failure: Failure) {
        let from = self.status.state;
        let reset_time = self.definition.error_reset_time();
        if self.failures.record(from, self.now, reset_time) {
            return self.break_down(from, failure);
        }
        if self.desires.is_empty() && from != ComponentState::Stopping {
            self.desires.start();
        }
        self.enter_with(ComponentState::Errored, failure);
        match from {
            // Recovering runs before the shutdown step, and so beside the main process.
            ComponentState::Starting | ComponentState::Running => self.recover(from),
            _ => {
                let kill = self.kill(KillScope::All);
                self.stage = Stage::Clearance(kill, from);
            }
        }
    }

    fn break_down(&mut self, from: ComponentState, failure: Failure) {
        self.desires.break_down();
        self.enter_with(ComponentState::Broken, failure);
        match from {
            ComponentState::Starting | ComponentState::Running => {
                self.shut_down(AfterStop::StayBroken);
            }
            _ => self.end_all(AfterStop::StayBroken),
        }
    }

    /// Its processes cannot be ended: starting others beside them would be worse than not running.
    pub(super) fn give_up(&mut self) {
        self.desires.break_down();
        self.enter_with(ComponentState::Broken, Failure::survived());
        self.rest();
    }

    pub(super) fn recover(&mut self, from: ComponentState) {
        let definition = self.started.as_ref().unwrap_or(&self.definition);
        if !definition.has(StepName::Recover) {
            return self.leave_errored(from);
        }
        let (run, timer) = self.run(StepName::Recover);
        self.stage = Stage::Recovering(run, timer, from);
    }

    pub(super) fn leave_errored(&mut self, from: ComponentState) {
        match from {
            ComponentState::Starting | ComponentState::Running => {
                self.stops_after_error = true;
                self.enter(ComponentState::Stopping);
                self.shut_down(AfterStop::NextDesire);
            }
            ComponentState::Stopping => self.leave_stopped(),
            _ => {
                self.enter(ComponentState::New);
                self.rest();
            }
        }
    }

    pub(super) fn rest(&mut self) {
        self.stage = Stage::Resting;
        self.pursue_at_rest();
    }

    fn enter(&mut self, state: ComponentState) {
        self.enter_with(state, Failure { code: StatusCode::None, reason: String::new() });
    }

    fn enter_with(&mut self, state: ComponentState, failure: Failure) {
        let status = Status { state, code: failure.code, reason: failure.reason };
        if self.status != status {
            self.status = status.clone();
            self.actions.push(Action::Announce(status));
        }
    }

    /// Orders a step of the version it belongs to, with its deadline.
    fn run(&mut self, step: StepName) -> (RunId, Option<TimerId>) {
        (self.order(step), self.set_timer_for(step))
    }

    fn order(&mut self, step: StepName) -> RunId {
        let run = RunId(self.new_id());
        let definition = self.definition_for(step);
        self.actions.push(Action::Run { run, step, definition });
        run
    }

    pub(super) fn set_timer_for(&mut self, step: StepName) -> Option<TimerId> {
        let after = self.definition_for(step).timeout(step)?;
        let timer = TimerId(self.new_id());
        self.actions.push(Action::SetTimer { timer, after });
        Some(timer)
    }

    /// Shutdown and recover belong to what was started, the others to what is defined now.
    pub(super) fn definition_for(&self, step: StepName) -> Arc<Definition> {
        match (step, &self.started) {
            (StepName::Install | StepName::Uninstall, _) | (_, None) => {
                Arc::clone(&self.definition)
            }
            (_, Some(started)) => Arc::clone(started),
        }
    }

    pub(super) fn kill(&mut self, scope: KillScope) -> KillId {
        let kill = KillId(self.new_id());
        self.actions.push(Action::Kill { kill, scope });
        kill
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
