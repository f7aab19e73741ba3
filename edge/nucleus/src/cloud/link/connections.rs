//! Components' subscriptions over as many connections as they need.
//!
//! AWS IoT Core takes 50 subscriptions of one connection. What does not fit on the device's own
//! connection goes to further ones with the client ids `THING#2`, `THING#3` and so on, as in the
//! Java nucleus (device-cloud protocol 2); each is there for as long as it has subscriptions.
//! Messages are published on the first one only, which keeps their order.

mod places;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use marram_mqtt_client::{Client, Event, Options, Publish, QoS, ReasonCode, SubscribeError};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::Shared;
use crate::ipc::iot_core::SubscribeFailed;
use places::Places;

/// Subscriptions of the nucleus itself: its filters, and both answers to a job's update.
const OWN_SUBSCRIPTIONS: usize = 8;
/// How long a connection that has become superfluous may take to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a component's message may wait for the IPC server before it is given up: behind it
/// waits everything else that the cloud says.
const COMPONENT_PATIENCE: Duration = Duration::from_secs(1);

/// The connections beside the first, and what components subscribed to on which of all.
#[derive(Debug)]
pub(super) struct Connections {
    /// How each connects, but for the client id.
    options: Options,
    places: Places,
    /// By number, from 1 on.
    further: BTreeMap<usize, Further>,
}

#[derive(Debug)]
struct Further {
    client: Client,
    reader: AbortHandle,
}

impl Drop for Further {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Connections {
    /// With at most `limit` subscriptions of one connection.
    pub(super) fn new(options: Options, limit: usize) -> Self {
        let of_first = limit.saturating_sub(OWN_SUBSCRIPTIONS);
        Self { options, places: Places::new(of_first, limit), further: BTreeMap::new() }
    }
}

impl Shared {
    pub(super) async fn subscribe_for_component(
        self: &Arc<Self>,
        filter: String,
        qos: QoS,
    ) -> Result<(), SubscribeFailed> {
        loop {
            // Before the cloud answers: a retained message may come first.
            let (connection, client) = self.place(&filter);
            let Err(error) = self.subscribe_on(connection, &client, &filter, qos).await else {
                self.connections().places.establish(&filter, true);
                return Ok(());
            };
            let is_full = error.reason_code == Some(ReasonCode::QUOTA_EXCEEDED.0);
            // One that takes no subscription at all is no reason to open another.
            let may_move = is_full && self.connections().places.note_full(connection, &filter);
            self.leave(&filter);
            if !may_move {
                return Err(error);
            }
            info!(filter, connection, "the connection takes no more subscriptions");
        }
    }

    pub(super) async fn unsubscribe_for_component(self: &Arc<Self>, filter: String) {
        let changing = self.changing_filters.lock().await;
        let Some((connection, client)) = self.placed(&filter) else { return };
        if self.is_to_be_forgotten(connection, &client, &filter)
            && let Err(error) = client.unsubscribe(filter.as_str()).await
        {
            debug!(%error, "a component's subscription stays in the cloud");
        }
        self.leave(&filter);
        drop(changing);
    }

    /// Whether the server is to forget a filter of which one use ends.
    fn is_to_be_forgotten(&self, connection: usize, client: &Client, filter: &str) -> bool {
        let mut connections = self.connections();
        let is_own = || connection == 0 && self.own_filters().iter().any(|own| own == filter);
        if connections.places.uses(filter) > 1 || is_own() {
            return false;
        }
        let is_known = connections.places.is_established(filter) || client.is_connected();
        // From now on its copy of a message may be missing.
        connections.places.establish(filter, false);
        is_known
    }

    /// Hands on what arrived on a connection, if no other one does.
    pub(super) async fn hand_to_components(&self, connection: usize, message: Publish) {
        let is_for_them = {
            let connections = self.connections();
            let is_up = |other: usize| match other {
                0 => self.client.is_connected(),
                _ => connections.further.get(&other).is_some_and(|f| f.client.is_connected()),
            };
            connections.places.delivers(connection, &message.topic, message.retain, is_up)
        };
        if !is_for_them {
            return;
        }
        let topic = message.topic.clone();
        let handed = self.component_messages.send_timeout(message, COMPONENT_PATIENCE);
        if handed.await.is_err() {
            warn!(%topic, "components take their messages too slowly: one is lost");
        }
    }

