//! Sessions: what the broker keeps of a client beyond one connection.
//!
//! Lock order: the registry, then one session's state, then the subscription tree. None is held
//! across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU16;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use marram_mqtt::packet::{PacketId, PublishPacket};
use marram_mqtt::session::outbox::{Delivery, Outbox, OutboxLimits, Pushed};
use marram_mqtt::{ByteString, Publish, QoS, ReasonCode};
use tokio::sync::Notify;

use crate::handler::SessionInfo;
use crate::keeper::{Keeper, Ticket};
use crate::persistence::KeptSubscription;

/// What other tasks can do to a running connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    wake: Notify,
    cut: OnceLock<ReasonCode>,
}

impl Link {
    /// Ends the connection with the first reason given.
    pub(crate) fn cut(&self, reason: ReasonCode) {
        // A second reason changes nothing: the connection is ending already.
        let _ = self.cut.set(reason);
        self.wake.notify_one();
    }

    /// Why the connection must end, once somebody said so.
    pub(crate) fn cut_reason(&self) -> Option<ReasonCode> {
        self.cut.get().copied()
    }

    /// Waits until there is something to send or a reason to end.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

/// A will that waits for its time.
#[derive(Debug)]
pub(crate) struct PendingWill<I> {
    pub(crate) due: Instant,
    pub(crate) publish: Publish,
    pub(crate) info: Arc<SessionInfo<I>>,
}

/// Bytes that all sessions hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, used: AtomicUsize::new(0) }
    }

    fn is_spent(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.max
    }
}

/// A session's state. When it is let go, what the session holds is counted.
#[derive(Debug)]
pub(crate) struct Locked<'s, I> {
    state: MutexGuard<'s, State<I>>,
    budget: &'s Budget,
}

impl<I> Deref for Locked<'_, I> {
    type Target = State<I>;

    fn deref(&self) -> &State<I> {
        &self.state
    }
}

impl<I> DerefMut for Locked<'_, I> {
    fn deref_mut(&mut self) -> &mut State<I> {
        &mut self.state
    }
}

impl<I> Drop for Locked<'_, I> {
    fn drop(&mut self) {
        let held = self.state.outbox.held_bytes();
        let counted = std::mem::replace(&mut self.state.counted, held);
        if held > counted {
            self.budget.used.fetch_add(held - counted, Ordering::Relaxed);
        } else if held < counted {
            self.budget.used.fetch_sub(counted - held, Ordering::Relaxed);
        }
    }
}

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session<I> {
    /// Unique within the broker; also the order of subscribers in the tree.
    pub(crate) number: u64,
    pub(crate) client_id: ByteString,
    budget: Arc<Budget>,
    state: Mutex<State<I>>,
}

/// The mutable part of a session.
#[derive(Debug)]
pub(crate) struct State<I> {
    /// The connection, or the last one; `None` if that was another broker's.
    pub(crate) info: Option<Arc<SessionInfo<I>>>,
    /// Set while connected.
    pub(crate) link: Option<Arc<Link>>,
    /// Seconds the session outlives the connection; a session of 0 is never resumed.
    pub(crate) expiry_s: u32,
    pub(crate) outbox: Outbox,
    /// By filters as the client wrote them, `$share/…` included.
    pub(crate) filters: BTreeMap<ByteString, KeptSubscription>,
    /// The filters that are to be written.
    pub(crate) changed_filters: BTreeSet<ByteString>,
    /// Expiry and end as they are written; `None` if the store knows nothing of the session.
    pub(crate) kept: Option<(u32, Option<Instant>)>,
    /// The batch in which the session will be written; 0 for none.
    pub(crate) marked: Ticket,
    /// No longer in the registry and the tree.
    pub(crate) ended: bool,
    /// When a session without connection ends.
    pub(crate) expires_at: Option<Instant>,
    pub(crate) wills: Vec<PendingWill<I>>,
    /// Bytes of the outbox as the budget knows them.
    counted: usize,
    /// The instant under which the janitor has this session on its agenda.
    pub(crate) agenda: Option<Instant>,
}

impl<I> State<I> {
    fn new(expiry_s: u32) -> Self {
        Self {
            info: None,
            link: None,
            expiry_s,
            outbox: Outbox::default(),
            filters: BTreeMap::new(),
            changed_filters: BTreeSet::new(),
            kept: None,
            marked: 0,
            ended: false,
            expires_at: None,
            wills: Vec::new(),
            counted: 0,
            agenda: None,
        }
    }

    /// Whether `link` is the session's connection, and not one that was replaced.
    pub(crate) fn is_current(&self, link: &Arc<Link>) -> bool {
        self.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link))
    }

    /// The earliest instant at which something is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.wills.iter().map(|will| will.due).chain(self.expires_at).min()
    }
}

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Durable with this ticket.
    Queued(Ticket),
    /// No room.
    Dropped,
    /// The receiver may not have it, or is gone.
    Withheld,
}

