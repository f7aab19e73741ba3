//! Questions to components that have subscribed to them, and the wait for all answers.
//!
//! One question is open at a time, to any number of components. It is over when all have answered
//! or gone, when its time is up, or when whoever asked loses interest and drops the future; an
//! answer that comes later is refused. So nobody waits for a component that is not there any more.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use marram_model::ComponentName;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::outbox::{Outbox, Push};
use super::session::StreamKey;

/// Who can be asked, and what was answered so far.
#[derive(Debug)]
pub(super) struct Consultation<A> {
    state: Mutex<State<A>>,
    /// Wakes whoever waits for answers or for subscribers.
    changed: Notify,
}

#[derive(Debug)]
struct State<A> {
    subscribers: BTreeMap<StreamKey, Subscriber>,
    open: Option<Question<A>>,
}

#[derive(Debug, Clone)]
struct Subscriber {
    component: ComponentName,
    outbox: Arc<Outbox>,
}

/// What each component that was asked has answered last.
pub(super) type Answers<A> = BTreeMap<ComponentName, Option<A>>;

#[derive(Debug)]
struct Question<A> {
    deployment_id: String,
    answers: Answers<A>,
}

/// The component was not asked this, or the time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAsked;

impl<A> Default for Consultation<A> {
    fn default() -> Self {
        let state = State { subscribers: BTreeMap::new(), open: None };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl<A: Clone> Consultation<A> {
    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stream whose lane exists already.
    pub(super) fn subscribe(&self, key: StreamKey, component: &ComponentName, to: &Arc<Outbox>) {
        let subscriber = Subscriber { component: component.clone(), outbox: Arc::clone(to) };
        self.lock().subscribers.insert(key, subscriber);
        self.changed.notify_waiters();
    }

    /// Removes a stream. A component whose last one it was is not waited for any more.
    pub(super) fn unsubscribe(&self, key: StreamKey) {
        let mut state = self.lock();
        let Some(gone) = state.subscribers.remove(&key) else { return };
        if !state.has(&gone.component)
            && let Some(question) = &mut state.open
            && let Some(None) = question.answers.get(&gone.component)
        {
            question.answers.remove(&gone.component);
            self.changed.notify_waiters();
        }
    }

    /// Whether the component has a stream.
    pub(super) fn is_subscribed(&self, component: &ComponentName) -> bool {
        self.lock().has(component)
    }

    /// Ends when each of the components has a stream.
    pub(super) async fn until_subscribed(&self, components: &BTreeSet<ComponentName>) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if components.iter().all(|component| self.is_subscribed(component)) {
                return;
            }
            changed.await;
        }
    }

    /// All streams, the latest of each component last.
    pub(super) fn streams(&self) -> Vec<(StreamKey, ComponentName)> {
        let state = self.lock();
        state.subscribers.iter().map(|(key, s)| (*key, s.component.clone())).collect()
    }

    /// Sends a stream an event that needs no answer.
    pub(super) fn tell(&self, key: StreamKey, event: &Bytes) {
        self.lock().send(key, event);
    }

    /// Takes an answer to the open question; a later one replaces it.
    pub(super) fn answer(
        &self,
        component: &ComponentName,
        deployment_id: &str,
        answer: A,
    ) -> Result<(), NotAsked> {
        let mut state = self.lock();
        let question = state.open.as_mut().filter(|open| open.deployment_id == deployment_id);
        let slot = question.and_then(|open| open.answers.get_mut(component)).ok_or(NotAsked)?;
        *slot = Some(answer);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Asks streams, each with its own event, and waits for their components' answers for as long
    /// as `limit`. Components that went without an answer are missing in what it returns; those
    /// that have not answered in time have `None`.
    pub(super) async fn ask(
        &self,
        deployment_id: &str,
        questions: Vec<(StreamKey, Bytes)>,
        limit: Duration,
    ) -> Answers<A> {
        self.lock().open(deployment_id, questions);
        let _closes = CloseWhenDropped(self);
        // Also what was answered in part counts when the time is up.
        let _ = timeout(limit, self.all_answered()).await;
        self.lock().open.take().map(|question| question.answers).unwrap_or_default()
    }

    async fn all_answered(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let is_open = |question: &Question<A>| question.answers.values().any(Option::is_none);
            if !self.lock().open.as_ref().is_some_and(is_open) {
                return;
            }
            changed.await;
        }
    }
}

impl<A> State<A> {
    fn has(&self, component: &ComponentName) -> bool {
        self.subscribers.values().any(|subscriber| subscriber.component == *component)
    }

    fn open(&mut self, deployment_id: &str, questions: Vec<(StreamKey, Bytes)>) {
        let mut answers = BTreeMap::new();
        for (key, event) in questions {
            if let Some(component) = self.send(key, &event) {
                answers.insert(component, None);
            }
        }
        self.open = Some(Question { deployment_id: deployment_id.to_owned(), answers });
    }

    /// Queues an event; `None` if the stream has gone.
    fn send(&self, key: StreamKey, event: &Bytes) -> Option<ComponentName> {
        let Subscriber { component, outbox } = self.subscribers.get(&key)?;
        if outbox.push(key.stream, event) == Push::Full {
            tracing::warn!(%component, "a component does not read what it is asked");
        }
        Some(component.clone())
    }
}

/// Closes the question also if whoever asked has lost interest.
struct CloseWhenDropped<'a, A: Clone>(&'a Consultation<A>);

impl<A: Clone> Drop for CloseWhenDropped<'_, A> {
    fn drop(&mut self) {
        self.0.lock().open = None;
    }
}
