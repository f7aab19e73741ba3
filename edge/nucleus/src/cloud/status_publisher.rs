//! Publishes the fleet status: the shell around [`StatusMachine`].

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use marram_model::fleet_status::{self, ComponentReport, FleetStatus};
use marram_os::clock::SharedClock;
use marram_telemetry::Chain;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::fleet_status::{DeploymentEnd, DeviceDescription, StatusMachine, payloads};
use super::link::CloudLink;
use crate::config::ConfigStore;

/// Where the number of the next message is kept.
const SEQUENCE: [&str; 4] = ["services", "FleetStatusService", "runtime", "sequenceNumber"];
/// Notices that wait; each is taken at once unless a message is being published.
const NOTICES: usize = 64;

/// Tells which components there are.
pub trait Inventory: Send + Sync + Debug + 'static {
    /// All components of the device in their present states.
    fn components(&self) -> Vec<ComponentReport>;
}

/// The fleet status of the device. Dropping it ends the publishing.
#[derive(Debug)]
pub struct StatusPublisher {
    notices: mpsc::Sender<Notice>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Notice {
    Changed,
    DeploymentBegan,
    DeploymentEnded(Box<DeploymentEnd>),
}

/// What the publisher works with.
#[derive(Debug)]
pub struct StatusPublisherSettings {
    /// The connection.
    pub link: CloudLink,
    /// The core device.
    pub thing: String,
    /// Who is speaking.
    pub device: DeviceDescription,
    /// The time between two regular messages.
    pub period: Duration,
    /// Keeps the sequence number.
    pub config: ConfigStore,
    /// Tells which components there are.
    pub inventory: Arc<dyn Inventory>,
    /// Stamps the messages.
    pub clock: SharedClock,
}

impl StatusPublisher {
    /// Starts to publish, with the first message at the first connection.
    pub fn start(settings: StatusPublisherSettings) -> Self {
        let (notices, notices_out) = mpsc::channel(NOTICES);
        Self { notices, task: tokio::spawn(run(settings, notices_out)) }
    }

    /// Some component changed its state, came or went.
    pub fn components_changed(&self) {
        // A full queue holds a notice already that makes the publisher look at everything.
        let _ = self.notices.try_send(Notice::Changed);
    }

    /// A deployment begins.
    pub async fn deployment_began(&self) {
        // A closed queue means that the nucleus is stopping.
        let _ = self.notices.send(Notice::DeploymentBegan).await;
    }

    /// A deployment ended and its components have their states.
    pub async fn deployment_ended(&self, end: DeploymentEnd) {
        let _ = self.notices.send(Notice::DeploymentEnded(Box::new(end))).await;
    }
}

impl Drop for StatusPublisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(settings: StatusPublisherSettings, mut notices: mpsc::Receiver<Notice>) {
    let mut connection = settings.link.connection();
    // It may be there already.
    connection.mark_changed();
    let sequence = settings.config.get(&SEQUENCE).as_ref().and_then(Value::as_i64).unwrap_or(0);
    let mut machine = StatusMachine::new(&settings.thing, settings.device.clone(), sequence);
    let mut cadence = Instant::now() + settings.period;
    loop {
        let now_ms = settings.clock.now_ms();
        let due = machine.due_ms().map(|due| Instant::now() + millis(due.saturating_sub(now_ms)));
        let is_due = due.is_some();
        let messages = tokio::select! {
            notice = notices.recv() => match notice {
                Some(notice) => settings.notice(&mut machine, notice),
                None => return,
            },
            changed = connection.changed() => match changed {
                Ok(()) => settings.connection(&mut machine, &mut connection),
                Err(_) => return,
            },
            () = sleep_until(due.unwrap_or(cadence)), if is_due => {
                machine.tick(settings.clock.now_ms())
            }
            () = sleep_until(cadence) => {
                cadence += settings.period;
                machine.cadence(settings.clock.now_ms())
            }
        };
        for message in messages {
            if !settings.publish(&message, machine.next_sequence()).await {
                machine.lost(message);
            }
        }
    }
}

impl StatusPublisherSettings {
    fn notice(&self, machine: &mut StatusMachine, notice: Notice) -> Vec<FleetStatus> {
        let now_ms = self.clock.now_ms();
        match notice {
            Notice::Changed => machine.components(self.inventory.components(), now_ms),
            Notice::DeploymentBegan => {
                machine.deployment_began();
                Vec::new()
            }
            Notice::DeploymentEnded(end) => {
                machine.deployment_ended(*end, self.inventory.components(), now_ms)
            }
        }
    }

    fn connection(
        &self,
        machine: &mut StatusMachine,
        connection: &mut watch::Receiver<bool>,
    ) -> Vec<FleetStatus> {
        if !*connection.borrow_and_update() {
            machine.disconnected();
            return Vec::new();
        }
        let now_ms = self.clock.now_ms();
        let mut messages = machine.components(self.inventory.components(), now_ms);
        messages.extend(machine.connected(now_ms));
        messages
    }

    /// Publishes a message in all its chunks; whether the cloud has them.
    async fn publish(&self, message: &FleetStatus, next_sequence: i64) -> bool {
        let now_ms = self.clock.now_ms();
        let change = self.config.change(|tx| tx.merge(&SEQUENCE, &json!(next_sequence), now_ms));
        if let Err(error) = change.await {
            warn!(error = %Chain(&error), "the fleet status's sequence number is not kept");
        }
        let chunks = match payloads(message) {
            Ok(chunks) => chunks,
            Err(error) => {
                warn!(%error, "a fleet status cannot be written");
                return true;
            }
        };
        for chunk in chunks {
            let topic = fleet_status::topic(&self.thing);
            if let Err(error) = self.link.publish(topic, chunk).await {
                warn!(%error, sequence = message.sequence_number, "a fleet status was not sent");
                return false;
            }
        }
        true
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
