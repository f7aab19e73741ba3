//! Starts the steps of components.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marram_model::ComponentName;
use marram_os::clock::SharedClock;
use marram_os::file::create_dir_all_mode;
use marram_os::ownership::{Extent, give_folder};
use marram_os::process::{Child, Spawn, SpawnProcess, spawn};
use marram_os::user;
use marram_recipe::lifecycle::{Lifecycle, Step, StepName};
use marram_telemetry::Chain;

use super::environment::{self, Layers, SharedEnvironment, Variables};
use super::events::Events;
use super::output::ComponentOutput;
use super::process::{Job, Task, Watched, look_after};
use super::run_as::{self, ChooseUser};
use super::scripts::{Played, ScriptCall, Scripts};
use super::tokens::Tokens;
use super::{settings, skip_if};
use crate::component::{Context, NativeComponent};
use crate::config::ConfigStore;
use crate::ipc::providers::Operations;
use crate::lifecycle::{Definition, Event, Refusal, RunId, StepEvent, Work};
use crate::paths::NucleusPaths;

/// Everything that steps of all components share.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) paths: NucleusPaths,
    pub(super) config: ConfigStore,
    pub(super) inherited: Variables,
    pub(super) shared: SharedEnvironment,
    pub(super) tokens: Tokens,
    pub(super) operations: Operations,
    pub(super) clock: SharedClock,
    pub(super) scripts: Option<Arc<dyn Scripts>>,
}

/// One step to run.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) run: RunId,
    pub(super) step: StepName,
    pub(super) definition: Arc<Definition>,
    pub(super) token: String,
    pub(super) output: ComponentOutput,
    pub(super) events: Events,
    /// The entrances of the control groups that the step's process belongs to.
    pub(super) groups: Vec<OwnedFd>,
    /// Whether it is the first script since the component was installed or stopped.
    pub(super) is_first: bool,
}

/// What became of an order at once.
#[derive(Debug)]
pub(super) enum Started {
    /// It runs; the rest comes through the order's events.
    Running(Job),
    /// It does not.
    No(StepEvent),
}

impl Runner {
    /// Starts a step. Does not wait for it.
    pub(super) fn start(&self, order: Order) -> Started {
        let definition = Arc::clone(&order.definition);
        let step_of = |lifecycle: &Lifecycle| {
            let step = lifecycle.step(order.step)?;
            Some(step.cloned().map_err(|error| error.to_string()))
        };
        let (lifecycle, step) = match &definition.work {
            Work::Native(guest) => return self.start_guest(Arc::clone(guest), order),
            Work::Scripts(Err(error)) => {
                return refused(Refusal::ConfigNotValid, error.to_string());
            }
            Work::Scripts(Ok(lifecycle)) => (lifecycle, step_of(lifecycle)),
        };
        let step = match step {
            None => return Started::No(StepEvent::Skipped),
            Some(Err(problem)) => return refused(Refusal::ConfigNotValid, problem),
            Some(Ok(step)) => step,
        };
        let is_skipped = step
            .skip_if
            .as_ref()
            .is_some_and(|skip_if| skip_if::holds(skip_if, &self.inherited, &self.paths));
        match &step.script {
            Some(script) if !is_skipped => match &self.scripts {
                None => self.start_script(script, &step, &lifecycle.setenv, order),
                Some(scripts) => play(&**scripts, script, order),
            },
            _ => Started::No(StepEvent::Skipped),
        }
    }

    /// Whether components find this program.
    pub(super) fn has_program(&self, program: &str) -> bool {
        skip_if::is_on_path(program, &environment::component_path(&self.inherited))
    }

    fn start_script(
        &self,
        script: &str,
        step: &Step,
        lifecycle_env: &Variables,
        mut order: Order,
    ) -> Started {
        let groups = std::mem::take(&mut order.groups);
        let definition = Arc::clone(&order.definition);
        let Definition { run_with, version, .. } = &*definition;
        let default_user = settings::default_user(&self.config);
        let run_as =
            match run_as::choose(run_with, default_user.as_deref(), step.requires_privilege) {
                Ok(run_as) => run_as,
                Err(ChooseUser::Missing) => {
                    return refused(Refusal::MissingRunWith, ChooseUser::Missing.to_string());
                }
                Err(error) => return refused(Refusal::Io, Chain(&error).to_string()),
            };
        let component = order.events.component.clone();
        let work = match self.prepare_folders(&order, default_user.as_deref()) {
            Ok(work) => work,
            Err(error) => return refused(Refusal::Io, Chain(&error).to_string()),
        };
        let home = match &run_as {
            Some(user) => user.home.clone(),
            None => user::current().map_or_else(|_| self.inherited_home(), |user| user.home),
        };
        let mut env = Layers {
            inherited: &self.inherited,
            token: &order.token,
            mark: &self.mark(&order),
            home: &home,
            device: &environment::device(&self.config, &self.paths.ipc_socket()),
            shared: &self.shared.get(),
            recipe: [lifecycle_env, &step.setenv],
        }
        .variables();
        if order.step == StepName::Uninstall {
            env.insert("GREENGRASS_COMPONENT_VERSION".to_owned(), version.to_string());
        }
        let what = |groups| Spawn {
            program: settings::shell(&self.config).into(),
            args: vec!["-c".into(), script.into()],
            env: env.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect(),
            cwd: work.clone(),
            run_as: run_as.clone(),
            tree_variable: Some(environment::MARK.to_owned()),
            groups,
        };
        let has_groups = !groups.is_empty();
        let spawned = spawn(what(groups)).or_else(|error| match has_groups {
            true => spawn_unlimited(&component, what(Vec::new()), error),
            false => Err(error),
        });
        match spawned {
            Ok(child) => Started::Running(look_after(child, self.watched(order))),
            Err(error) => refused(Refusal::Io, Chain(&error).to_string()),
        }
    }

