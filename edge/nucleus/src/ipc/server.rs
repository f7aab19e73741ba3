//! What all connections share, and the task that accepts them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use marram_os::clock::SharedClock;
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::authorizer::Authorizer;
use super::cli::CliBackend;
use super::component_metrics::ComponentMetrics;
use super::component_updates::ComponentUpdates;
use super::iot_core::fan_out::FanOut;
use super::lifecycle::Pausing;
use super::providers::Operations;
use super::pubsub::PubSub;
use super::session;
use super::state::StateReports;
use super::validation::ConfigurationValidators;
use crate::config::ConfigStore;
use crate::supervisor::tokens::Tokens;

/// Connections at the same time; the socket is open to every user of the device.
const MAX_CONNECTIONS: usize = 1024;
/// Pause after a connection could not be accepted, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ConfigStore,
    pub(super) tokens: Tokens,
    pub(super) states: Arc<dyn StateReports>,
    pub(super) pausing: Arc<dyn Pausing>,
    pub(super) updates: ComponentUpdates,
    pub(super) validators: ConfigurationValidators,
    pub(super) clock: SharedClock,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) operations: Operations,
    pub(super) metrics: Arc<ComponentMetrics>,
    pub(super) cli: Option<Arc<CliBackend>>,
    pub(super) pubsub: PubSub,
    /// `None` on a device without a cloud.
    pub(super) fan_out: Option<Arc<FanOut>>,
    pub(super) dropped_events: Arc<AtomicU64>,
}

/// Serves connections until `stop`, and ends them then.
pub(super) async fn accept(
    listener: UnixListener,
    shared: Arc<Shared>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut sessions = JoinSet::new();
    let mut next_id = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            _ = &mut stop => break,
        };
        match accepted {
            Ok(_) if sessions.len() >= MAX_CONNECTIONS => {
                tracing::warn!(
                    limit = MAX_CONNECTIONS,
                    "too many IPC connections; one was refused"
                );
            }
            Ok((socket, _)) => {
                next_id += 1;
                sessions.spawn(session::serve(socket, shared.clone(), next_id));
            }
            Err(error) => {
                tracing::warn!(%error, "an IPC connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    sessions.shutdown().await;
}
