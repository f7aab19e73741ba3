//! The device's side towards its cloud, and the deployments that come from there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use marram_os::clock::SharedClock;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinHandle;

use super::{Program, RestartSwitch};
use crate::cloud::fleet_status::DeviceDescription;
use crate::cloud::settings::ReadIdentity;
use crate::cloud::status_publisher::{StatusPublisher, StatusPublisherSettings};
use crate::cloud::{CloudLink, CloudSettings, DataPlane, LinkEvent, LinkParts};
use crate::compose::device_attributes;
use crate::compose::services::Natives;
use crate::config::ConfigStore;
use crate::deployment::current::Current;
use crate::deployment::delivery::StatusSink;
use crate::deployment::engine::Commands;
use crate::deployment::machine::Deadlines;
use crate::deployment::membership::FleetData;
use crate::deployment::state::DeploymentState;
use crate::deployment::steps::NucleusSteps;
use crate::deployment::{Deployments, Request, Source, delivery, engine};
use crate::ipc::component_updates::ComponentUpdates;
use crate::ipc::iot_core::IotLink;
use crate::ipc::validation::ConfigurationValidators;
use crate::packages::PackageStore;
use crate::paths::NucleusPaths;
use crate::supervisor::Supervisor;
use crate::supervisor::status::StateChange;

/// Messages from the cloud that wait for the IPC server: at the default 128 KiB for the longest,
/// 8 MiB. Behind them the socket is not read, so that a flood waits in the cloud.
const MESSAGES: usize = 64;
/// The MQTT connection gets this long to say good-bye.
const DISCONNECT: Duration = Duration::from_secs(1);

/// What deployments and the fleet status need of the device.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) config: ConfigStore,
    pub(super) state: DeploymentState,
    pub(super) store: PackageStore,
    pub(super) supervisor: Supervisor,
    pub(super) natives: Natives,
    pub(super) paths: NucleusPaths,
    pub(super) clock: SharedClock,
    pub(super) program: Program,
    pub(super) restart: RestartSwitch,
    pub(super) updates: ComponentUpdates,
    pub(super) validators: ConfigurationValidators,
}

/// A connection that is made, or none on a device without a cloud; nothing is deployed yet.
pub(super) struct Connected {
    pub(super) device: Device,
    pub(super) cloud: Option<Cloud>,
}

pub(super) struct Cloud {
    /// `None` in the simulation, where nothing but statuses is told.
    pub(super) link: Option<CloudLink>,
    pub(super) statuses: Arc<dyn StatusSink>,
    pub(super) events: mpsc::Receiver<LinkEvent>,
    pub(super) data_plane: Arc<dyn FleetData>,
    pub(super) fleet_status: Option<Arc<StatusPublisher>>,
}

/// The running side.
#[derive(Debug)]
pub(super) struct CloudSide {
    link: Option<CloudLink>,
    tasks: Vec<JoinHandle<()>>,
}

impl CloudSide {
    /// Starts to connect, if the configuration names a cloud. The second part is for the IPC.
    pub(super) fn connect(device: Device) -> Result<(Connected, Option<IotLink>), ReadIdentity> {
        let Some(settings) = CloudSettings::from_config(&device.config) else {
            tracing::info!("the configuration names no cloud: running offline");
            return Ok((Connected { device, cloud: None }, None));
        };
        let (to_components, messages) = mpsc::channel(MESSAGES);
        let parts = LinkParts {
            nucleus_version: device.program.version.to_string(),
            component_messages: to_components,
            spool_folder: device.paths.spool(),
            clock: Arc::clone(&device.clock),
        };
        let (link, events) = CloudLink::start(&settings, parts)?;
        let attributes = device_attributes(&device.config);
        let attribute = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        let fleet_status = Arc::new(StatusPublisher::start(StatusPublisherSettings {
            link: link.clone(),
            thing: settings.thing.clone(),
            device: DeviceDescription {
                nucleus_version: device.program.version.to_string(),
                platform: attribute("os"),
                architecture: attribute("architecture"),
            },
            period: settings.status_period,
            config: device.config.clone(),
            inventory: Arc::new(device.clone()),
            clock: Arc::clone(&device.clock),
        }));
        let data_plane = Arc::new(DataPlane::new(&settings)?);
        let iot_core = IotLink { iot_core: Arc::new(link.clone()), messages };
        let cloud = Cloud {
            statuses: Arc::new(link.clone()),
            link: Some(link),
            events,
            data_plane,
            fleet_status: Some(fleet_status),
        };
        Ok((Connected { device, cloud: Some(cloud) }, Some(iot_core)))
    }