    fn watched(&self, order: Order) -> Watched {
        Watched {
            run: order.run,
            script: order.step.as_str(),
            output: order.output,
            limits: settings::log_limits(&self.config),
            events: order.events,
        }
    }

    /// What tells this process and its descendants from all others.
    fn mark(&self, order: &Order) -> String {
        let Events { component, instance, .. } = &order.events;
        format!("{}{component}#{instance}.{}", mark_prefix(&self.paths), order.run.0)
    }

    fn inherited_home(&self) -> PathBuf {
        self.inherited.get("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
    }

    /// Makes the working folder, 0700, and at the first script of a start gives it and the
    /// component's artifacts to the user of its unprivileged steps (A5.4).
    fn prepare_folders(
        &self,
        order: &Order,
        default_user: Option<&str>,
    ) -> Result<PathBuf, marram_os::file::WriteFile> {
        let component = &order.events.component;
        let Definition { run_with, version, .. } = &*order.definition;
        let work = self.paths.work(component);
        create_dir_all_mode(&work, 0o700)?;
        if user::is_root()
            && order.is_first
            && let Ok(Some(owner)) = run_as::choose(run_with, default_user, false)
        {
            let folders = [
                (work.clone(), Extent::Whole),
                (self.paths.artifacts(component, version), Extent::Content),
                (self.paths.unarchived(component, version), Extent::Content),
            ];
            for (folder, extent) in folders {
                if let Err(error) = give_folder(&folder, owner.uid, owner.gid, extent) {
                    let folder = folder.display();
                    let user = &owner.name;
                    tracing::warn!(%component, %folder, user, %error, "cannot give the folder away");
                }
            }
        }
        Ok(work)
    }

    fn start_guest(&self, guest: Arc<dyn NativeComponent>, order: Order) -> Started {
        let component = order.events.component.clone();
        let work = self.paths.work(&component);
        if let Err(error) = create_dir_all_mode(&work, 0o700) {
            return refused(Refusal::Io, Chain(&error).to_string());
        }
        let context = Context {
            name: component,
            config: self.config.clone(),
            tokens: self.tokens.clone(),
            operations: self.operations.clone(),
            environment: self.shared.clone(),
            work,
        };
        Started::Running(Job::Guest(Task::spawn(async move {
            match guest.start(context).await {
                Ok(running) => order.events.send_guest(order.run, running),
                Err(error) => {
                    let refused = StepEvent::Refused(Refusal::Failed, Chain(&error).to_string());
                    order.events.send(Event::Step(order.run, refused));
                }
            }
        })))
    }
}

fn play(scripts: &dyn Scripts, script: &str, order: Order) -> Started {
    let Played { exit, obeys_after } = scripts.play(ScriptCall {
        component: order.events.component.clone(),
        version: order.definition.version.clone(),
        step: order.step.as_str(),
        script: script.to_owned(),
    });
    let task = Task::spawn(async move {
        let exit = exit.await;
        order.events.send(Event::Step(order.run, StepEvent::Exited(exit)));
    });
    Started::Running(Job::Played(task, obeys_after))
}

/// The second try after `error`: if the process starts this time, joining its groups had failed.
fn spawn_unlimited(
    component: &ComponentName,
    what: Spawn,
    error: SpawnProcess,
) -> Result<Child, SpawnProcess> {
    let Ok(child) = spawn(what) else { return Err(error) };
    let reason = Chain(&error);
    tracing::warn!(%component, %reason, "the component runs without its systemResourceLimits");
    Ok(child)
}

/// What the mark of every process below this root folder begins with.
pub(super) fn mark_prefix(paths: &NucleusPaths) -> String {
    format!("{}#", Path::display(paths.root()))
}

fn refused(refusal: Refusal, detail: String) -> Started {
    Started::No(StepEvent::Refused(refusal, detail))
}
