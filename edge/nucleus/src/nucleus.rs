//! The nucleus as a whole: starts its parts in the order in which they need each other.
//!
//! Components are started from the configuration alone, at every start in the same way; a
//! deployment that was under way goes on from where it was kept.

mod cli_access;
mod cloud_side;
mod inventory;
mod program;
mod reports;
mod restart;
mod simulated;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use marram_model::Version;
use marram_os::clock::SharedClock;
use marram_os::file::{WriteFile, create_dir_all_mode};
use marram_telemetry::Chain;
use tokio::task::JoinHandle;

use crate::cloud::settings::ReadIdentity;
use crate::component::NativeComponent;
use crate::compose::services::{Natives, service_specs};
use crate::config::initial::{InitialConfig, warn_of_settings};
use crate::config::{ConfigStore, OpenConfig};
use crate::deployment::Deployments;
use crate::deployment::state::DeploymentState;
use crate::ipc::cli::CliBackend;
use crate::ipc::component_updates::ComponentUpdates;
use crate::ipc::providers::Operations;
use crate::ipc::validation::ConfigurationValidators;
use crate::ipc::{IpcServer, IpcSettings, StartIpc};
use crate::packages::{OpenStore, PackageStore};
use crate::paths::NucleusPaths;
use crate::supervisor::environment::SharedEnvironment;
use crate::supervisor::tokens::Tokens;
use crate::supervisor::{StartSupervisor, Supervisor, SupervisorSettings};
use cli_access::CliAccess;
use cloud_side::{CloudSide, Device};
pub use program::{NUCLEUS_VERSION, Program};
pub use restart::Restart;
pub(crate) use restart::RestartSwitch;
pub use simulated::{SimulatedDevice, SimulatedParts};

/// Components may take this long to stop; with what comes after, the device is down within 10 s.
const STOP_COMPONENTS: Duration = Duration::from_secs(7);

/// What a nucleus starts with.
#[derive(Debug)]
pub struct NucleusSettings {
    /// The device's root folder, absolute.
    pub root: PathBuf,
    /// What runs.
    pub program: Program,
    /// The file that `--init-config` named.
    pub init: Option<InitialConfig>,
    /// The guests that this program has.
    pub natives: Vec<Arc<dyn NativeComponent>>,
    /// The time.
    pub clock: SharedClock,
    /// The environment of this process, which components inherit in part.
    pub inherited: std::collections::BTreeMap<String, String>,
}

impl NucleusSettings {
    /// The nucleus's own log, with its folder made.
    ///
    /// # Errors
    /// The root folder cannot be used.
    pub fn prepare_log_file(&self) -> Result<PathBuf, StartNucleus> {
        let paths = NucleusPaths::new(&self.root);
        make_folder(&paths, paths.root(), 0o755)?;
        make_folder(&paths, &paths.logs(), 0o700)?;
        Ok(paths.logs().join("greengrass.log"))
    }
}

