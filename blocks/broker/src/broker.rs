//! The broker: its shared state and what its owner can tell it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use marram_mqtt::session::outbox::Message;
use marram_mqtt::{Publish, ReasonCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::connection;
use crate::handler::{Disconnect, DisconnectReason, Handler, Peer, SessionInfo};
use crate::janitor::{self, Agenda};
use crate::keeper::{self, Keeper};
use crate::lobby::Lobby;
use crate::persistence::{Persistence, StoreFailure};
use crate::retained::Retained;
use crate::router::Router;
use crate::session::Sessions;
use crate::settings::Settings;

mod messages;
mod restoring;
mod sessions;

/// An MQTT broker. Clones share everything.
pub struct Broker<H: Handler> {
    inner: Arc<Inner<H>>,
}

impl<H: Handler> Clone for Broker<H> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<H: Handler> fmt::Debug for Broker<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

/// Counts since the broker's start, and of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Clients connected now.
    pub connections: usize,
    /// Connections that have not sent their CONNECT yet.
    pub connecting: usize,
    /// Such connections that were closed to make room for others.
    pub sent_away: u64,
    /// Sessions held now, connected or not.
    pub sessions: usize,
    /// Subscriptions held now.
    pub subscriptions: usize,
    /// Deliveries dropped for lack of room, or larger than their receiver takes.
    pub dropped: u64,
}

/// What all connections share.
pub(crate) struct Inner<H: Handler> {
    pub(crate) handler: Arc<H>,
    pub(crate) settings: Settings,
    pub(crate) lobby: Arc<Lobby>,
    sessions: Sessions<H::Identity>,
    router: Router<H::Identity>,
    retained: Retained,
    pub(crate) keeper: Arc<Keeper<H::Identity>>,
    agenda: Arc<Agenda<H::Identity>>,
    tasks: OnceLock<[AbortHandle; 2]>,
    connections: TaskTracker,
    closing: AtomicBool,
    next_connection: AtomicU64,
    dropped: AtomicU64,
}

impl<H: Handler> Drop for Inner<H> {
    fn drop(&mut self) {
        for task in self.tasks.get().into_iter().flatten() {
            task.abort();
        }
    }
}

/// The runtime's clock, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<H: Handler> Broker<H> {
    /// A broker without clients, whose sessions end with it. Must be called within a tokio
    /// runtime, which runs its tasks.
    pub fn new(handler: Arc<H>, settings: Settings) -> Self {
        Self::start(handler, settings, None)
    }

    /// A broker that goes on with the sessions and retained messages of `persistence`, and keeps
    /// its own there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(
        handler: Arc<H>,
        settings: Settings,
        persistence: Persistence,
    ) -> Result<Self, StoreFailure> {
        let kept = persistence.store.load().await?;
        let broker = Self::start(handler, settings, Some(persistence.clone()));
        broker.inner.restore(kept, &persistence);
        Ok(broker)
    }

    fn start(handler: Arc<H>, settings: Settings, persistence: Option<Persistence>) -> Self {
        let inner = Arc::new(Inner {
            handler,
            lobby: Lobby::new(settings.max_connecting),
            settings,
            sessions: Sessions::new(settings.max_held_bytes),
            router: Router::new(),
            retained: Retained::new(settings.max_retained, settings.max_retained_bytes),
            keeper: Arc::new(Keeper::new(persistence)),
            agenda: Arc::new(Agenda::new()),
            tasks: OnceLock::new(),
            connections: TaskTracker::new(),
            closing: AtomicBool::new(false),
            next_connection: AtomicU64::new(1),
            dropped: AtomicU64::new(0),
        });
        let weak = || Arc::downgrade(&inner);
        let janitor = tokio::spawn(janitor::run(Arc::clone(&inner.agenda), weak()));
        let keeper = tokio::spawn(keeper::run(Arc::clone(&inner.keeper), weak()));
        inner.tasks.get_or_init(|| [janitor.abort_handle(), keeper.abort_handle()]);
        Self { inner }
    }

    /// Speaks MQTT on `stream` until the connection ends.
    ///
    /// Dropping the future cuts the connection; its session is kept as if the network had failed.
    pub async fn serve<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _running = self.inner.connections.token();
        connection::serve(Arc::clone(&self.inner), stream, peer).await;
    }

    /// Sends a message of the service to all matching subscribers.
    pub fn publish(&self, publish: Publish) {
        self.inner.route(publish, None, None);
    }

    /// Answers a client: the message goes to its connection, subscribed or not, exactly once, and
    /// to the topic's other subscribers.
    ///
    /// AWS answers requests on reserved topics like this; nucleus-lite's fleet provisioning relies
    /// on it. Only [`Action::Receive`](crate::Action::Receive) is authorised.
    pub fn reply(&self, client_id: &str, publish: Publish) {
        self.inner.route(publish, None, Some(client_id));
    }

    /// Waits until all that was published so far is durable where it is to be: retained, or
    /// queued for a persistent session. It does not end while the store fails.
    pub async fn settled(&self) {
        self.inner.keeper.settled().await;
    }

    /// Cuts the connection of `client_id`, if it has one. Its session stays.
    pub fn disconnect(&self, client_id: &str, reason: DisconnectReason) {
        if let Some(session) = self.inner.sessions.get(client_id) {
            session.cut(reason.reason());
        }
    }

    /// Cuts all connections whose identity fulfils `predicate`, which must not call back into the
    /// broker.
    pub fn disconnect_if(
        &self,
        predicate: impl Fn(&H::Identity) -> bool,
        reason: DisconnectReason,
    ) {
        for session in self.inner.sessions.all() {
            let state = session.lock();
            if let Some(link) = &state.link
                && state.info.as_ref().is_some_and(|info| predicate(&info.identity))
            {
                link.cut(reason.reason());
            }
        }
    }

    /// Whether `client_id` has a connection.
    pub fn is_connected(&self, client_id: &str) -> bool {
        self.inner.sessions.get(client_id).is_some_and(|session| session.is_connected())
    }

    /// Counts of now and since the start.
    pub fn statistics(&self) -> Statistics {
        let sessions = self.inner.sessions.all();
        Statistics {
            connections: sessions.iter().filter(|session| session.is_connected()).count(),
            connecting: self.inner.lobby.len(),
            sent_away: self.inner.lobby.sent_away(),
            sessions: self.inner.sessions.len(),
            subscriptions: self.inner.router.len(),
            dropped: self.inner.dropped.load(Ordering::Relaxed),
        }
    }

    /// Refuses new clients, tells the connected ones that the server stops, and waits up to
    /// `deadline` until their connections are closed and their sessions kept.
    pub async fn shutdown(&self, deadline: Duration) {
        self.inner.closing.store(true, Ordering::SeqCst);
        for session in self.inner.sessions.all() {
            session.cut(ReasonCode::SERVER_SHUTTING_DOWN);
        }
        self.inner.connections.close();
        let end = tokio::time::Instant::now() + deadline;
        if timeout_at(end, self.inner.connections.wait()).await.is_err() {
            warn!(open = self.inner.connections.len(), "MQTT connections outlived the shutdown");
        }
        if timeout_at(end, self.inner.keeper.settled()).await.is_err() {
            warn!("not all that changed of MQTT sessions could be kept");
        }
    }
}

impl<H: Handler> Inner<H> {
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn retained(&self, topic: &str) -> Option<Arc<Message>> {
        self.retained.get(topic)
    }

    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self, info: &SessionInfo<H::Identity>, reason: Disconnect) {
        self.handler.disconnected(info, &reason);
    }
}