    /// Ends all connections properly within `deadline`.
    pub(super) async fn stop_connections(&self, deadline: Duration) {
        let mut stopping = JoinSet::new();
        let further = std::mem::take(&mut self.connections().further);
        for further in further.into_values() {
            stopping.spawn(async move { further.client.stop(deadline).await });
        }
        self.client.stop(deadline).await;
        stopping.join_all().await;
    }

    /// Without a word, as when the nucleus is dropped.
    pub(super) fn drop_connections(&self) {
        self.connections().further.clear();
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one use of the filter more; on which connection it is, which may begin with it.
    fn place(self: &Arc<Self>, filter: &str) -> (usize, Client) {
        let mut connections = self.connections();
        let connection = connections.places.place(filter);
        if connection == 0 {
            return (0, self.client.clone());
        }
        let client_id = format!("{}#{}", self.thing, connection + 1);
        let options = Options { client_id, ..connections.options.clone() };
        let further = connections.further.entry(connection).or_insert_with(|| {
            info!(client_id = options.client_id, "another connection for components");
            let (client, events) = Client::start(options);
            let reader = tokio::spawn(read(Arc::clone(self), connection, events)).abort_handle();
            Further { client, reader }
        });
        (connection, further.client.clone())
    }

    fn placed(&self, filter: &str) -> Option<(usize, Client)> {
        let connections = self.connections();
        let connection = connections.places.of(filter)?;
        let client = match connection {
            0 => self.client.clone(),
            _ => connections.further.get(&connection)?.client.clone(),
        };
        Some((connection, client))
    }

    /// Counts one use of the filter less, and ends a connection that has none any more.
    fn leave(&self, filter: &str) {
        let mut connections = self.connections();
        let Some(empty) = connections.places.leave(filter) else { return };
        if let Some(further) = connections.further.remove(&empty) {
            // Ends by itself soon after its deadline.
            drop(tokio::spawn(async move { further.client.stop(FAREWELL).await }));
        }
    }

    /// Waits for the connection, however long the device is offline, and again when it breaks
    /// before the cloud has answered.
    async fn subscribe_on(
        &self,
        connection: usize,
        client: &Client,
        filter: &str,
        qos: QoS,
    ) -> Result<(), SubscribeFailed> {
        loop {
            self.until_connected(connection, client).await?;
            let connected = client.connection();
            let changing = self.changing_filters.lock().await;
            let done = client.subscribe(filter, qos).await;
            drop(changing);
            let broke = connected.has_changed().unwrap_or(false);
            match done {
                Ok(_) => return Ok(()),
                Err(SubscribeError::TimedOut { .. }) if broke => {}
                Err(error) => return Err(failed(&error)),
            }
        }
    }

    /// A further connection that does not come while the first one is there, however long the
    /// pause between two attempts is, will not come.
    async fn until_connected(
        &self,
        connection: usize,
        client: &Client,
    ) -> Result<(), SubscribeFailed> {
        let limit = self.answer_deadline + self.connections().options.reconnect.max;
        let mut first = self.client.connection();
        let mut own = client.connection();
        loop {
            // Ends with an error only when the client is stopped, which the next step tells.
            let _ = first.wait_for(|connected| *connected).await;
            let coming = own.wait_for(|connected| *connected);
            if connection == 0 || timeout(limit, coming).await.is_ok() {
                return Ok(());
            }
            if self.client.is_connected() && !first.has_changed().unwrap_or(false) {
                return Err(unreachable(&self.thing, connection));
            }
        }
    }
}

/// Takes what arrives on a further connection.
async fn read(shared: Arc<Shared>, connection: usize, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        if let Event::Message(message) = event {
            shared.hand_to_components(connection, message).await;
        }
    }
}

fn failed(error: &SubscribeError) -> SubscribeFailed {
    let reason_code = match error {
        SubscribeError::Refused { reason, .. } => Some(reason.0),
        _ => None,
    };
    SubscribeFailed { reason: error.to_string(), reason_code }
}

fn unreachable(thing: &str, connection: usize) -> SubscribeFailed {
    let number = connection + 1;
    let reason = format!(
        "the device's connections are full and another one, with the client id {thing}#{number}, \
         is not accepted: does the policy of its certificate allow iot:Connect for \
         client/{thing}*?"
    );
    SubscribeFailed { reason, reason_code: None }
}
