//! One process of a component, from its start until nothing of it is left.

use std::time::Duration;

use marram_os::cgroup::Group;
use marram_os::process::{Child, Exit, Line, Stopped, Tree};
use marram_telemetry::Limits;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::events::Events;
use super::output::ComponentOutput;
use super::resources;
use crate::component::Running;
use crate::lifecycle::{Event, RunId, StepEvent};

/// How long processes may take to obey SIGTERM (A7.7).
const GRACE: Duration = Duration::from_secs(5);

/// How long a guest may take to stop.
const GUEST_GRACE: Duration = Duration::from_secs(15);

/// After a process's end: how long to read what it had written. Whoever inherited its output may
/// keep it open for ever.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Something that runs for a component. Dropping it ends it at once.
#[derive(Debug)]
pub(super) enum Job {
    /// A process and all it started.
    Process(Tree, Task),
    /// A guest that is starting.
    Guest(Task),
    /// A script that is only played, and how long it takes to obey.
    Played(Task, Duration),
}

impl Job {
    /// Its living processes.
    pub(super) fn processes(&self) -> Vec<u32> {
        match self {
            Self::Process(tree, _) => tree.members(),
            Self::Guest(_) | Self::Played(..) => Vec::new(),
        }
    }

    /// Kills it without waiting.
    pub(super) fn kill(self) {
        if let Self::Process(tree, _) = &self {
            tree.kill();
        }
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Waits for its end, or ends it after `deadline`.
    async fn finish(mut self, deadline: Duration) {
        // A task that panicked has ended too.
        let _ = timeout(deadline, &mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the process of one step needs to be looked after.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) run: RunId,
    pub(super) script: &'static str,
    pub(super) output: ComponentOutput,
    pub(super) limits: Limits,
    pub(super) events: Events,
}

/// Looks after `child` until nothing of it is left: its lines go to the log, its exit to the
/// machine. What it started lives on with this, until the job is ended.
pub(super) fn look_after(mut child: Child, watched: Watched) -> Job {
    let tree = child.tree();
    let mut lines = child.take_lines();
    let task = Task::spawn(async move {
        let exit = read_until_exit(&mut child, &mut lines, &watched).await;
        let drained = timeout(LAST_LINES, copy_lines(&mut lines, &watched)).await;
        watched.events.send(Event::Step(watched.run, StepEvent::Exited(exit)));
        if drained.is_err() {
            copy_lines(&mut lines, &watched).await;
        }
        if !child.tree().members().is_empty() {
            std::future::pending::<()>().await;
        }
    });
    Job::Process(tree, task)
}

async fn read_until_exit(
    child: &mut Child,
    lines: &mut mpsc::Receiver<Line>,
    watched: &Watched,
) -> Exit {
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            line = lines.recv(), if is_open => match line {
                Some(line) => watched.output.line(watched.script, &line, watched.limits),
                None => is_open = false,
            },
            exit = child.wait() => {
                // Without a status to read the process is lost, which is no success.
                return exit.unwrap_or(Exit::Signal(0));
            }
        }
    }
}

async fn copy_lines(lines: &mut mpsc::Receiver<Line>, watched: &Watched) {
    while let Some(line) = lines.recv().await {
        watched.output.line(watched.script, &line, watched.limits);
    }
}

/// Ends jobs and a guest, all at the same time, and then their control groups; says whether nothing
/// is left.
pub(super) async fn end(
    jobs: Vec<Job>,
    guest: Option<Box<dyn Running>>,
    groups: Vec<Group>,
) -> bool {
    let mut ends = JoinSet::new();
    for job in jobs {
        ends.spawn(end_job(job));
    }
    if let Some(guest) = guest {
        ends.spawn(async move {
            // A guest that does not stop in time is dropped, which ends it.
            let _ = timeout(GUEST_GRACE, guest.stop()).await;
            true
        });
    }
    let ended = ends.join_all().await.into_iter().all(|ended| ended);
    for group in groups {
        resources::remove(&group).await;
    }
    ended
}

async fn end_job(job: Job) -> bool {
    match job {
        Job::Process(tree, task) => {
            let stopped = tree.stop(GRACE).await;
            task.finish(LAST_LINES * 2).await;
            !matches!(stopped, Stopped::Survived(_))
        }
        Job::Guest(task) => {
            drop(task);
            true
        }
        Job::Played(task, obeys_after) => {
            tokio::time::sleep(obeys_after.min(GRACE)).await;
            drop(task);
            true
        }
    }
}