/// Why a nucleus could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartNucleus {
    /// The root folder cannot be used.
    #[error("the root folder {} cannot be used; check that it exists and is ours", root.display())]
    Root {
        /// The folder.
        root: PathBuf,
        /// What failed.
        #[source]
        source: WriteFile,
    },
    /// The lock of the root folder cannot be taken.
    #[error("the lock of the root folder {} cannot be taken", root.display())]
    Lock {
        /// The folder.
        root: PathBuf,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// Another nucleus runs on the same root folder.
    #[error("the root folder {} is in use by another nucleus: stop it, or use another --root",
            root.display())]
    InUse {
        /// The folder.
        root: PathBuf,
    },
    /// The configuration.
    #[error("the configuration cannot be used")]
    Config(#[from] OpenConfig),
    /// The package store.
    #[error(transparent)]
    Store(#[from] OpenStore),
    /// The components.
    #[error(transparent)]
    Supervisor(#[from] StartSupervisor),
    /// The IPC server.
    #[error(transparent)]
    Ipc(#[from] StartIpc),
    /// Certificate, key or root CA.
    #[error("the device's identity cannot be used")]
    Identity(#[from] ReadIdentity),
}

impl StartNucleus {
    /// True if the user's configuration is at fault.
    pub fn is_bad_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(OpenConfig::Initial(_))
                | Self::Identity(_)
                | Self::Ipc(StartIpc::PathTooLong { .. })
        )
    }

    /// True if another nucleus is in the way.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Ipc(StartIpc::InUse { .. }))
    }
}

/// A running nucleus.
#[derive(Debug)]
pub struct Nucleus {
    ipc_socket: PathBuf,
    version: Version,
    config: ConfigStore,
    supervisor: Supervisor,
    ipc: IpcServer,
    cloud: CloudSide,
    restart: RestartSwitch,
    tasks: Vec<JoinHandle<()>>,
    /// Held for as long as the nucleus runs.
    _lock: File,
}

impl Nucleus {
    /// Starts all parts; components can connect to the IPC socket when this returns.
    pub async fn start(settings: NucleusSettings) -> Result<Self, StartNucleus> {
        let paths = NucleusPaths::new(&settings.root);
        let lock = take_root(&paths)?;
        let clock = settings.clock;
        let config = ConfigStore::open(&paths, settings.init, Arc::clone(&clock))?;
        warn_of_settings(&config);
        let store = PackageStore::open(&paths)?;
        let environment = SharedEnvironment::default();
        let tokens = Tokens::default();
        let operations = Operations::default();
        let supervisor = Supervisor::start(SupervisorSettings {
            paths: paths.clone(),
            config: config.clone(),
            inherited: settings.inherited,
            environment,
            tokens: tokens.clone(),
            operations: operations.clone(),
            clock: Arc::clone(&clock),
            scripts: None,
        })
        .await?;
        let natives: Natives = settings.natives.into_iter().map(|n| (n.name(), n)).collect();

        let updates = ComponentUpdates::default();
        let validators = ConfigurationValidators::default();
        let device = Device {
            state: DeploymentState::new(config.clone(), Arc::clone(&clock)),
            config: config.clone(),
            store,
            supervisor: supervisor.clone(),
            natives: natives.clone(),
            paths: paths.clone(),
            clock: Arc::clone(&clock),
            program: settings.program.clone(),
            restart: RestartSwitch::default(),
            updates: updates.clone(),
            validators: validators.clone(),
        };
        let interrupted = device.state.current();
        let restart = device.restart.clone();
        let (deployments, commands) = Deployments::channel();
        let cli = CliBackend {
            supervisor: supervisor.clone(),
            config: config.clone(),
            deployments: deployments.clone(),
            state: device.state.clone(),
            paths: paths.clone(),
            nucleus_version: settings.program.version.clone(),
            clock: Arc::clone(&clock),
        };
        let (cloud, iot_core) = CloudSide::connect(device)?;
        let ipc_socket = ipc_socket(&config, &paths);
        let access = CliAccess {
            paths: paths.clone(),
            config: config.clone(),
            tokens: tokens.clone(),
            socket: ipc_socket.clone(),
        };
        let ipc = IpcServer::start(IpcSettings {
            socket_path: ipc_socket.clone(),
            config: config.clone(),
            tokens,
            states: Arc::new(supervisor.clone()),
            pausing: Arc::new(supervisor.clone()),
            updates,
            validators,
            iot_core,
            cli: Some(cli),
            operations,
            telemetry: paths.telemetry(),
            clock,
        })?;
        // A deployment that restarted the nucleus may have to run something before any component.
        if !interrupted.as_ref().is_some_and(|current| current.machine.restarts()) {
            supervisor.apply(service_specs(&config, &natives));
        }
        let cloud = cloud.deploy(deployments, commands, interrupted).await;
        access.grant();
        let effective = config.clone();
        let tasks = vec![
            tokio::spawn(async move { effective.keep_effective_config().await }),
            tokio::spawn(access.follow_changes()),
        ];
        let version = settings.program.version;
        tracing::info!(root = %paths.root().display(), %version, "nucleus started");
        Ok(Self {
            ipc_socket,
            version,
            config,
            supervisor,
            ipc,
            cloud,
            restart,
            tasks,
            _lock: lock,
        })
    }

    /// Where components connect.
    pub fn ipc_socket(&self) -> &Path {
        &self.ipc_socket
    }

    /// The version of `aws.greengrass.Nucleus` that it is.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Waits until a deployment wants the nucleus or the device to start again. It goes on after
    /// the next start; stop this nucleus first.
    pub async fn restart_wanted(&self) -> Restart {
        self.restart.asked().await
    }

    /// Stops components first, in the order of their dependencies, then everything else.
    pub async fn stop(mut self) {
        self.cloud.stop_deploying().await;
        self.supervisor.stop_all(STOP_COMPONENTS).await;
        self.ipc.stop().await;
        self.cloud.disconnect().await;
        cloud_side::end(self.tasks).await;
        if let Err(error) = self.config.commit() {
            tracing::warn!(error = %Chain(&error), "effectiveConfig.yaml could not be written");
        }
        tracing::info!("nucleus stopped");
    }
}

/// Makes the root folder and takes it for this process; the lock ends with the process.
fn take_root(paths: &NucleusPaths) -> Result<File, StartNucleus> {
    let root = || paths.root().to_owned();
    make_folder(paths, paths.root(), 0o755)?;
    make_folder(paths, &paths.deployments(), 0o700)?;
    let lock = File::create(paths.root().join(".lock"))
        .map_err(|source| StartNucleus::Lock { root: root(), source })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartNucleus::InUse { root: root() }),
        Err(TryLockError::Error(source)) => Err(StartNucleus::Lock { root: root(), source }),
    }
}

fn make_folder(paths: &NucleusPaths, folder: &Path, mode: u32) -> Result<(), StartNucleus> {
    create_dir_all_mode(folder, mode)
        .map_err(|source| StartNucleus::Root { root: paths.root().to_owned(), source })
}

fn ipc_socket(config: &ConfigStore, paths: &NucleusPaths) -> PathBuf {
    let configured = config.get(&["system", "ipcSocketPath"]);
    let configured = configured.as_ref().and_then(|path| path.as_str()).filter(|p| !p.is_empty());
    configured.map_or_else(|| paths.ipc_socket(), PathBuf::from)
}

#[cfg(test)]
mod tests;
