//! Telling the supervisor what shall run, waiting for it, and stopping what goes.

use std::collections::BTreeSet;
use std::time::Duration;

use marram_model::ComponentName;
use marram_model::component_state::ComponentState;
use marram_model::error_code::ErrorCode;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::NucleusSteps;
use crate::compose::services::service_specs;
use crate::deployment::current::Current;
use crate::deployment::machine::Failure;
use crate::supervisor::status::{ComponentStatus, Mark, Settled, StateChange};
use crate::supervisor::{ServiceKind, ServiceSet, ServiceSpec};

/// A started `run` process has to live this long before the deployment believes in it: one that
/// exits at once would otherwise count as a success (Java looks once a second, with that luck).
const STEADY: Duration = Duration::from_millis(800);
/// The same, once a component has failed since the deployment was applied.
const STEADY_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long the components that a cancelled deployment brought may take to stop before those of
/// before are started; they go on stopping behind that.
const REMOVE_WHEN_CANCELED: Duration = Duration::from_secs(4);

/// Lines of stderr that a failed deployment's cause quotes of each broken component.
const QUOTED_LINES: usize = 3;

impl NucleusSteps {
    /// Until every component has reached its desired state, changed or not, of any group (B5.8).
    pub(super) async fn settle(&self, current: &Current) -> Result<(), Failure> {
        self.check_nucleus_runs(current)?;
        let specs = service_specs(&self.config, &self.natives);
        self.run_and_wait(specs, &BTreeSet::new()).await
    }

    /// As [`Self::settle`], but what was broken before stays out of it, and what depends on that.
    pub(super) async fn settle_restored(&self, current: &Current) -> Result<(), Failure> {
        let removal = self.remove_unwanted();
        if current.machine.is_canceled() {
            // What stops slowly must not keep the others from coming back.
            timeout(REMOVE_WHEN_CANCELED, removal).await.unwrap_or(Ok(()))?;
        } else {
            removal.await?;
        }
        let specs = service_specs(&self.config, &self.natives);
        let excused = with_dependers(&specs, current.broken_before.clone());
        self.run_and_wait(specs, &excused).await
    }

    async fn run_and_wait(
        &self,
        specs: ServiceSet,
        excused: &BTreeSet<ComponentName>,
    ) -> Result<(), Failure> {
        let awaited = specs.keys().filter(|name| !excused.contains(*name));
        let names: Vec<ComponentName> = awaited.cloned().collect();
        let unproven = names_of_unproven(&specs);
        let since = self.supervisor.mark();
        // Resumed after a restart, the components were started before this step was.
        let unproven_since = if self.resolution().is_ok() { since } else { Mark::default() };
        self.supervisor.apply(specs);
        let mut steady_for = STEADY;
        loop {
            let mut changes = self.supervisor.watch();
            outcome(self.supervisor.wait_settled(&names, since).await)?;
            let has_news = self.supervisor.status().iter().any(|status| {
                unproven.contains(&status.name) && is_to_prove(status, unproven_since)
            });
            if !has_news {
                return Ok(());
            }
            if timeout(steady_for, failure_of(&mut changes, &names)).await.is_err() {
                return Ok(());
            }
            steady_for = STEADY_AFTER_FAILURE;
        }
    }

    /// Stops and uninstalls what the deployment has removed.
    pub(super) async fn remove(&self, current: &Current) -> Result<(), Failure> {
        if current.machine.restarts() {
            self.uninstall_gone(current).await?;
        }
        self.remove_unwanted().await?;
        self.keep_new_nucleus(current)
    }

    /// Stops components that are not in the configuration any more.
    async fn remove_unwanted(&self) -> Result<(), Failure> {
        let wanted = service_specs(&self.config, &self.natives);
        let running = self.supervisor.status().into_iter().map(|status| status.name);
        self.supervisor.remove(running.filter(|name| !wanted.contains_key(name))).await;
        Ok(())
    }
}

