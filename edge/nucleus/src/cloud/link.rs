//! The device's MQTT connection to its cloud, and all that goes over it.
//!
//! Three tasks share the state: the *router* takes every message that arrives and never waits for
//! the connection, because the answers it waits for come through itself; the *worker* subscribes,
//! asks and repeats; the *sender* empties the spool of components' messages. All end when the last
//! [`CloudLink`] is dropped or stopped. Where one connection takes too few subscriptions, there are
//! [`connections`] beside it.

mod components;
mod connections;
mod reporting;
mod router;
mod worker;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use marram_model::jobs::{DEPLOYMENT_NAMESPACE, JobsApi, JobsTopic, Leg, NEXT};
use marram_model::shadow_topics::{ShadowTopic, ShadowVerb};
use marram_mqtt_client::{Backoff, Client, Options, Publish, PublishError, QoS, Version};
use marram_os::clock::SharedClock;
use marram_telemetry::Chain;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::jobs::JobsListener;
use super::requests::Requests;
use super::settings::{CloudSettings, MqttVersion, ReadIdentity};
use super::shadow::ShadowListener;
use super::spool::disk::{Disk, OpenedDisk};
use super::spool::{Limits, Spool};
use crate::deployment::Source;
use connections::Connections;
use worker::Work;

/// Events that wait for the nucleus.
const EVENTS: usize = 32;
/// Things the worker has still to begin; each kind is under way at most once.
const WORK: usize = 32;
/// Room for topic and properties beside the longest payload.
const PACKET_OVERHEAD: u32 = 16 * 1024;

/// What the cloud wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// A deployment is to be run. After a restart this may be one whose end the cloud has not
    /// heard of yet: compare it with the statuses that are still to be told.
    Offer {
        /// Who asks.
        source: Source,
        /// The deployment document as it came.
        document: String,
    },
    /// A deployment is withdrawn.
    Cancel {
        /// Its [`Source::key`].
        key: String,
    },
    /// The connection is there, new or again: the time to tell what could not be told.
    Connected,
}

/// The connection; clones share it.
#[derive(Debug, Clone)]
pub struct CloudLink {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

/// What a link works with beside its settings.
#[derive(Debug)]
pub struct LinkParts {
    /// The nucleus's version, which statuses carry.
    pub nucleus_version: String,
    /// Takes messages that components subscribed to.
    pub component_messages: mpsc::Sender<Publish>,
    /// Where components' messages wait, if the settings say so, and those that are given up stay.
    pub spool_folder: PathBuf,
    /// Tells how long messages have waited.
    pub clock: SharedClock,
}

/// What ends with the last [`CloudLink`]. The tasks hold what they share.
#[derive(Debug)]
struct Tasks(Vec<JoinHandle<()>>, Arc<Shared>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
        self.1.drop_connections();
    }
}

#[derive(Debug)]
struct Shared {
    client: Client,
    thing: String,
    nucleus_version: String,
    answer_deadline: Duration,
    requests: Requests,
    listeners: Mutex<Listeners>,
    events: mpsc::Sender<LinkEvent>,
    work: mpsc::Sender<Work>,
    connected: watch::Sender<bool>,
    /// Those beside `client`, and components' filters on all.
    connections: Mutex<Connections>,
    component_messages: mpsc::Sender<Publish>,
    /// Held while a filter is subscribed or unsubscribed, so that the cloud sees both in the order
    /// in which they were decided.
    changing_filters: tokio::sync::Mutex<()>,
    spool: Mutex<Spool>,
    spool_filled: Notify,
    /// `None` where messages wait in memory only.
    disk: Option<Disk>,
    /// Where messages that are given up are kept for people.
    parked_folder: PathBuf,
    clock: SharedClock,
    max_in_flight: usize,
}

#[derive(Debug, Default)]
struct Listeners {
    jobs: JobsListener,
    shadow: ShadowListener,
}

impl CloudLink {
    /// Starts to connect, and keeps at it for ever. Messages that components subscribed to go to
    /// `component_messages`; what the cloud wants of the nucleus comes out of the receiver.
    ///
    /// Take events out quickly, and never wait for [`Self::report`] between two of them: its
    /// answer comes behind them.
    pub fn start(
        settings: &CloudSettings,
        parts: LinkParts,
    ) -> Result<(Self, mpsc::Receiver<LinkEvent>), ReadIdentity> {
        let tls = Arc::new(settings.tls(settings.mqtt.alpn())?);
        Ok(Self::connect(settings, mqtt_options(settings, Some(tls)), parts))
    }

