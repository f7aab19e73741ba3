//! What outlives the broker: persistent sessions and retained messages, as their keeper sees them.
//!
//! The broker works on its memory and tells the store what changed, in batches; a client's
//! publication, subscription or unsubscription is acknowledged when what it changed is kept. What
//! a client takes before its batch is written is never written.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

use marram_mqtt::packet::SubscribeOptions;
use marram_mqtt::{ByteString, Publish};
use marram_os::clock::SharedClock;

/// Why a store failed; only people read it.
pub type StoreFailure = Box<dyn Error + Send + Sync>;

/// What a store does, under way.
pub type Storing<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreFailure>> + Send + 's>>;

/// Keeps sessions and retained messages for the next broker.
pub trait SessionStore: Send + Sync + 'static {
    /// All that is kept. Asked once, before the broker serves anybody.
    fn load(&self) -> Storing<'_, Kept>;

    /// Makes `changes` durable, in their order, all or none. Failures are tried again: changes
    /// that were made already must be no failure.
    fn save<'s>(&'s self, changes: &'s [Change]) -> Storing<'s, ()>;
}

/// A store, and the clock of the times in it.
#[derive(Clone)]
pub struct Persistence {
    /// Where everything goes.
    pub store: Arc<dyn SessionStore>,
    /// Wall-clock time: expiries must survive a restart.
    pub clock: SharedClock,
}

impl fmt::Debug for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persistence").finish_non_exhaustive()
    }
}

/// A message with its end of life in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMessage {
    /// What was published.
    pub publish: Publish,
    /// When it expires, if ever.
    pub expires_at_ms: Option<i64>,
}

/// A QoS 1 message that a session waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDelivery {
    /// Its place in the session's order.
    pub position: u64,
    /// The message.
    pub message: KeptMessage,
    /// Retain flag to send.
    pub retain: bool,
    /// Identifiers of the subscriptions that matched.
    pub subscription_ids: Vec<NonZeroU32>,
}

/// One subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSubscription {
    /// As asked for.
    pub options: SubscribeOptions,
    /// Identifier to send with each matching message.
    pub subscription_id: Option<NonZeroU32>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// Whose it is.
    pub client_id: ByteString,
    /// Seconds it outlives its connection.
    pub expiry_s: u32,
    /// When it ends, in milliseconds since 1970; `None` if its client was connected.
    pub expires_at_ms: Option<i64>,
    /// By filter, `$share/…` included.
    pub subscriptions: Vec<(ByteString, KeptSubscription)>,
    /// By position.
    pub queue: Vec<KeptDelivery>,
}

/// All that a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// All sessions.
    pub sessions: Vec<KeptSession>,
    /// All retained messages.
    pub retained: Vec<KeptMessage>,
}

/// One thing that is different from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The client has no session: its subscriptions and its queue go too.
    Ended {
        /// Whose session it was.
        client_id: ByteString,
    },
    /// The client has a session, new or with other times.
    Session {
        /// Whose it is.
        client_id: ByteString,
        /// Seconds it outlives its connection.
        expiry_s: u32,
        /// When it ends, in milliseconds since 1970; `None` while its client is connected.
        expires_at_ms: Option<i64>,
    },
    /// A subscription, new or with other options.
    Subscribed {
        /// Whose it is.
        client_id: ByteString,
        /// As the client wrote it.
        filter: ByteString,
        /// What was asked for.
        subscription: KeptSubscription,
    },
    /// A subscription is gone.
    Unsubscribed {
        /// Whose it was.
        client_id: ByteString,
        /// As the client wrote it.
        filter: ByteString,
    },
    /// A message waits for the client.
    Queued {
        /// For whom.
        client_id: ByteString,
        /// What.
        delivery: KeptDelivery,
    },
    /// A message waits no more.
    Settled {
        /// For whom it was.
        client_id: ByteString,
        /// Its place in the session's order.
        position: u64,
    },
    /// The topic's retained message.
    Retained(KeptMessage),
    /// The topic has no retained message.
    Cleared {
        /// Which topic.
        topic: ByteString,
    },
}
