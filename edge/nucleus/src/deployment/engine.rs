//! Runs deployments one at a time: the shell around [`Machine`] and [`Queue`].
//!
//! One task owns all of it. Steps run as futures that are dropped when they are cancelled or
//! their deadline passes; the machine's position is saved before a step begins, so that the
//! device can be killed at any instruction (ADR 0004).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use marram_model::error_code::ErrorCode;
use marram_model::status::{DeploymentOutcome, DeploymentStatus};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::current::Current;
use super::machine::{Action, Deadlines, Ending, Event, Failure, Machine, Step};
use super::queue::{Offered, Queue};
use super::request::Request;

/// Offers and cancels that wait for the engine; it takes each within microseconds.
const COMMANDS: usize = 32;

/// What the steps of a deployment do on this device.
pub(crate) trait Steps: Send + Sync + 'static {
    /// Reads the document; a stale or unreadable one is refused with its outcome.
    fn accept(&self, request: &Request) -> Result<Current, DeploymentOutcome>;

    /// Runs one step to its end. Dropping the future must leave the device as it was before the
    /// step, except for steps that go on from where they were (all but Apply and Restore, which
    /// are one transaction each).
    fn run(
        &self,
        step: Step,
        current: &mut Current,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Keeps where the deployment is, durably; `None` when none is under way.
    fn save(&self, current: Option<&Current>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Tells the cloud, now or at the next connection.
    fn report(
        &self,
        request: &Request,
        outcome: DeploymentOutcome,
    ) -> impl Future<Output = ()> + Send;

    /// A deployment begins, or goes on after a restart.
    fn began(&self) -> impl Future<Output = ()> + Send;

    /// A deployment is over, however it ended. May be called again for the same one after a kill.
    fn ended(
        &self,
        current: &Current,
        outcome: &DeploymentOutcome,
    ) -> impl Future<Output = ()> + Send;
}

/// What others ask of the engine.
#[derive(Debug)]
enum Command {
    Offer { request: Request, answer: Option<oneshot::Sender<Offered>> },
    Cancel { key: String },
}

/// The way to the engine; clones share it. The engine stops when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Deployments {
    commands: mpsc::Sender<Command>,
}

/// What others have asked and the engine has still to take.
#[derive(Debug)]
pub(crate) struct Commands(mpsc::Receiver<Command>);

impl Deployments {
    /// A way to an engine that is started later.
    pub(crate) fn channel() -> (Self, Commands) {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        (Self { commands }, Commands(receiver))
    }

    /// Hands a deployment over; it runs when its turn comes.
    pub async fn offer(&self, request: Request) {
        // A closed channel means that the nucleus is stopping: the cloud offers it again.
        let _ = self.commands.send(Command::Offer { request, answer: None }).await;
    }

    /// As [`Self::offer`]; says what became of the offer, `None` if the nucleus is stopping.
    pub(crate) async fn offer_and_hear(&self, request: Request) -> Option<Offered> {
        let (answer, heard) = oneshot::channel();
        self.commands.send(Command::Offer { request, answer: Some(answer) }).await.ok()?;
        heard.await.ok()
    }

    /// Cancels the deployment of this key, waiting or running.
    pub async fn cancel(&self, key: impl Into<String>) {
        let _ = self.commands.send(Command::Cancel { key: key.into() }).await;
    }
}

/// Starts the engine, with the deployment that was under way when the device stopped, if any.
pub(crate) fn start<S: Steps>(
    steps: Arc<S>,
    deadlines: Deadlines,
    commands: Commands,
    interrupted: Option<Current>,
) -> JoinHandle<()> {
    let engine = Engine { steps, deadlines, commands: commands.0, queue: Queue::default() };
    tokio::spawn(engine.run(interrupted))
}

struct Engine<S> {
    steps: Arc<S>,
    deadlines: Deadlines,
    commands: mpsc::Receiver<Command>,
    queue: Queue,
}

/// A step's end, with the deployment that it worked on.
type StepEnd = (Box<Current>, Result<(), Failure>);
type RunningStep = Pin<Box<dyn Future<Output = StepEnd> + Send>>;

impl<S: Steps> Engine<S> {
    async fn run(mut self, interrupted: Option<Current>) {
        if let Some(current) = interrupted {
            tracing::info!(deployment = current.key(), step = ?current.machine.step(), "resuming");
            self.drive(current).await;
        }
        loop {
            while let Some(request) = self.queue.take() {
                self.begin(request).await;
            }
            let Some(command) = self.commands.recv().await else { return };
            self.take(command, None).await;
        }
    }

