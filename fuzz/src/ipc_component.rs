//! Requests of a component that may do everything, to the IPC server over its socket. Its cloud
//! gives back what is published.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use marram_ipc::Operation;
use marram_ipc::shapes::ReportedLifecycleState;
use marram_model::ComponentName;
use marram_mqtt::{Publish, QoS};
use marram_nucleus::config::ConfigStore;
use marram_nucleus::ipc::iot_core::{BoxFuture, IotCore, IotLink, PublishFailed, SubscribeFailed};
use marram_nucleus::ipc::lifecycle::{Outcome, PauseRefused, Pausing};
use marram_nucleus::ipc::state::{StateReports, UnknownComponent};
use marram_nucleus::ipc::{IpcServer, IpcSettings};
use marram_nucleus::paths::NucleusPaths;
use marram_nucleus::supervisor::tokens::Tokens;
use marram_os::clock::ManualClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::ipc_client;

const COMPONENT: &str = "com.example.C";
const CONFIGURATION: &[&str] = &["services", COMPONENT, "configuration"];
const NOW_MS: i64 = 1_700_000_000_000;

thread_local! {
    static DEVICE: RefCell<Device> = RefCell::new(Device::start());
}

pub(crate) fn run(data: &[u8]) {
    let requests = ipc_client::requests(data);
    DEVICE.with_borrow(|device| {
        device.runtime.block_on(ipc_client::ask(&device.socket, &device.token, &requests));
        if requests.iter().any(|(operation, _)| *operation == Operation::UpdateConfiguration) {
            device.reset();
        }
    });
}

struct Device {
    runtime: Runtime,
    config: ConfigStore,
    _server: IpcServer,
    socket: PathBuf,
    token: String,
    _root: TempDir,
}

impl Device {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a root folder");
        let runtime = ipc_client::runtime();
        let clock = ManualClock::at_ms(NOW_MS).shared();
        let config = ConfigStore::open(&NucleusPaths::new(root.path()), None, clock.clone());
        let config = config.expect("a fresh configuration");
        let tokens = Tokens::default();
        let name: ComponentName = COMPONENT.parse().expect("a name");
        let token = tokens.issue(&name).expect("a token");
        let socket = root.path().join("ipc.socket");
        let (sender, messages) = mpsc::channel(64);
        let settings = IpcSettings {
            socket_path: socket.clone(),
            config: config.clone(),
            tokens,
            states: Arc::new(Neighbour),
            pausing: Arc::new(Neighbour),
            updates: Default::default(),
            validators: Default::default(),
            iot_core: Some(IotLink { iot_core: Arc::new(Mirror(sender)), messages }),
            cli: None,
            operations: Default::default(),
            telemetry: root.path().join("telemetry"),
            clock,
        };
        let server = runtime.block_on(async { IpcServer::start(settings) }).expect("a server");
        let device = Self { runtime, config, _server: server, socket, token, _root: root };
        device.reset();
        device
    }

    /// The configuration as it was before the input, so that the next one finds the same device.
    fn reset(&self) {
        let all = json!({"p": {"operations": ["*"], "resources": ["*"]}});
        let configuration = json!({
            "setting": {"of": [1, "two", null], "depth": {"and": true}},
            "accessControl": {
                "aws.greengrass.ipc.pubsub": all,
                "aws.greengrass.ipc.mqttproxy": all,
                "aws.greengrass.ipc.lifecycle": all,
                "aws.greengrass.ipc.componentmetric": all,
            },
        });
        self.config.replace(CONFIGURATION, &configuration, 1).expect("a disk with room");
        let kept: Option<Value> = self.config.get(CONFIGURATION);
        assert_eq!(kept, Some(configuration));
    }
}

/// Knows of the one component.
#[derive(Debug)]
struct Neighbour;

impl StateReports for Neighbour {
    fn report_state(
        &self,
        component: &ComponentName,
        _: ReportedLifecycleState,
    ) -> Result<(), UnknownComponent> {
        if component.as_str() == COMPONENT { Ok(()) } else { Err(UnknownComponent) }
    }
}

impl Pausing for Neighbour {
    fn pause<'a>(&'a self, component: &'a str) -> Outcome<'a> {
        let known = component == COMPONENT;
        Box::pin(async move { if known { Ok(()) } else { Err(PauseRefused::Unknown) } })
    }

    fn resume<'a>(&'a self, component: &'a str) -> Outcome<'a> {
        self.pause(component)
    }
}

/// A cloud that sends to the device what the device publishes.
#[derive(Debug)]
struct Mirror(mpsc::Sender<Publish>);

impl IotCore for Mirror {
    fn publish(&self, message: Publish) -> BoxFuture<Result<(), PublishFailed>> {
        let sent = self.0.try_send(message);
        Box::pin(async move { sent.map_err(|_| PublishFailed { reason: "full".to_owned() }) })
    }

    fn subscribe(&self, filter: String, _: QoS) -> BoxFuture<Result<(), SubscribeFailed>> {
        let failed = SubscribeFailed { reason: "refused".to_owned(), reason_code: Some(0x87) };
        let answer = if filter.contains("refused") { Err(failed) } else { Ok(()) };
        Box::pin(async move { answer })
    }

    fn unsubscribe(&self, _: String) -> BoxFuture<()> {
        Box::pin(async {})
    }

    fn connection(&self) -> watch::Receiver<bool> {
        watch::Sender::new(true).subscribe()
    }
}