/// Components that count as RUNNING as soon as their process exists: they have not said, as a
/// `startup` step does by its exit, that they are up.
fn names_of_unproven(specs: &ServiceSet) -> BTreeSet<ComponentName> {
    let is_unproven = |spec: &&ServiceSpec| {
        let has = |step: &str| spec.lifecycle.keys().any(|key| key.eq_ignore_ascii_case(step));
        matches!(spec.kind, ServiceKind::Generic) && has("run") && !has("startup")
    };
    specs.values().filter(is_unproven).map(|spec| spec.name.clone()).collect()
}

/// Whether a component that has nothing but its `run` step has still to show that it lives: it was
/// started since then, and is not done. It may have failed since it counted as settled.
fn is_to_prove(status: &ComponentStatus, since: Mark) -> bool {
    status.changed > since && status.state != ComponentState::Finished
}

/// Ends when one of the components fails.
async fn failure_of(changes: &mut broadcast::Receiver<StateChange>, names: &[ComponentName]) {
    loop {
        match changes.recv().await {
            Ok(change) => {
                let failed =
                    matches!(change.to, Some(ComponentState::Errored | ComponentState::Broken));
                if failed && names.contains(&change.name) {
                    return;
                }
            }
            // What was missed may have been a failure: look again.
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn outcome(settled: Settled) -> Result<(), Failure> {
    match settled {
        Settled::Reached => Ok(()),
        Settled::Broken(broken) => Err(Failure {
            cause: broken.iter().map(sentence).collect::<Vec<_>>().join(". "),
            codes: vec![ErrorCode::ComponentUpdateError, ErrorCode::ComponentBroken],
        }),
        Settled::Missing(names) => {
            let names: Vec<&str> = names.iter().map(ComponentName::as_str).collect();
            Err(Failure {
                cause: format!("{} cannot be run, see the nucleus's log", names.join(", ")),
                codes: vec![ErrorCode::ComponentUpdateError],
            })
        }
        Settled::Stopped => Err(Failure {
            cause: "the nucleus is stopping".to_owned(),
            codes: vec![ErrorCode::DeploymentInterrupted],
        }),
    }
}

/// The components and everything that depends on one of them.
fn with_dependers(
    specs: &ServiceSet,
    mut components: BTreeSet<ComponentName>,
) -> BTreeSet<ComponentName> {
    loop {
        let before = components.len();
        for (name, spec) in specs {
            if spec.dependencies.keys().any(|on| components.contains(on)) {
                components.insert(name.clone());
            }
        }
        if components.len() == before {
            return components;
        }
    }
}

/// A broken component, why, and the last that it said.
fn sentence(status: &ComponentStatus) -> String {
    let mut text =
        format!("{} {} is {}: {}", status.name, status.version, status.state, status.reason);
    text.push_str(&last_words(&status.last_stderr));
    text
}

/// The end of what a component wrote to stderr, as a sentence to add; empty if it wrote nothing.
pub(super) fn last_words(stderr: &[String]) -> String {
    let from = stderr.len().saturating_sub(QUOTED_LINES);
    match stderr.get(from..) {
        Some(lines) if !lines.is_empty() => format!(" Its last words: {}", lines.join(" / ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use marram_model::component_state::StatusCode;

    use super::*;

    fn status(state: ComponentState, changed: Mark) -> ComponentStatus {
        ComponentStatus {
            name: "com.example.A".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            state,
            code: StatusCode::None,
            reason: String::new(),
            is_native: false,
            last_stderr: Vec::new(),
            is_settled: true,
            changed,
        }
    }

    #[test]
    fn a_component_that_failed_right_after_it_counted_as_settled_is_no_success() {
        let since = Mark(3);
        for (state, changed, expected) in [
            (ComponentState::Running, Mark(4), true),
            (ComponentState::Errored, Mark(4), true),
            (ComponentState::Starting, Mark(4), true),
            (ComponentState::Finished, Mark(4), false),
            (ComponentState::Running, Mark(3), false),
        ] {
            assert_eq!(is_to_prove(&status(state, changed), since), expected, "{state}");
        }
    }
}
