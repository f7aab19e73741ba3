//! The IPC server: what components on this device may ask of the nucleus.
//!
//! The wire and its rules are `marram-ipc`, pure; this is its shell. Each connection is one task
//! (`session`), known by its token as one component. Messages between components pass through
//! `pubsub`, messages to and from the cloud through [`iot_core`]; both end in the bounded `outbox`
//! of the receiving connection, so that no client that stops reading can hold up another.
//!
//! Access is decided by the token and the component's `accessControl` alone (`authorizer`); the
//! socket itself is open to every user (ipc 1).

mod authorizer;
pub mod cli;
mod component_metrics;
pub mod component_updates;
mod configuration;
mod consultation;
pub mod iot_core;
pub mod lifecycle;
mod outbox;
pub mod providers;
mod pubsub;
mod server;
mod session;
mod socket;
pub mod state;
mod token;
pub mod validation;

#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use marram_os::clock::SharedClock;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::ConfigStore;
use crate::supervisor::tokens::Tokens;
use authorizer::Authorizer;
use cli::CliBackend;
use component_metrics::ComponentMetrics;
use component_updates::ComponentUpdates;
use iot_core::IotLink;
use iot_core::fan_out::FanOut;
use lifecycle::Pausing;
use providers::Operations;
use pubsub::PubSub;
use server::Shared;
use state::StateReports;
use validation::ConfigurationValidators;

/// What the server needs of the nucleus.
#[derive(Debug)]
pub struct IpcSettings {
    /// Where to listen, at most 107 bytes.
    pub socket_path: PathBuf,
    /// Components' configuration, with their `accessControl`.
    pub config: ConfigStore,
    /// Who components are.
    pub tokens: Tokens,
    /// Takes what components say of their state.
    pub states: Arc<dyn StateReports>,
    /// Pauses and resumes components.
    pub pausing: Arc<dyn Pausing>,
    /// Components that want to be asked before an update.
    pub updates: ComponentUpdates,
    /// Components that want to check their configuration.
    pub validators: ConfigurationValidators,
    /// The connection to the cloud; `None` on a device that is configured to run offline.
    pub iot_core: Option<IotLink>,
    /// What people do on the device; `None` where there is nobody, and then these operations are
    /// not supported.
    pub cli: Option<CliBackend>,
    /// What components inside the nucleus answer.
    pub operations: Operations,
    /// Where what components measure is kept.
    pub telemetry: PathBuf,
    /// Dates configuration that components write.
    pub clock: SharedClock,
}

/// A running server. Dropping it ends the server as well, but leaves the socket's file.
#[derive(Debug)]
pub struct IpcServer {
    socket_path: PathBuf,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
    /// Aborted when dropped.
    background: JoinSet<()>,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartIpc {
    /// The path does not fit in a socket address.
    #[error("the IPC socket path {} is longer than {limit} bytes; set `system.ipcSocketPath` to a \
             shorter one", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Most bytes of a socket's path.
        limit: usize,
    },
    /// Another server answers there.
    #[error("another nucleus is running: it answers on {}; stop it or use another root", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is in the way of the IPC socket and no socket; move it away", path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The folder could not be made.
    #[error("cannot make the folder of the IPC socket {}; check who owns it", path.display())]
    Folder {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The socket of an earlier server could not be removed.
    #[error("cannot remove the IPC socket {} of an earlier run; remove it by hand", path.display())]
    Stale {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The socket could not be made.
    #[error("cannot listen on the IPC socket {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The socket could not be opened to all users.
    #[error("cannot set the permissions of the IPC socket {}", path.display())]
    Permissions {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl IpcServer {
    /// Starts to serve; clients can connect when this returns. Must be called in a tokio runtime.
    pub fn start(settings: IpcSettings) -> Result<Self, StartIpc> {
        let listener = socket::listen(&settings.socket_path)?;
        let mut background = JoinSet::new();
        let fan_out = settings.iot_core.map(|link| {
            let fan_out = FanOut::new(link.iot_core);
            let router = fan_out.clone();
            background.spawn(async move { router.run(link.messages).await });
            fan_out
        });
        let shared = Arc::new(Shared {
            authorizer: Arc::new(Authorizer::new(settings.config.clone())),
            operations: settings.operations,
            metrics: Arc::new(ComponentMetrics::new(settings.telemetry, settings.clock.clone())),
            config: settings.config,
            tokens: settings.tokens,
            states: settings.states,
            pausing: settings.pausing,
            updates: settings.updates,
            validators: settings.validators,
            clock: settings.clock,
            cli: settings.cli.map(Arc::new),
            pubsub: PubSub::default(),
            fan_out,
            dropped_events: Arc::new(AtomicU64::new(0)),
        });
        let follower = shared.clone();
        background.spawn(async move { follower.authorizer.follow_changes().await });
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(server::accept(listener, shared.clone(), stopped));
        tracing::info!(path = %settings.socket_path.display(), "the IPC server accepts connections");
        Ok(Self { socket_path: settings.socket_path, shared, stop, accepting, background })
    }

    /// Where the server listens.
    pub fn socket_path(&self) -> &Path {
        &self.socket_path
    }

    /// Events that slow subscribers have missed since the start.
    pub fn dropped_events(&self) -> u64 {
        self.shared.dropped_events.load(Ordering::Relaxed)
    }

    /// Ends all connections and removes the socket.
    pub async fn stop(mut self) {
        // Fails only if the task is gone, and then so are its connections.
        let _ = self.stop.send(());
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the IPC server had failed");
        }
        self.background.shutdown().await;
        if let Some(fan_out) = &self.shared.fan_out {
            fan_out.stop();
        }
        if let Err(error) = socket::remove(&self.socket_path) {
            let path = self.socket_path.display();
            tracing::warn!(%path, %error, "the IPC socket could not be removed");
        }
    }
}
