//! Runs the components: the shell around the lifecycle machines.
//!
//! All components are under one lock, which nobody holds while waiting. What they run is marked in
//! its environment, so that what a killed nucleus left behind is found and ended before anything
//! starts: no component ever runs twice.
//!
//! Source: recipes-and-deployments A7, B5.8.

mod board;
mod core;
mod entry;
pub mod environment;
mod events;
pub mod once;
mod output;
mod process;
mod requests;
mod resources;
mod run_as;
mod runner;
mod scripts;
mod settings;
mod skip_if;
mod spec;
pub mod status;
pub mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marram_model::ComponentName;
use marram_os::cgroup::Cgroups;
use marram_os::clock::SharedClock;
use marram_os::file::{WriteFile, create_dir_all_mode};
use marram_os::process::end_leftovers;
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

pub use resources::{PauseComponent, ResumeComponent};
pub use scripts::{Played, ScriptCall, Scripts};
pub use spec::{ServiceKind, ServiceSet, ServiceSpec};

use self::core::Core;
use crate::config::ConfigStore;
use crate::ipc::providers::Operations;
use crate::lifecycle::Event;
use crate::paths::NucleusPaths;
use board::Board;
use environment::{SharedEnvironment, Variables};
use runner::Runner;
use status::{ComponentStatus, Mark, ReportedState, Settled, StateChange, UnknownComponent};
use tokens::Tokens;

/// How long processes that a killed nucleus left behind may take to obey SIGTERM.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

/// What a supervisor needs.
#[derive(Debug, Clone)]
pub struct SupervisorSettings {
    /// Where work and logs go.
    pub paths: NucleusPaths,
    /// The nucleus's settings for components, read each time one is started.
    pub config: ConfigStore,
    /// The environment of the nucleus's own process.
    pub inherited: Variables,
    /// What native components give to all processes.
    pub environment: SharedEnvironment,
    /// Where the components' tokens are registered.
    pub tokens: Tokens,
    /// What native components answer over IPC.
    pub operations: Operations,
    /// For the logs.
    pub clock: SharedClock,
    /// Who runs the components' scripts; `None` for the operating system.
    pub scripts: Option<Arc<dyn Scripts>>,
}

/// Why the supervisor could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartSupervisor {
    /// A folder for the components could not be made.
    #[error("cannot prepare the folders of the components")]
    Folder(#[from] WriteFile),
    /// Processes of an earlier nucleus cannot be ended.
    #[error(
        "processes {0:?} of an earlier nucleus on this root folder survive SIGKILL; end them, or \
         restart the device"
    )]
    Leftovers(Vec<u32>),
}

