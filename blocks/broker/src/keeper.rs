//! Who writes down what changed: one task, in batches, so that a thousand acknowledgements wait
//! for one commit.
//!
//! Whoever changes a session marks it, with the session locked, and gets a [`Ticket`]: the number
//! of the batch the change will be in. The writer looks at a session when its batch is written,
//! not when it was marked, so that a session counts once however much has happened to it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use marram_mqtt::ByteString;
use marram_mqtt::session::outbox::Message;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::error;

use crate::broker::{Inner, now};
use crate::handler::Handler;
use crate::persistence::{Change, KeptDelivery, KeptMessage, Persistence};
use crate::session::{Session, State};

/// Number of the batch that makes something durable; 0 is durable already.
pub(crate) type Ticket = u64;

/// How many changes are written at once.
const CHUNK: usize = 1000;

/// How long to wait before a failed write is tried again; it doubles up to the second value.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Keeper<I> {
    persistence: Option<Persistence>,
    open: Mutex<Batch<I>>,
    marked: Notify,
    durable: watch::Sender<Ticket>,
}

#[derive(Debug)]
struct Batch<I> {
    number: Ticket,
    sessions: Vec<Arc<Session<I>>>,
    topics: HashSet<ByteString>,
}

impl<I> Batch<I> {
    fn new(number: Ticket) -> Self {
        Self { number, sessions: Vec::new(), topics: HashSet::new() }
    }

    fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.topics.is_empty()
    }
}

impl<I> Keeper<I> {
    /// Without `persistence` nothing is kept, and everything is durable at once.
    pub(crate) fn new(persistence: Option<Persistence>) -> Self {
        Self {
            persistence,
            open: Mutex::new(Batch::new(1)),
            marked: Notify::new(),
            durable: watch::Sender::new(0),
        }
    }

    /// Has `session` written if it is persistent, or was.
    pub(crate) fn mark(&self, session: &Arc<Session<I>>, state: &mut State<I>) -> Ticket {
        let is_kept = state.kept.is_some() || (state.expiry_s > 0 && !state.ended);
        if self.persistence.is_none() || !is_kept {
            return 0;
        }
        if state.marked == 0 {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            state.marked = open.number;
            open.sessions.push(Arc::clone(session));
            drop(open);
            self.marked.notify_one();
        }
        state.marked
    }

    /// The same, for a subscription that came or went.
    pub(crate) fn mark_filter(
        &self,
        session: &Arc<Session<I>>,
        state: &mut State<I>,
        filter: ByteString,
    ) -> Ticket {
        let ticket = self.mark(session, state);
        if ticket > 0 {
            state.changed_filters.insert(filter);
        }
        ticket
    }

    /// Has the retained message of `topic` written.
    pub(crate) fn mark_topic(&self, topic: &ByteString) -> Ticket {
        if self.persistence.is_none() {
            return 0;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.topics.insert(topic.clone());
        let number = open.number;
        drop(open);
        self.marked.notify_one();
        number
    }

    /// Follows the batches that are durable.
    pub(crate) fn durable(&self) -> watch::Receiver<Ticket> {
        self.durable.subscribe()
    }

    /// Waits until everything that was marked so far is durable.
    pub(crate) async fn settled(&self) {
        let last = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.is_empty() { open.number - 1 } else { open.number }
        };
        // The sender is ours, so it cannot be gone.
        let _ = self.durable().wait_for(|durable| *durable >= last).await;
    }

    fn take(&self) -> Option<Batch<I>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_empty() {
            return None;
        }
        let next = Batch::new(open.number + 1);
        Some(std::mem::replace(&mut *open, next))
    }
}

/// Writes batches until the broker is gone.
pub(crate) async fn run<H: Handler>(keeper: Arc<Keeper<H::Identity>>, broker: Weak<Inner<H>>) {
    let Some(persistence) = &keeper.persistence else { return };
    loop {
        keeper.marked.notified().await;
        while let Some(batch) = keeper.take() {
            let mut changes = Vec::new();
            for session in &batch.sessions {
                collect(session, &mut session.lock(), persistence, &mut changes);
                save_from(CHUNK, persistence, &mut changes).await;
            }
            for topic in batch.topics {
                let Some(inner) = broker.upgrade() else { return };
                changes.push(match inner.retained(&topic) {
                    Some(message) => Change::Retained(kept(&message, persistence)),
                    None => Change::Cleared { topic },
                });
                // Not held while the store is waited for: the broker may go meanwhile.
                drop(inner);
                save_from(CHUNK, persistence, &mut changes).await;
            }
            save_from(1, persistence, &mut changes).await;
            keeper.durable.send_replace(batch.number);
        }
    }
}

/// Saves `changes` once there are `least`, until the store has taken them.
async fn save_from(least: usize, persistence: &Persistence, changes: &mut Vec<Change>) {
    let mut pause = RETRY.0;
    while changes.len() >= least {
        match persistence.store.save(changes).await {
            Ok(()) => changes.clear(),
            Err(problem) => {
                error!(%problem, changes = changes.len(), "cannot keep sessions; trying again");
                sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
            }
        }
    }
}

/// What is different of `session` since it was written last.
fn collect<I>(
    session: &Session<I>,
    state: &mut State<I>,
    persistence: &Persistence,
    changes: &mut Vec<Change>,
) {
    state.marked = 0;
    let client_id = || session.client_id.clone();
    if state.ended || state.expiry_s == 0 {
        if state.kept.take().is_some() {
            changes.push(Change::Ended { client_id: client_id() });
        }
        state.outbox.forget_saved();
        return;
    }
    let times = (state.expiry_s, state.expires_at);
    let is_new = state.kept.is_none();
    if state.kept != Some(times) {
        state.kept = Some(times);
        let (expiry_s, expires_at) = times;
        let expires_at_ms = expires_at.map(|at| wall_ms(at, persistence));
        changes.push(Change::Session { client_id: client_id(), expiry_s, expires_at_ms });
    }
    let changed = std::mem::take(&mut state.changed_filters);
    let changed = if is_new { state.filters.keys().cloned().collect() } else { changed };
    for filter in changed {
        let client_id = client_id();
        changes.push(match state.filters.get(&filter) {
            Some(&subscription) => Change::Subscribed { client_id, filter, subscription },
            None => Change::Unsubscribed { client_id, filter },
        });
    }
    for position in state.outbox.take_settled() {
        changes.push(Change::Settled { client_id: client_id(), position });
    }
    for (position, delivery) in state.outbox.take_unsaved() {
        let mut message = kept(&delivery.message, persistence);
        message.publish.qos = delivery.qos;
        let (retain, subscription_ids) = (delivery.retain, delivery.subscription_ids);
        let delivery = KeptDelivery { position, message, retain, subscription_ids };
        changes.push(Change::Queued { client_id: client_id(), delivery });
    }
}

fn kept(message: &Message, persistence: &Persistence) -> KeptMessage {
    let expires_at_ms = message.expires_at.map(|at| wall_ms(at, persistence));
    KeptMessage { publish: message.publish.clone(), expires_at_ms }
}

/// The runtime's instant as wall-clock time.
fn wall_ms(at: Instant, persistence: &Persistence) -> i64 {
    let left = at.saturating_duration_since(now());
    let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
    persistence.clock.now_ms().saturating_add(left)
}

/// Wall-clock time as the runtime's instant; what is past is now.
pub(crate) fn instant(at_ms: i64, persistence: &Persistence) -> Instant {
    let left = at_ms.saturating_sub(persistence.clock.now_ms());
    now() + Duration::from_millis(u64::try_from(left).unwrap_or(0))
}
