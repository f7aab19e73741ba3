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
use tokio::time::{Instant, sleep_until, timeout};

use super::current::Current;
use super::machine::{Action, Deadlines, Ending, Event, Failure, Machine, Step};
use super::queue::{Offered, Queue};
use super::request::Request;

/// Offers and cancels that wait for the engine; it takes each within microseconds.
const COMMANDS: usize = 32;

/// How soon a write that the disk refused is tried again. The deployment waits for it, because
/// what is not kept would be forgotten at the next start; others are heard meanwhile.
const WRITE_AGAIN: Duration = Duration::from_secs(5);

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

    /// Keeps where the deployment is, durably.
    fn save(&self, current: &Current) -> impl Future<Output = Result<(), Failure>> + Send;

    /// What was kept of the deployment last: steps keep what they have done so far, too.
    fn saved(&self) -> Option<Current>;

    /// Keeps, in one transaction, what the deployment has brought, that nothing is under way, and
    /// what the cloud has to hear of it.
    fn close(
        &self,
        current: &Current,
        outcome: &DeploymentOutcome,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Notes what the cloud has to hear, now or at the next connection.
    fn report(
        &self,
        request: &Request,
        outcome: DeploymentOutcome,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// A deployment begins, or goes on after a restart.
    fn began(&self) -> impl Future<Output = ()> + Send;

    /// A deployment is over and closed, however it ended; after a kill this may never be called.
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
type StepEnd = (Box<Current>, Event);
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
                    self.report(&request, canceled).await;
                }
            }
        }
    }

    async fn begin(&mut self, request: Request) {
        match self.steps.accept(&request) {
            Ok(current) => {
                let in_progress = DeploymentOutcome::plain(DeploymentStatus::InProgress);
                self.report(&request, in_progress).await;
                self.drive(current).await;
            }
            Err(outcome) => {
                tracing::warn!(deployment = request.source.key(), ?outcome, "deployment refused");
                self.refuse(&request, outcome).await;
            }
        }
    }

    /// A status that cannot be kept is lost, except the last one: see [`Self::refuse`] and
    /// [`Self::finish`].
    async fn report(&self, request: &Request, outcome: DeploymentOutcome) {
        if let Err(failure) = self.steps.report(request, outcome).await {
            tracing::error!(cause = failure.cause, "a deployment's status could not be kept");
        }
    }

    /// The end of a deployment that never began.
    async fn refuse(&mut self, request: &Request, outcome: DeploymentOutcome) {
        while let Err(failure) = self.steps.report(request, outcome.clone()).await {
            tracing::error!(cause = failure.cause, "the refusal is kept again soon");
            self.pause(request).await;
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
            if let Err(instead) = self.keep_position(step, &mut current).await {
                action = instead;
                continue;
            }
            tracing::info!(deployment = current.key(), ?step, "deployment step");
            let request = current.request.clone();
            let mut machine = current.machine.clone();
            let before = current.clone();
            let outcome = self.run_step(step, current, &request, &mut machine).await;
            (current, action) = match outcome {
                StepOutcome::Ended((after, event)) => {
                    let mut after = *after;
                    // It may have been cancelled where that waits for the step's end.
                    after.machine.take_cancel_of(&machine);
                    let action = after.machine.handle(event);
                    (after, action)
                }
                StepOutcome::Canceled(action) => {
                    let mut so_far = self.so_far(before);
                    so_far.machine = machine;
                    (so_far, action)
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
        let limit = match step {
            Step::SettleRestored if machine.is_canceled() => self.deadlines.canceled,
            _ => self.deadlines.of(step),
        };
        let mut running = self.step_future(step, current, limit);
        loop {
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => match command {
                    Command::Cancel { key } if key == request.source.key() => {
                        match machine.handle(Event::Cancel) {
                            Action::Ignore => {
                                tracing::info!(deployment = key, ?step, "it goes back already");
                            }
                            action => return StepOutcome::Canceled(action),
                        }
                    }
                    other => self.take(other, Some(request)).await,
                },
                end = &mut running => return StepOutcome::Ended(end),
            }
        }
    }

    fn step_future(&self, step: Step, current: Current, limit: Duration) -> RunningStep {
        let steps = Arc::clone(&self.steps);
        Box::pin(async move {
            let mut current = Box::new(current);
            let event = match timeout(limit, steps.run(step, &mut current)).await {
                Ok(Ok(())) => Event::Done,
                Ok(Err(failure)) => Event::Failed(failure),
                Err(_) => Event::Overdue(deadline_passed(step, limit)),
            };
            (current, event)
        })
    }

    /// The deployment with what its steps have kept of their work, also of the one under way.
    fn so_far(&self, before: Current) -> Current {
        self.steps.saved().filter(|saved| saved.key() == before.key()).unwrap_or(before)
    }

    /// Keeps the position, or says what happens instead of the step. What would go back must not
    /// fail for a disk that is full for a moment.
    async fn keep_position(&mut self, step: Step, current: &mut Current) -> Result<(), Action> {
        let began = Instant::now();
        loop {
            let Err(failure) = self.steps.save(current).await else { return Ok(()) };
            if !step.has_changed_the_device() || began.elapsed() >= self.deadlines.write {
                return Err(current.machine.handle(Event::Failed(failure)));
            }
            tracing::error!(cause = failure.cause, ?step, "the position is kept again soon");
            if self.pause(&current.request).await {
                match current.machine.handle(Event::Cancel) {
                    Action::Ignore => {}
                    action => return Err(action),
                }
            }
        }
    }

    /// Waits before a write is tried again, and listens; true if this deployment was cancelled.
    async fn pause(&mut self, request: &Request) -> bool {
        let over = sleep_until(Instant::now() + WRITE_AGAIN);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => match command {
                    Command::Cancel { key } if key == request.source.key() => return true,
                    other => self.take(other, Some(request)).await,
                },
                () = &mut over => return false,
            }
        }
    }

    async fn finish(&mut self, current: &Current, ending: Ending) {
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
        while let Err(failure) = self.steps.close(current, &outcome).await {
            tracing::error!(cause = failure.cause, "the end of the deployment is kept again soon");
            // It is over, so a cancel changes nothing.
            self.pause(&current.request).await;
        }
        self.steps.ended(current, &outcome).await;
    }
}

enum StepOutcome {
    Ended(StepEnd),
    Canceled(Action),
}

fn deadline_passed(step: Step, limit: Duration) -> Failure {
    Failure {
        cause: format!("{step:?} was not done after {} s", limit.as_secs()),
        codes: vec![ErrorCode::DeploymentInterrupted],
    }
}

#[cfg(test)]
mod tests;
