//! A device of the simulation: the nucleus's parts, put together as [`super::Nucleus`] does it, but
//! without sockets, processes and files of its own choice.

use std::path::PathBuf;
use std::sync::Arc;

use marram_os::clock::SharedClock;
use marram_os::storage::SharedDisk;
use tokio::sync::mpsc;

use super::cloud_side::{Cloud, CloudSide, Connected, Device};
use super::{Program, RestartSwitch, StartNucleus};
use crate::cloud::LinkEvent;
use crate::compose::services::{Natives, service_specs};
use crate::config::{ChangeConfig, ConfigStore};
use crate::deployment::state::DeploymentState;
use crate::deployment::{Deployments, FleetData, Request, Source, StatusSink};
use crate::ipc::component_updates::ComponentUpdates;
use crate::ipc::providers::Operations;
use crate::ipc::validation::ConfigurationValidators;
use crate::packages::PackageStore;
use crate::paths::NucleusPaths;
use crate::supervisor::environment::SharedEnvironment;
use crate::supervisor::tokens::Tokens;
use crate::supervisor::{Scripts, Supervisor, SupervisorSettings};

/// What stands in for the world around a device.
#[expect(missing_debug_implementations, reason = "trait objects of a simulation")]
pub struct SimulatedParts {
    /// The root folder; recipes are real files in it.
    pub root: PathBuf,
    /// What the journal and the rollback snapshots are on.
    pub disk: SharedDisk,
    /// The time.
    pub clock: SharedClock,
    /// Who plays the scripts.
    pub scripts: Arc<dyn Scripts>,
    /// Who hears the statuses.
    pub statuses: Arc<dyn StatusSink>,
    /// Who answers what deployments ask of the cloud.
    pub data: Arc<dyn FleetData>,
    /// What the cloud wants of the device.
    pub events: mpsc::Receiver<LinkEvent>,
}

/// A device that runs. Dropping it with its runtime is a power cut.
#[derive(Debug)]
pub struct SimulatedDevice {
    /// Its configuration.
    pub config: ConfigStore,
    /// Its components.
    pub supervisor: Supervisor,
    /// What its deployments must not forget.
    pub state: DeploymentState,
    /// The way to its deployments.
    pub deployments: Deployments,
    clock: SharedClock,
    _cloud: CloudSide,
}

impl SimulatedDevice {
    /// Starts one; needs a tokio runtime.
    ///
    /// # Errors
    /// As of a real device.
    pub async fn start(parts: SimulatedParts) -> Result<Self, StartNucleus> {
        let paths = NucleusPaths::new(&parts.root);
        let clock = parts.clock;
        let config = ConfigStore::open_on(parts.disk, &paths, None, Arc::clone(&clock))?;
        let store = PackageStore::open(&paths)?;
        let supervisor = Supervisor::start(SupervisorSettings {
            paths: paths.clone(),
            config: config.clone(),
            inherited: std::collections::BTreeMap::new(),
            environment: SharedEnvironment::default(),
            tokens: Tokens::default(),
            operations: Operations::default(),
            clock: Arc::clone(&clock),
            scripts: Some(parts.scripts),
        })
        .await?;
        let natives = Natives::new();
        let state = DeploymentState::new(config.clone(), Arc::clone(&clock));
        let device = Device {
            config: config.clone(),
            state: state.clone(),
            store,
            supervisor: supervisor.clone(),
            natives: natives.clone(),
            paths,
            clock: Arc::clone(&clock),
            program: Program::fixed(),
            restart: RestartSwitch::default(),
            updates: ComponentUpdates::default(),
            validators: ConfigurationValidators::default(),
        };
        let interrupted = state.current();
        if !interrupted.as_ref().is_some_and(|current| current.machine.restarts()) {
            supervisor.apply(service_specs(&config, &natives));
        }
        let cloud = Cloud {
            link: None,
            statuses: parts.statuses,
            events: parts.events,
            data_plane: parts.data,
            fleet_status: None,
        };
        let (deployments, commands) = Deployments::channel();
        let connected = Connected { device, cloud: Some(cloud) };
        let cloud = connected.deploy(deployments.clone(), commands, interrupted).await;
        Ok(Self { config, supervisor, state, deployments, clock, _cloud: cloud })
    }

    /// A deployment made on the device itself, as `CreateLocalDeployment` takes it in.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn deploy_locally(&self, id: &str, request: &str) -> Result<(), ChangeConfig> {
        let now = self.clock.now_ms();
        self.state.change_local(|local| local.add(id, now)).await?;
        let source = Source::Local { deployment_id: id.to_owned() };
        self.deployments.offer(Request::new(source, request, now)).await;
        Ok(())
    }
}