    fn connect(
        settings: &CloudSettings,
        options: Options,
        parts: LinkParts,
    ) -> (Self, mpsc::Receiver<LinkEvent>) {
        let mqtt = &settings.mqtt;
        let connections = Connections::new(options.clone(), mqtt.max_subscriptions);
        let (client, mqtt_events) = Client::start(options);
        let (events, events_out) = mpsc::channel(EVENTS);
        let (work, work_out) = mpsc::channel(WORK);
        let limits = Limits {
            max_bytes: mqtt.spool.max_bytes,
            keep_qos0_offline: mqtt.spool.keep_qos0_offline,
            max_retries: mqtt.spool.max_retries,
        };
        let opened = mqtt.spool.is_on_disk.then(|| open_disk(&parts.spool_folder)).flatten();
        let (disk, kept, queue) = match opened {
            Some(OpenedDisk { disk, queue, kept }) => (Some(disk), kept, Some(queue)),
            None => (None, Vec::new(), None),
        };
        let shared = Arc::new(Shared {
            client,
            thing: settings.thing.clone(),
            nucleus_version: parts.nucleus_version,
            answer_deadline: mqtt.operation_timeout,
            requests: Requests::default(),
            listeners: Mutex::default(),
            events,
            work,
            connected: watch::Sender::new(false),
            connections: Mutex::new(connections),
            component_messages: parts.component_messages,
            changing_filters: tokio::sync::Mutex::default(),
            spool: Mutex::new(Spool::new(limits, kept)),
            spool_filled: Notify::new(),
            disk: disk.clone(),
            parked_folder: parts.spool_folder.join("parked"),
            clock: parts.clock,
            max_in_flight: usize::from(mqtt.max_in_flight),
        });
        let mut tasks = vec![
            tokio::spawn(router::run(Arc::clone(&shared), mqtt_events)),
            tokio::spawn(worker::run(Arc::clone(&shared), work_out)),
            tokio::spawn(components::send_spooled(Arc::clone(&shared))),
        ];
        if let Some((disk, queue)) = disk.zip(queue) {
            let (folder, spool) = (queue_folder(&parts.spool_folder), Arc::clone(&shared));
            let waiting = move || spool.spool().unsettled();
            tasks.push(tokio::spawn(disk.write(folder, queue, waiting)));
        }
        let tasks = Arc::new(Tasks(tasks, Arc::clone(&shared)));
        (Self { shared, _tasks: tasks }, events_out)
    }

    /// Whether the cloud can be reached now.
    pub fn is_connected(&self) -> bool {
        self.shared.client.is_connected()
    }

    /// Follows the connection.
    pub fn connection(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }

    /// Publishes a message of the nucleus, with QoS 1, and waits until the cloud has it.
    pub async fn publish(&self, topic: String, payload: Vec<u8>) -> Result<(), PublishError> {
        self.shared.publish(topic, payload).await
    }

    /// Ends the connection properly within `deadline`.
    pub async fn stop(&self, deadline: Duration) {
        self.shared.stop_connections(deadline).await;
    }
}

impl Shared {
    async fn publish(&self, topic: String, payload: Vec<u8>) -> Result<(), PublishError> {
        let message = Publish::new(topic, payload).with_qos(QoS::AtLeastOnce);
        self.client.publish(message).await.map(drop)
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jobs_topic(&self, api: JobsApi, leg: Leg) -> String {
        JobsTopic::namespaced(DEPLOYMENT_NAMESPACE, api).on(leg).to_topic(&self.thing)
    }

    fn shadow_topic(&self, verb: ShadowVerb) -> String {
        ShadowTopic::deployment(&self.thing, verb).to_topic()
    }

    /// What the nucleus itself listens to.
    fn own_filters(&self) -> [String; 6] {
        let describe = || JobsApi::Describe(NEXT.to_owned());
        [
            self.jobs_topic(JobsApi::Notify, Leg::Plain),
            self.jobs_topic(describe(), Leg::Accepted),
            self.jobs_topic(describe(), Leg::Rejected),
            self.shadow_topic(ShadowVerb::UpdateAccepted),
            self.shadow_topic(ShadowVerb::UpdateRejected),
            self.shadow_topic(ShadowVerb::GetAccepted),
        ]
    }
}

/// How the device's connection is made: with its thing name as client id.
pub fn mqtt_options(settings: &CloudSettings, tls: Option<Arc<rustls::ClientConfig>>) -> Options {
    let mqtt = &settings.mqtt;
    let max_payload = u32::try_from(mqtt.max_message_bytes).unwrap_or(u32::MAX);
    Options {
        version: match mqtt.version {
            MqttVersion::V5 => Version::V5,
            MqttVersion::V311 => Version::V311,
        },
        keep_alive: mqtt.keep_alive,
        ping_timeout: mqtt.ping_timeout,
        socket_timeout: mqtt.socket_timeout,
        session_expiry: mqtt.session_expiry,
        tls,
        operation_timeout: mqtt.operation_timeout,
        max_in_flight: NonZeroU16::new(mqtt.max_in_flight).unwrap_or(NonZeroU16::MIN),
        receive_maximum: NonZeroU16::new(mqtt.receive_maximum).unwrap_or(NonZeroU16::MIN),
        reconnect: Backoff { min: mqtt.reconnect.0, max: mqtt.reconnect.1 },
        max_packet_size: max_payload.saturating_add(PACKET_OVERHEAD),
        ..Options::new(mqtt.host.clone(), mqtt.port, settings.thing.clone())
    }
}

fn queue_folder(spool_folder: &Path) -> PathBuf {
    spool_folder.join("queue")
}

/// Without its folder the spool is in memory, as in Greengrass: a device that can talk is worth
/// more than one that cannot start.
fn open_disk(folder: &Path) -> Option<OpenedDisk> {
    match Disk::open(&queue_folder(folder)) {
        Ok(opened) => Some(opened),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "messages wait in memory, and not on the disk");
            None
        }
    }
}

#[cfg(test)]
mod tests;
