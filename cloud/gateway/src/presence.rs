//! Who comes and goes, told to whoever subscribes to it: `$aws/events/presence/…`.
//!
//! AWS IoT calls them lifecycle events. A connection's two events have the same session identifier
//! and version number, and a later connection of the client has a higher number, also after a
//! restart. As with AWS, clients whose id holds `+` or `#` have none: it would be no topic.

use marram_broker::{Broker, Disconnect, Handler, Publish, QoS, ReasonCode, SessionInfo};
use marram_os::clock::SharedClock;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::device::Caller;

/// Events that wait to be published; beyond that they are lost, as AWS says that they may be.
const WAITING: usize = 10_000;

/// Makes the events.
#[derive(Debug)]
pub(crate) struct Presence {
    clock: SharedClock,
    /// Makes connections' numbers unique over restarts.
    began_at_ms: u64,
    session_seed: u64,
    events: mpsc::Sender<Publish>,
}

impl Presence {
    /// The maker of events, and where they come out.
    pub(crate) fn new(clock: SharedClock) -> (Self, mpsc::Receiver<Publish>) {
        let (events, published) = mpsc::channel(WAITING);
        let began_at_ms = u64::try_from(clock.now_ms()).unwrap_or(0);
        let session_seed = Uuid::new_v4().as_u64_pair().0;
        (Self { clock, began_at_ms, session_seed, events }, published)
    }

    pub(crate) fn connected(&self, session: &SessionInfo<Caller>) {
        let event = json!({ "ipAddress": session.peer.address.ip().to_string() });
        self.tell("connected", session, event);
    }

    pub(crate) fn disconnected(&self, session: &SessionInfo<Caller>, reason: &Disconnect) {
        let event = json!({
            "clientInitiatedDisconnect": *reason == Disconnect::ByClient,
            "disconnectReason": reason_name(reason),
        });
        self.tell("disconnected", session, event);
    }

    fn tell(&self, kind: &str, session: &SessionInfo<Caller>, mut event: Value) {
        let client_id: &str = &session.client_id;
        if client_id.contains(['+', '#']) {
            return;
        }
        let number = session.connection;
        event["clientId"] = client_id.into();
        event["timestamp"] = self.clock.now_ms().into();
        event["eventType"] = kind.into();
        event["sessionIdentifier"] =
            Uuid::from_u64_pair(self.session_seed, number).to_string().into();
        event["principalIdentifier"] = session.identity.principal().into();
        event["versionNumber"] = self.began_at_ms.saturating_add(number).into();
        let topic = format!("$aws/events/presence/{kind}/{client_id}");
        let publish = Publish::new(topic, event.to_string()).with_qos(QoS::AtLeastOnce);
        if self.events.try_send(publish).is_err() {
            tracing::warn!(client_id, kind, "a presence event was lost");
        }
    }
}

/// Publishes events until there are no more.
pub(crate) async fn publish<H: Handler>(broker: Broker<H>, mut events: mpsc::Receiver<Publish>) {
    while let Some(event) = events.recv().await {
        broker.publish(event);
    }
}

/// The reasons that AWS IoT documents for lifecycle events, and has in the model of `iot` as
/// `DisconnectReasonValue`.
pub(crate) fn reason_name(reason: &Disconnect) -> &'static str {
    match *reason {
        Disconnect::ByClient => "CLIENT_INITIATED_DISCONNECT",
        Disconnect::ConnectionLost => "CONNECTION_LOST",
        Disconnect::ByBroker(ReasonCode::KEEP_ALIVE_TIMEOUT) => "MQTT_KEEP_ALIVE_TIMEOUT",
        Disconnect::ByBroker(ReasonCode::SESSION_TAKEN_OVER) => "DUPLICATE_CLIENTID",
        Disconnect::ByBroker(ReasonCode::NOT_AUTHORIZED) => "FORBIDDEN_ACCESS",
        Disconnect::ByBroker(ReasonCode::QUOTA_EXCEEDED) => "THROTTLED",
        Disconnect::ByBroker(
            ReasonCode::SERVER_SHUTTING_DOWN | ReasonCode::ADMINISTRATIVE_ACTION,
        ) => "SERVER_INITIATED_DISCONNECT",
        Disconnect::ByBroker(_) => "CLIENT_ERROR",
    }
}
