//! The fleet's parts, and its start.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use marram_aws::ApiError;
use marram_blobs::Blobs;
use marram_model::arn::Account;
use marram_os::clock::SharedClock;
use marram_store::Store;
use tokio::sync::Mutex;

use crate::components::ArtifactUrls;
use crate::presence::Presence;
use crate::unit::{MessageSink, Unit};

/// How long a change waits for the changes before it.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// What a fleet is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// Where artifacts are read from and kept.
    pub blobs: Blobs,
    /// Whose fleet it is.
    pub account: Account,
    /// The time.
    pub clock: SharedClock,
}

/// The fleet; clones share it.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) account: Account,
    pub(crate) clock: SharedClock,
    pub(crate) urls: OnceLock<ArtifactUrls>,
    pub(crate) presence: Presence,
    sink: RwLock<Option<Arc<dyn MessageSink>>>,
    /// Held from the beginning of a change until its messages are out: messages keep the order of
    /// the commits.
    turn: Arc<Mutex<()>>,
}

/// Why a fleet could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenFleet {
    /// The stored state could not be read, or the built-in components not be written.
    #[error("cannot bring the fleet's stored state up to date")]
    Prepare(#[source] ApiError),
}

impl Fleet {
    /// A fleet over what is stored: built-in components are put in place, the queues of group
    /// members made right, and nobody is connected yet.
    ///
    /// # Errors
    /// The store refused.
    pub async fn open(parts: Parts) -> Result<Self, OpenFleet> {
        let inner = Inner {
            store: parts.store,
            blobs: parts.blobs,
            account: parts.account,
            clock: parts.clock,
            urls: OnceLock::new(),
            presence: Presence::default(),
            sink: RwLock::new(None),
            turn: Arc::default(),
        };
        let fleet = Self { inner: Arc::new(inner) };
        fleet.prepare().await.map_err(OpenFleet::Prepare)?;
        Ok(fleet)
    }

    async fn prepare(&self) -> Result<(), ApiError> {
        self.put_builtin_components().await?;
        self.forget_connections().await?;
        self.reconcile_all().await
    }

    /// Sets where messages to devices go. Without a sink they are dropped: devices ask for their
    /// state whenever they connect.
    pub fn set_sink(&self, sink: Option<Arc<dyn MessageSink>>) {
        *self.inner.sink.write().unwrap_or_else(PoisonError::into_inner) = sink;
    }

    /// Sets how URLs of artifacts are made; the first one stays.
    pub fn set_artifact_urls(&self, urls: ArtifactUrls) {
        if self.inner.urls.set(urls).is_err() {
            tracing::warn!("the fleet makes artifact URLs already; the new way is not used");
        }
    }

    /// Whose fleet it is.
    pub fn account(&self) -> &Account {
        &self.inner.account
    }

    /// Starts a change; the only way to write.
    pub(crate) async fn unit(&self) -> Result<Unit, ApiError> {
        let turn = tokio::time::timeout(TURN_WAIT, Arc::clone(&self.inner.turn).lock_owned())
            .await
            .map_err(|_| ApiError::internal("the fleet was busy for longer than 5 s: try again"))?;
        let tx = self.inner.store.begin().await?;
        Ok(Unit::new(Arc::clone(&self.inner), turn, tx))
    }
}

impl Inner {
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn sink(&self) -> Option<Arc<dyn MessageSink>> {
        self.sink.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