    /// No deployment begins or goes on from now on; the next start carries on.
    pub(super) async fn stop_deploying(&mut self) {
        end(self.tasks.drain(..)).await;
    }

    pub(super) async fn disconnect(&self) {
        if let Some(link) = &self.link {
            link.stop(DISCONNECT).await;
        }
    }
}

impl Connected {
    /// Starts to deploy, with what was under way when the device stopped.
    pub(super) async fn deploy(
        self,
        deployments: Deployments,
        commands: Commands,
        interrupted: Option<Current>,
    ) -> CloudSide {
        let Self { device, cloud } = self;
        let outcome_added = Arc::new(Notify::new());
        device.forget_waiting(interrupted.as_ref()).await;
        let steps = Arc::new(NucleusSteps {
            config: device.config.clone(),
            state: device.state.clone(),
            store: device.store.clone(),
            paths: device.paths.clone(),
            supervisor: device.supervisor.clone(),
            natives: device.natives.clone(),
            data_plane: cloud.as_ref().map(|cloud| Arc::clone(&cloud.data_plane)),
            fleet_status: cloud.as_ref().and_then(|cloud| cloud.fleet_status.clone()),
            outcome_added: Arc::clone(&outcome_added),
            clock: Arc::clone(&device.clock),
            resolution: Mutex::default(),
            program: device.program.clone(),
            restart: device.restart.clone(),
            updates: device.updates.clone(),
            validators: device.validators.clone(),
        });
        let engine = engine::start(steps, Deadlines::default(), commands, interrupted);
        let mut tasks = vec![engine];
        let Some(cloud) = cloud else { return CloudSide { link: None, tasks } };
        let Cloud { link, statuses, events, fleet_status, .. } = cloud;
        if let Some(fleet_status) = fleet_status {
            let changes = device.supervisor.watch();
            tasks.push(tokio::spawn(tell_changes(changes, fleet_status)));
        }
        let delivery = delivery::run(device.state.clone(), statuses, outcome_added);
        tasks.push(tokio::spawn(delivery));
        tasks.push(tokio::spawn(take_events(events, deployments, device)));
        CloudSide { link, tasks }
    }
}

impl Device {
    /// Local deployments wait in memory: after a restart, only the interrupted one goes on.
    async fn forget_waiting(&self, interrupted: Option<&Current>) {
        if self.state.local_deployments().is_empty() {
            return;
        }
        let resumed = interrupted.map(Current::key);
        if let Err(error) = self.state.change_local(|local| local.restart(resumed)).await {
            tracing::error!(%error, "the statuses of local deployments could not be kept");
        }
    }
}

/// Ends tasks and waits until they have let go of what they held.
pub(super) async fn end(tasks: impl IntoIterator<Item = JoinHandle<()>>) {
    for task in tasks {
        task.abort();
        // Cancelled, as it was told; a panic was reported where it happened.
        let _ = task.await;
    }
}

/// Hands what the cloud wants to the deployments, quickly.
async fn take_events(
    mut events: mpsc::Receiver<LinkEvent>,
    deployments: Deployments,
    device: Device,
) {
    while let Some(event) = events.recv().await {
        match event {
            LinkEvent::Offer { source, .. } if has_ended(&device.state, &source) => {
                tracing::info!(deployment = source.key(), "the cloud has still to hear of its end");
            }
            LinkEvent::Offer { source, document } => {
                let request = Request::new(source, document, device.clock.now_ms());
                deployments.offer(request).await;
            }
            LinkEvent::Cancel { key } => deployments.cancel(key).await,
            LinkEvent::Connected => {}
        }
    }
}

/// True if the deployment is over and only the cloud does not know yet.
fn has_ended(state: &DeploymentState, source: &Source) -> bool {
    let outcomes = state.outcomes();
    outcomes.iter().any(|told| told.source == *source && told.outcome.status.is_terminal())
}

async fn tell_changes(
    mut changes: broadcast::Receiver<StateChange>,
    fleet_status: Arc<StatusPublisher>,
) {
    loop {
        match changes.recv().await {
            // What was missed is found by comparing all components anyway.
            Ok(_) | Err(RecvError::Lagged(_)) => fleet_status.components_changed(),
            Err(RecvError::Closed) => return,
        }
    }
}