impl<I> Session<I> {
    pub(crate) fn lock(&self) -> Locked<'_, I> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { state, budget: &self.budget }
    }

    /// Queues one message if `allowed` for the session's identity.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        keeper: &Keeper<I>,
        delivery: Delivery,
        online: &OutboxLimits,
        offline: &OutboxLimits,
        allowed: impl FnOnce(&I) -> bool,
    ) -> Delivered {
        let qos = delivery.qos;
        let mut state = self.lock();
        // Of a session that nobody has come back to yet it is asked when somebody does.
        if state.ended || state.info.as_ref().is_some_and(|info| !allowed(&info.identity)) {
            return Delivered::Withheld;
        }
        if state.link.is_none() && self.budget.is_spent() {
            return Delivered::Dropped;
        }
        let limits = if state.link.is_some() { online } else { offline };
        match state.outbox.push(delivery, limits) {
            Pushed::Queued => {
                if let Some(link) = &state.link {
                    link.wake.notify_one();
                }
                let is_kept = qos == QoS::AtLeastOnce;
                Delivered::Queued(if is_kept { keeper.mark(self, &mut state) } else { 0 })
            }
            Pushed::Dropped => Delivered::Dropped,
            Pushed::Overflow => {
                if let Some(link) = &state.link {
                    link.cut(ReasonCode::QUOTA_EXCEEDED);
                }
                Delivered::Dropped
            }
        }
    }

    pub(crate) fn has_room_for(&self, delivery: &Delivery, limits: &OutboxLimits) -> bool {
        self.lock().outbox.has_room_for(delivery, limits)
    }

    /// The next packet for the connection `link`; `None` also once it was replaced.
    pub(crate) fn next_packet(
        self: &Arc<Self>,
        keeper: &Keeper<I>,
        link: &Arc<Link>,
        now: Instant,
    ) -> Option<PublishPacket> {
        let mut state = self.lock();
        if !state.is_current(link) {
            return None;
        }
        let packet = state.outbox.next(now);
        if state.outbox.has_settled() {
            keeper.mark(self, &mut state);
        }
        packet
    }

    /// The client of connection `link` acknowledged a message.
    pub(crate) fn acknowledge(
        self: &Arc<Self>,
        keeper: &Keeper<I>,
        link: &Arc<Link>,
        packet_id: PacketId,
    ) {
        let mut state = self.lock();
        if state.is_current(link) {
            state.outbox.acknowledge(packet_id);
            if state.outbox.has_settled() {
                keeper.mark(self, &mut state);
            }
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.lock().link.is_some()
    }

    /// Ends the connection, if there is one.
    pub(crate) fn cut(&self, reason: ReasonCode) {
        if let Some(link) = &self.lock().link {
            link.cut(reason);
        }
    }
}

/// All sessions by client id.
#[derive(Debug)]
pub(crate) struct Sessions<I> {
    by_client: Mutex<Registry<I>>,
}

/// The locked registry.
#[derive(Debug)]
pub(crate) struct Registry<I> {
    sessions: HashMap<ByteString, Arc<Session<I>>>,
    next_number: u64,
    budget: Arc<Budget>,
}

impl<I> Sessions<I> {
    /// No sessions; later ones hold at most `max_bytes` together while nobody is connected.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let budget = Arc::new(Budget::new(max_bytes));
        let registry = Registry { sessions: HashMap::new(), next_number: 1, budget };
        Self { by_client: Mutex::new(registry) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Registry<I>> {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, client_id: &str) -> Option<Arc<Session<I>>> {
        self.lock().sessions.get(client_id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session<I>>> {
        self.lock().sessions.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().sessions.len()
    }
}

impl<I> Registry<I> {
    pub(crate) fn get(&self, client_id: &str) -> Option<Arc<Session<I>>> {
        self.sessions.get(client_id).cloned()
    }

    /// Makes a new session for a connection. An older one of this client must have been removed.
    pub(crate) fn insert(
        &mut self,
        info: Arc<SessionInfo<I>>,
        link: Arc<Link>,
        expiry_s: u32,
        receive_maximum: NonZeroU16,
    ) -> Arc<Session<I>> {
        let mut outbox = Outbox::default();
        outbox.attach(receive_maximum);
        let client_id = info.client_id.clone();
        let state = State { info: Some(info), link: Some(link), outbox, ..State::new(expiry_s) };
        self.add(client_id, state)
    }

    /// Puts back a session that an earlier broker kept.
    pub(crate) fn insert_kept(
        &mut self,
        client_id: ByteString,
        expiry_s: u32,
        expires_at: Instant,
    ) -> Arc<Session<I>> {
        let expires_at = Some(expires_at);
        let kept = Some((expiry_s, expires_at));
        self.add(client_id, State { kept, expires_at, ..State::new(expiry_s) })
    }

    fn add(&mut self, client_id: ByteString, state: State<I>) -> Arc<Session<I>> {
        let number = self.next_number;
        self.next_number += 1;
        let state = Mutex::new(state);
        let budget = Arc::clone(&self.budget);
        let session = Arc::new(Session { number, client_id: client_id.clone(), budget, state });
        self.sessions.insert(client_id, Arc::clone(&session));
        session
    }

    /// Forgets `session`, if it is still the client's.
    pub(crate) fn remove(&mut self, session: &Arc<Session<I>>) {
        if self.sessions.get(&session.client_id).is_some_and(|known| Arc::ptr_eq(known, session)) {
            self.sessions.remove(&session.client_id);
        }
    }
}
