//! Single steps outside a component's life: `bootstrap`, and `uninstall` of what is gone already.
//!
//! Such a step runs in the foreground: what it started ends with it. The component itself must not
//! be running, because both would have the same working folder and token.

use std::time::Duration;

use marram_os::process::Exit;
use marram_recipe::lifecycle::StepName;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Supervisor;
use super::core::Core;
use super::entry::definition_of;
use super::events::{Events, Listener};
use super::output::ComponentOutput;
use super::process::{self, Job};
use super::runner::{Order, Started};
use super::spec::{ServiceKind, ServiceSpec};
use crate::lifecycle::{RunId, StepEvent};

/// A step that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RanOnce {
    /// How.
    pub end: OnceEnd,
    /// The last lines that it wrote to stderr, oldest first.
    pub last_stderr: Vec<String>,
}

/// How a single step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnceEnd {
    /// There was nothing to do: no such step, a blank script, or its `Skipif` holds.
    Skipped,
    /// It could not be started, and why.
    Refused(String),
    /// Its process ended.
    Exited(Exit),
    /// It was ended after its `Timeout`.
    TimedOut(Duration),
}

/// A step on its way.
pub(super) struct Launched {
    pub(super) started: Started,
    pub(super) output: ComponentOutput,
    pub(super) ended: oneshot::Receiver<StepEvent>,
}

impl Supervisor {
    /// Runs one step of a component that does not run, to its end; its `Timeout` bounds it, also
    /// for a step that has none by default. Dropping the future kills it.
    pub async fn run_once(&self, spec: &ServiceSpec, step: StepName) -> RanOnce {
        let Launched { started, output, ended } = self.shared.core().launch(spec, step);
        let end = match started {
            Started::Running(job) => end_of(job, ended, limit(spec, step)).await,
            Started::No(StepEvent::Refused(_, reason)) => OnceEnd::Refused(reason),
            Started::No(_) => OnceEnd::Skipped,
        };
        self.shared.core().forget(spec);
        RanOnce { end, last_stderr: output.last_stderr() }
    }
}

async fn end_of(job: Job, ended: oneshot::Receiver<StepEvent>, limit: Duration) -> OnceEnd {
    let end = match timeout(limit, ended).await {
        Ok(Ok(StepEvent::Exited(exit))) => OnceEnd::Exited(exit),
        Ok(other) => OnceEnd::Refused(format!("its end was not heard of: {other:?}")),
        Err(_) => OnceEnd::TimedOut(limit),
    };
    process::end(vec![job], None, Vec::new()).await;
    end
}

fn limit(spec: &ServiceSpec, step: StepName) -> Duration {
    /// For a step that may run for ever in a component's life.
    const LONGEST: Duration = Duration::from_secs(120);
    definition_of(spec).timeout(step).unwrap_or(LONGEST)
}

impl Core {
    /// Starts a single step, with a token of its own.
    pub(super) fn launch(&mut self, spec: &ServiceSpec, step: StepName) -> Launched {
        let output = self.output_of(&spec.name);
        let (listener, ended) = Listener::once();
        let events =
            Events { component: spec.name.clone(), instance: self.next_instance(), listener };
        let order = Order {
            run: RunId(0),
            step,
            definition: definition_of(spec),
            token: self.issue_token(&spec.name),
            output: output.clone(),
            events,
            groups: Vec::new(),
            is_first: true,
        };
        let started = match spec.kind {
            ServiceKind::Generic => self.start(order),
            // A guest has no scripts.
            ServiceKind::Native(_) => Started::No(StepEvent::Skipped),
        };
        Launched { started, output, ended }
    }

    /// The step is over: its token is worthless, unless the component has come meanwhile.
    pub(super) fn forget(&self, spec: &ServiceSpec) {
        if !self.contains(&spec.name) {
            self.revoke_token(&spec.name);
        }
    }
}
