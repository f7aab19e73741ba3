//! The way through another start of the nucleus: bootstrap steps, and the start itself
//! (recipes and deployments, A7.10, B5.9).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use marram_model::ComponentName;
use marram_model::error_code::ErrorCode;
use marram_os::process::Exit;
use marram_recipe::lifecycle::{Lifecycle, StepName};
use serde_json::{Map, Value};

use super::NucleusSteps;
use super::apply::past_this_step;
use super::settle::last_words;
use crate::compose::needs_bootstrap;
use crate::compose::services::{read_dependencies, service_specs, specs_gone};
use crate::config::ConfigSnapshot;
use crate::deployment::bootstrap::{After, BootstrapTasks, in_dependency_order};
use crate::deployment::current::Current;
use crate::deployment::engine::Steps;
use crate::deployment::machine::Failure;
use crate::nucleus::Restart;
use crate::supervisor::ServiceSpec;
use crate::supervisor::once::{OnceEnd, RanOnce};

/// Components may take this long to stop before the bootstrap steps (B5.9.2).
const STOP_COMPONENTS: Duration = Duration::from_secs(30);

/// Which of a deployment's two lists of tasks.
type Tasks = fn(&mut Current) -> &mut BootstrapTasks;

impl NucleusSteps {
    /// Stops all components and runs the bootstrap steps that the new configuration brings.
    pub(super) async fn bootstrap(&self, current: &mut Current) -> Result<(), Failure> {
        self.run_tasks(current, |current| &mut current.bootstrap).await
    }

    /// The same for the configuration that was restored.
    pub(super) async fn bootstrap_restored(&self, current: &mut Current) -> Result<(), Failure> {
        self.run_tasks(current, |current| &mut current.rollback_bootstrap).await
    }

    async fn run_tasks(&self, current: &mut Current, tasks: Tasks) -> Result<(), Failure> {
        self.supervisor.halt(STOP_COMPONENTS).await;
        let specs = service_specs(&self.config, &self.natives);
        while let Some(name) = tasks(current).start_next() {
            self.save(current).await?;
            let spec = specs.get(&name).ok_or_else(|| cannot_be_read(&name))?;
            tracing::info!(component = %name, "running the bootstrap step");
            let ran = self.supervisor.run_once(spec, StepName::Bootstrap).await;
            let after = tasks(current).end(&name, exit_of(&ran.end));
            tracing::info!(component = %name, end = ?ran.end, ?after, "the bootstrap step has ended");
            match after {
                After::Failed => return Err(failed(spec, &ran)),
                After::GoOn => {}
                After::Restart(restart) => {
                    self.save(current).await?;
                    self.restart.ask(restart);
                    // The process ends before this does; the next one goes on with the next task.
                    std::future::pending::<()>().await;
                }
            }
        }
        Ok(())
    }

    /// Starts again with the new configuration, and with the new nucleus if there is one.
    pub(super) async fn restart_forward(&self, current: &Current) -> Result<(), Failure> {
        if self.is_new_nucleus(current) {
            // It was put on trial and started, and only that was not kept any more.
            return Ok(());
        }
        self.put_nucleus_on_trial(current)?;
        self.start_again(current, current.bootstrap.final_restart()).await
    }

    /// Starts again with the configuration of before, and with the nucleus of before.
    pub(super) async fn restart_back(&self, current: &Current) -> Result<(), Failure> {
        self.give_nucleus_back(current)?;
        self.start_again(current, current.rollback_bootstrap.final_restart()).await
    }

    /// Ends this process; the deployment goes on after the next start, with the step after this.
    async fn start_again(&self, current: &Current, restart: Restart) -> Result<(), Failure> {
        self.save(&past_this_step(current)).await?;
        self.restart.ask(restart);
        std::future::pending().await
    }