/// The way to the components. Clones are the same; when the last one is dropped, everything that
/// runs is killed.
#[derive(Debug, Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    core: Mutex<Core>,
    board: Arc<Board>,
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Ends what an earlier nucleus on the same root folder left behind, and starts without any
    /// component.
    pub async fn start(settings: SupervisorSettings) -> Result<Self, StartSupervisor> {
        let SupervisorSettings {
            paths,
            config,
            inherited,
            environment,
            tokens,
            operations,
            clock,
            scripts,
        } = settings;
        // Components run as other users: they must get through to their own folders below.
        let work = paths.root().join("work");
        if !work.is_dir() {
            create_dir_all_mode(&work, 0o755)?;
        }
        create_dir_all_mode(&paths.logs(), 0o700)?;
        let mark = runner::mark_prefix(&paths);
        let cgroups = Cgroups::detect();
        let wake = |pid| cgroups.release(resources::PARENT, pid);
        let survivors = match scripts {
            None => end_leftovers(environment::MARK, &mark, LEFTOVER_GRACE, wake).await,
            // A simulated process ends with its device.
            Some(_) => Vec::new(),
        };
        if !survivors.is_empty() {
            return Err(StartSupervisor::Leftovers(survivors));
        }
        let shared = environment;
        let runner =
            Runner { paths, config, inherited, shared, tokens, operations, clock, scripts };
        let board = Arc::new(Board::new());
        let shared = Arc::new_cyclic(|shared| Shared {
            core: Mutex::new(Core::new(runner, cgroups, Arc::clone(&board), shared.clone())),
            board,
        });
        Ok(Self { shared })
    }

    /// This moment in the order of state changes.
    pub fn mark(&self) -> Mark {
        self.shared.core().mark()
    }

    /// Creates the components that are new and changes the others as their change asks for: those
    /// that nothing changes run on, and BROKEN ones are installed again. Components that the set
    /// does not name stay as they are. Does not wait for any of them.
    pub fn apply(&self, set: ServiceSet) {
        self.shared.core().apply(set);
    }

    /// Stops these components, dependers first, runs their uninstall steps and forgets them.
    /// Returns when all are gone, which their timeouts bound; unknown ones are gone already. Goes on
    /// when it is dropped.
    pub async fn remove(&self, names: impl IntoIterator<Item = ComponentName>) {
        let gone = self.shared.core().remove(names.into_iter().collect());
        // Without an answer the supervisor has stopped, and they are gone too.
        let _ = gone.await;
    }

    /// Waits until each of `names` is RUNNING or FINISHED with nothing left to do, or until one of
    /// them has become BROKEN after `since` (B5.8.3). Cancel safe; the caller owns the deadline.
    ///
    /// A run step counts from the moment its process starts: how long to doubt one that may fail
    /// at once is the caller's choice.
    pub async fn wait_settled(&self, names: &[ComponentName], since: Mark) -> Settled {
        self.shared.board.settled(names, since).await
    }

    /// All components in the order of their names.
    pub fn status(&self) -> Vec<ComponentStatus> {
        self.shared.board.all()
    }

    /// One component.
    pub fn status_of(&self, name: &str) -> Option<ComponentStatus> {
        self.shared.board.get(name)
    }

    /// Every state change from now on. A listener that lags more than 256 changes behind misses
    /// some and is told so: it then reads [`Self::status`].
    pub fn watch(&self) -> broadcast::Receiver<StateChange> {
        self.shared.board.listen()
    }

    /// What a component says of itself. A report that its state does not allow is ignored, as
    /// Greengrass does (A7.1).
    pub fn report_state(
        &self,
        name: &ComponentName,
        state: ReportedState,
    ) -> Result<(), UnknownComponent> {
        let mut core = self.shared.core();
        if !core.contains(name) {
            return Err(UnknownComponent(name.clone()));
        }
        let event = match state {
            ReportedState::Running => Event::ReportedRunning,
            ReportedState::Errored => Event::ReportedErrored,
        };
        core.feed(name.clone(), event);
        Ok(())
    }

    /// Lets the processes of a RUNNING component stand still; one that is paused stays so. Returns
    /// when they do, at most two seconds later. It stays RUNNING, and goes on by itself when it is
    /// to stop (ipc 4.5).
    pub async fn pause(&self, name: &str) -> Result<(), PauseComponent> {
        self.shared.core().pause(name)?;
        let end = Instant::now() + resources::FREEZE_DEADLINE;
        while !self.shared.core().stands_still(name) {
            if Instant::now() >= end {
                self.shared.core().thaw(name);
                return Err(PauseComponent::TooSlow);
            }
            tokio::time::sleep(resources::FREEZE_POLL).await;
        }
        Ok(())
    }

    /// Lets the processes of a paused component go on.
    pub fn resume(&self, name: &str) -> Result<(), ResumeComponent> {
        self.shared.core().resume(name)
    }

    /// Whether components find this program.
    pub fn has_program(&self, program: &str) -> bool {
        self.shared.core().has_program(program)
    }

    /// Stops everything, dependers first, and kills what has not stopped after `budget`. What is
    /// applied afterwards starts anew.
    pub async fn halt(&self, budget: Duration) {
        let halted = self.shared.core().halt();
        self.kill_after(budget, halted).await;
    }

    /// As [`Self::halt`], for good: nothing can be applied afterwards.
    pub async fn stop_all(&self, budget: Duration) {
        let stopped = self.shared.core().stop_all();
        self.kill_after(budget, stopped).await;
        self.shared.board.stop();
    }

    async fn kill_after(&self, budget: Duration, stopped: oneshot::Receiver<()>) {
        if tokio::time::timeout(budget, stopped).await.is_err() {
            tracing::warn!(?budget, "components did not stop in time and are killed");
            self.shared.core().kill_all();
        }
    }
}

#[cfg(test)]
mod tests;
