//! The server as its clients see it: a real socket, a real configuration, a cloud that is played.

pub(crate) mod client;
mod cloud;
mod configuration;
mod connection;
mod consent;
mod iot_core;
mod lifecycle;
mod of_aws;
mod providers;
mod pubsub;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use marram_ipc::shapes::ReportedLifecycleState;
use marram_model::ComponentName;
use marram_mqtt::Publish;
use marram_os::clock::{Clock, ManualClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::component_updates::ComponentUpdates;
use super::iot_core::IotLink;
use super::providers::Operations;
use super::state::{StateReports, UnknownComponent};
use super::validation::ConfigurationValidators;
use super::{IpcServer, IpcSettings};
use crate::config::ConfigStore;
use crate::paths::NucleusPaths;
use crate::supervisor::tokens::Tokens;
use client::Client;
use cloud::PlayedCloud;

/// 2023-11-14T22:13:20Z.
const START_MS: i64 = 1_700_000_000_000;

/// Everything that the IPC server of a device stands on.
struct Device {
    folder: TempDir,
    config: ConfigStore,
    tokens: Tokens,
    issued: Mutex<BTreeMap<String, String>>,
    states: Arc<Reports>,
    clock: ManualClock,
    cloud: Arc<PlayedCloud>,
    from_cloud: mpsc::Sender<Publish>,
    updates: ComponentUpdates,
    validators: ConfigurationValidators,
    operations: Operations,
    server: IpcServer,
}

#[derive(Debug, Default)]
struct Reports(Mutex<Vec<(String, ReportedLifecycleState)>>);

impl StateReports for Reports {
    fn report_state(
        &self,
        component: &ComponentName,
        state: ReportedLifecycleState,
    ) -> Result<(), UnknownComponent> {
        if component.as_str() == "com.example.Gone" {
            return Err(UnknownComponent);
        }
        self.0.lock().unwrap().push((component.to_string(), state));
        Ok(())
    }
}

impl Device {
    fn start() -> Self {
        Self::start_with(true)
    }

    /// A device that is configured to run offline.
    fn start_offline() -> Self {
        Self::start_with(false)
    }

    fn start_with(has_cloud: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = ManualClock::at_ms(START_MS);
        let paths = NucleusPaths::new(folder.path());
        let config = ConfigStore::open(&paths, None, clock.shared()).unwrap();
        let tokens = Tokens::default();
        let states = Arc::new(Reports::default());
        let cloud = Arc::new(PlayedCloud::default());
        let (from_cloud, messages) = mpsc::channel(16);
        let operations = Operations::default();
        let updates = ComponentUpdates::default();
        let validators = ConfigurationValidators::default();
        let server = IpcServer::start(IpcSettings {
            socket_path: paths.ipc_socket(),
            config: config.clone(),
            tokens: tokens.clone(),
            states: states.clone(),
            pausing: Arc::new(lifecycle::Played),
            updates: updates.clone(),
            validators: validators.clone(),
            iot_core: has_cloud.then(|| IotLink { iot_core: cloud.clone(), messages }),
            cli: None,
            operations: operations.clone(),
            telemetry: paths.telemetry(),
            clock: clock.shared(),
        })
        .unwrap();
        Self {
            folder,
            config,
            tokens,
            issued: Mutex::default(),
            states,
            clock,
            cloud,
            from_cloud,
            updates,
            validators,
            operations,
            server,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("ipc.socket")
    }

    /// Connects a component that may do everything with topics below `allowed`.
    async fn component(&self, name: &str, allowed: &str) -> Client {
        let policy = json!({"p": {"operations": ["*"], "resources": [allowed]}});
        self.configure(
            name,
            json!({"accessControl": {
                "aws.greengrass.ipc.pubsub": policy,
                "aws.greengrass.ipc.mqttproxy": policy,
            }}),
        );
        self.connect(name).await
    }

    fn configure(&self, name: &str, configuration: Value) {
        let now = self.clock.now_ms();
        self.config.merge(&["services", name, "configuration"], &configuration, now).unwrap();
    }

    /// The component's token: the same for as long as it lives.
    fn token(&self, name: &str) -> String {
        let mut issued = self.issued.lock().unwrap();
        let issue = || self.tokens.issue(&name.parse().unwrap()).unwrap();
        issued.entry(name.to_owned()).or_insert_with(issue).clone()
    }

    /// Connects a component with the configuration that it has.
    async fn connect(&self, name: &str) -> Client {
        Client::connect(&self.socket(), &self.token(name)).await
    }
}

/// Repeats `check` until it is true, for at most five seconds.
async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + client::DEADLINE;
    while !check() {
        assert!(tokio::time::Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