    /// A command that does not concern the deployment under way, which is `current`.
    async fn take(&mut self, command: Command, current: Option<&Request>) {
        match command {
            Command::Offer { request, answer } => {
                let key = request.source.key().to_owned();
                let offered = self.queue.offer(request, current);
                match offered {
                    Offered::Full => tracing::warn!(deployment = key, "the queue is full"),
                    offered => tracing::info!(deployment = key, ?offered, "deployment offered"),
                }
                if let Some(answer) = answer {
                    // Nobody listens any more: the deployment runs all the same.
                    let _ = answer.send(offered);
                }
            }
            Command::Cancel { key } => {
                if let Some(request) = self.queue.cancel(&key) {
                    tracing::info!(deployment = key, "cancelled before it began");
                    let canceled = DeploymentOutcome::plain(DeploymentStatus::Canceled);
                    self.steps.report(&request, canceled).await;
                }
            }
        }
    }

    async fn begin(&mut self, request: Request) {
        match self.steps.accept(&request) {
            Ok(current) => {
                let in_progress = DeploymentOutcome::plain(DeploymentStatus::InProgress);
                self.steps.report(&request, in_progress).await;
                self.drive(current).await;
            }
            Err(outcome) => {
                tracing::warn!(deployment = request.source.key(), ?outcome, "deployment refused");
                self.steps.report(&request, outcome).await;
            }
        }
    }

    /// Runs one deployment to its end, listening to offers and cancels meanwhile.
    async fn drive(&mut self, mut current: Current) {
        self.steps.began().await;
        let mut action = current.machine.resume();
        let ending = loop {
            let step = match action {
                Action::Run(step) => step,
                Action::Finish(ending) => break ending,
                Action::Ignore => return,
            };
            if let Err(failure) = self.steps.save(Some(&current)).await {
                action = current.machine.handle(Event::Failed(failure));
                continue;
            }
            tracing::info!(deployment = current.key(), ?step, "deployment step");
            let request = current.request.clone();
            let mut machine = current.machine.clone();
            let event = self.run_step(step, current, &request, &mut machine).await;
            (current, action) = match event {
                StepOutcome::Ended((after, result)) => {
                    let mut after = *after;
                    let event = match result {
                        Ok(()) => Event::Done,
                        Err(failure) => Event::Failed(failure),
                    };
                    let action = after.machine.handle(event);
                    (after, action)
                }
                StepOutcome::Canceled(before) => {
                    let ending = Action::Finish(Ending::Canceled);
                    (*before, ending)
                }
            };
        };
        self.finish(&current, ending).await;
    }

    async fn run_step(
        &mut self,
        step: Step,
        current: Current,
        request: &Request,
        machine: &mut Machine,
    ) -> StepOutcome {
        let before = Box::new(current.clone());
        let limit = self.deadlines.of(step);
        let mut running = self.step_future(step, current, limit);
        loop {
            tokio::select! {
                end = &mut running => return StepOutcome::Ended(end),
                Some(command) = self.commands.recv() => match command {
                    Command::Cancel { key } if key == request.source.key() => {
                        match machine.handle(Event::Cancel) {
                            Action::Finish(_) => return StepOutcome::Canceled(before),
                            _ => tracing::info!(deployment = key, ?step, "too late to cancel"),
                        }
                    }
                    other => self.take(other, Some(request)).await,
                },
            }
        }
    }

    fn step_future(&self, step: Step, current: Current, limit: Duration) -> RunningStep {
        let steps = Arc::clone(&self.steps);
        Box::pin(async move {
            let mut current = Box::new(current);
            let result = timeout(limit, steps.run(step, &mut current)).await;
            let result = result.unwrap_or_else(|_| Err(deadline_passed(step, limit)));
            (current, result)
        })
    }

    async fn finish(&self, current: &Current, ending: Ending) {
        let outcome = match ending {
            Ending::Succeeded => DeploymentOutcome::succeeded(),
            Ending::Canceled => DeploymentOutcome::plain(DeploymentStatus::Canceled),
            Ending::Failed { detailed, failure } => {
                DeploymentOutcome::failed(detailed, failure.cause, failure.codes)
            }
        };
        tracing::info!(
            deployment = current.key(),
            status = %outcome.status,
            cause = outcome.failure_cause.as_deref(),
            "deployment ended"
        );
        // Reported before the position is dropped: killed in between, the device resumes the last
        // step, which is done already, and reports the same outcome again.
        self.steps.ended(current, &outcome).await;
        self.steps.report(&current.request, outcome).await;
        if let Err(failure) = self.steps.save(None).await {
            tracing::error!(cause = failure.cause, "the end of the deployment was not saved");
        }
    }
}

enum StepOutcome {
    Ended(StepEnd),
    Canceled(Box<Current>),
}

fn deadline_passed(step: Step, limit: Duration) -> Failure {
    Failure {
        cause: format!("{step:?} was not done after {} s", limit.as_secs()),
        codes: vec![ErrorCode::DeploymentInterrupted],
    }
}

#[cfg(test)]
mod tests;