    /// Components whose old version wants its bootstrap step again: it was begun for the new one,
    /// which had another version or another step (B5.9.7).
    pub(super) fn rollback_bootstrap(
        &self,
        then: &ConfigSnapshot,
        current: &Current,
    ) -> BootstrapTasks {
        let before = |name: &ComponentName| {
            let service = then.get(&["services", name.as_str()])?;
            service.as_object().cloned()
        };
        let wants_again = |name: &ComponentName| {
            let now = self.config.get(&["services", name.as_str()]);
            before(name).is_some_and(|service| {
                runs_on_rollback(&service) && needs_bootstrap(now.as_ref(), &service)
            })
        };
        let mut names = current.bootstrap.started();
        names.retain(wants_again);
        let services = then.get(&["services"]).unwrap_or_default();
        BootstrapTasks::new(in_dependency_order(&names, &needs(&services)))
    }

    /// The uninstall steps of components that went with a restart: their supervisor knew of no
    /// successor, and ours knows nothing of them. As everywhere, their failure changes nothing.
    pub(super) async fn uninstall_gone(&self, current: &Current) -> Result<(), Failure> {
        let then = self.snapshot_of(current)?;
        for spec in specs_gone(&then, &self.config, &self.natives).values() {
            let ran = self.supervisor.run_once(spec, StepName::Uninstall).await;
            tracing::info!(component = %spec.name, end = ?ran.end, "uninstalled");
        }
        Ok(())
    }

    /// A deployment that ended between stopping the components and starting them again leaves that
    /// to us.
    pub(super) fn run_what_was_halted(&self, current: &Current) {
        if current.machine.restarts() && self.supervisor.status().is_empty() {
            self.supervisor.apply(service_specs(&self.config, &self.natives));
        }
    }
}

fn runs_on_rollback(service: &Map<String, Value>) -> bool {
    let lifecycle = service.get("lifecycle").and_then(Value::as_object);
    let lifecycle = lifecycle.and_then(|lifecycle| Lifecycle::parse(lifecycle).ok());
    let step = lifecycle.as_ref().and_then(|lifecycle| lifecycle.step(StepName::Bootstrap));
    step.is_some_and(|step| step.is_ok_and(|step| step.bootstrap_on_rollback))
}

fn needs(services: &Value) -> BTreeMap<ComponentName, BTreeSet<ComponentName>> {
    let services = services.as_object().into_iter().flatten();
    let needs = services.filter_map(|(name, service)| {
        let needed = read_dependencies(service.as_object()?).into_keys().collect();
        Some((name.parse().ok()?, needed))
    });
    needs.collect()
}

/// A step that cannot be started counts as one that exited with 1 (A7.10).
fn exit_of(end: &OnceEnd) -> Exit {
    match end {
        OnceEnd::Skipped => Exit::Code(0),
        OnceEnd::Exited(exit) => *exit,
        OnceEnd::Refused(_) | OnceEnd::TimedOut(_) => Exit::Code(1),
    }
}

fn failed(spec: &ServiceSpec, ran: &RanOnce) -> Failure {
    let how = match &ran.end {
        OnceEnd::Exited(Exit::Code(code)) => format!("exited with code {code}."),
        OnceEnd::Exited(Exit::Signal(signal)) => format!("was ended by signal {signal}."),
        OnceEnd::Refused(reason) => format!("could not be started: {reason}."),
        OnceEnd::TimedOut(limit) => format!("was not over after {} s.", limit.as_secs()),
        OnceEnd::Skipped => "was skipped.".to_owned(),
    };
    let code = match ran.end {
        OnceEnd::TimedOut(_) => ErrorCode::ComponentBootstrapTimeout,
        _ => ErrorCode::ComponentBootstrapError,
    };
    let cause = format!("the bootstrap step of {} {} {how}", spec.name, spec.version);
    Failure { cause: cause + &last_words(&ran.last_stderr), codes: vec![code] }
}

fn cannot_be_read(name: &ComponentName) -> Failure {
    Failure {
        cause: format!("{name} cannot be run, see the nucleus's log"),
        codes: vec![ErrorCode::ComponentBootstrapError],
    }
}
