//! The device plane's parts, start and stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use marram_broker::{Broker, Persistence, Settings, StoreFailure};
use marram_fleet::Fleet;
use marram_os::clock::SharedClock;
use marram_registry::Registry;
use marram_store::Store;
use marram_tls::{ClientAuth, ConfigureServer, Identity};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::alpn::{self, Protocol};
use crate::broker_sink::DeviceTopics;
use crate::device::DeviceHandler;
use crate::https::DeviceHttp;
use crate::kept::KeptInStore;
use crate::listener::{Listener, Served};
use crate::presence::{self, Presence};
use crate::revocation;
use crate::websocket::WebSockets;

/// What the device plane is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Knows devices and their policies.
    pub registry: Registry,
    /// Answers devices.
    pub fleet: Fleet,
    /// Key and certificate that the ports show.
    pub identity: Identity,
    /// Keeps sessions and retained messages.
    pub store: Store,
    /// The time in what is kept.
    pub clock: SharedClock,
}

/// The bound ports.
#[derive(Debug)]
pub struct Listeners {
    /// For MQTT; HTTP where ALPN says so.
    pub mqtt: TcpListener,
    /// For HTTP; MQTT where ALPN says so.
    pub https: TcpListener,
}

/// Why the device plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartGateway {
    /// The key and certificate cannot be used.
    #[error("cannot set up TLS for devices")]
    Tls(#[from] ConfigureServer),
    /// The kept sessions cannot be read.
    #[error("cannot read the MQTT sessions in the store")]
    Sessions(#[source] StoreFailure),
    /// A listener has no address.
    #[error("cannot serve a device port")]
    Listen(#[from] io::Error),
}

/// The running device plane. Dropping it closes everything at once.
#[derive(Debug)]
pub struct Gateway {
    broker: Broker<DeviceHandler>,
    topics: DeviceTopics,
    mqtt: Listener,
    https: Listener,
    fleet: Fleet,
    tasks: [JoinHandle<()>; 2],
}

impl Gateway {
    /// Serves devices on both ports, and becomes the way of the fleet's messages.
    ///
    /// # Errors
    /// TLS cannot be set up, the kept sessions cannot be read, or a listener has no address.
    pub async fn start(parts: Parts, listeners: Listeners) -> Result<Self, StartGateway> {
        let Parts { registry, fleet, identity, store, clock } = parts;
        let tls = marram_tls::server_config(&identity, ClientAuth::AnyCertificate, alpn::OFFERED)?;
        let connected_late = Arc::new(Notify::new());
        let wall_clock = clock.clone();
        let (presence, events) = Presence::new(clock.clone());
        let late = Arc::clone(&connected_late);
        let handler = DeviceHandler::new(registry.clone(), fleet.clone(), late, presence);
        let kept = KeptInStore { store: store.clone(), clock: clock.clone() };
        let persistence = Persistence { store: Arc::new(kept), clock: clock.clone() };
        let broker = Broker::open(Arc::new(handler), Settings::default(), persistence)
            .await
            .map_err(StartGateway::Sessions)?;
        let topics = DeviceTopics::new(broker.clone(), store, clock);
        fleet.set_sink(Some(Arc::new(topics.clone())));
        let changes = registry.changes();
        let cutting = revocation::cut_revoked(broker.clone(), changes, connected_late);
        let tasks =
            [tokio::spawn(cutting), tokio::spawn(presence::publish(broker.clone(), events))];
        let websockets = Arc::new(WebSockets::new(broker.clone(), registry.clone(), wall_clock));
        let served = |protocol| Served {
            websockets: Arc::clone(&websockets),
            broker: broker.clone(),
            http: Arc::new(DeviceHttp::new(registry.clone(), fleet.clone(), topics.clone())),
            tls: TlsAcceptor::from(Arc::clone(&tls)),
            protocol,
        };
        let mqtt = Listener::start(listeners.mqtt, served(Protocol::Mqtt))?;
        let https = Listener::start(listeners.https, served(Protocol::Http))?;
        Ok(Self { mqtt, https, fleet, tasks, broker, topics })
    }

    /// Where MQTT is served.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.mqtt.address
    }

    /// Where device HTTPS is served.
    pub fn https_address(&self) -> SocketAddr {
        self.https.address
    }

    /// The topics that devices subscribe to.
    pub fn topics(&self) -> DeviceTopics {
        self.topics.clone()
    }

    /// Tells devices that the server stops, and closes everything within `deadline`.
    pub async fn stop(mut self, deadline: Duration) {
        self.mqtt.begin_stop();
        self.https.begin_stop();
        tokio::join!(
            self.broker.shutdown(deadline),
            self.mqtt.finish_stop(deadline),
            self.https.finish_stop(deadline),
        );
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The sink holds the broker, and that the fleet: nothing of the three would ever go.
        self.fleet.set_sink(None);
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests;
