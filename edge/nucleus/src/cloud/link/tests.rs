//! The link against a broker that plays the cloud's jobs and shadow services.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use marram_broker::{
    Action, Broker, ConnectRequest, Disconnect, DisconnectReason, Handler, Intercept, Peer,
    Refusal, SessionInfo,
};
use marram_model::status::{DeploymentOutcome, DeploymentStatus};
use marram_os::clock::SystemClock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::cloud::report::{Delivery, DeploymentStatusUpdate};
use crate::cloud::settings::SpoolSettings;
use crate::ipc::iot_core::IotCore;

mod connections;
mod spool;

/// Not where everybody's connections begin: a port that is free for a while is not taken by one.
const HOST: &str = "127.0.0.2";
const PATIENCE: Duration = Duration::from_secs(10);
const PREFIX: &str = "$aws/things/core/";

/// What the cloud does with the next request on a topic.
#[derive(Debug, Clone)]
enum Script {
    Accept(Value),
    Reject(Value),
    Silence,
}

/// A cloud that answers by script and keeps what it was asked.
#[derive(Debug, Default)]
struct Cloud {
    broker: OnceLock<Broker<Self>>,
    scripts: Mutex<Vec<(String, VecDeque<Script>)>>,
    asked: Mutex<Vec<(String, Value)>>,
    /// Whether subscriptions are refused.
    refuses_filters: AtomicBool,
    /// Whether only the device's first connection is taken.
    refuses_further: AtomicBool,
}

impl Handler for Cloud {
    type Identity = ();

    async fn connect(&self, _: &Peer, request: &ConnectRequest) -> Result<(), Refusal> {
        let is_refused =
            self.refuses_further.load(Ordering::Relaxed) && request.client_id.contains('#');
        if is_refused { Err(Refusal::NotAuthorized) } else { Ok(()) }
    }

    fn authorize(&self, (): &(), _: &str, action: Action<'_>) -> bool {
        match action {
            Action::Subscribe { .. } => !self.refuses_filters.load(Ordering::Relaxed),
            Action::Publish { topic, .. } => !topic.ends_with("/forbidden"),
            Action::Receive { .. } => true,
        }
    }

    async fn intercept(&self, session: &SessionInfo<()>, publish: &Publish) -> Intercept {
        let topic = publish.topic.strip_prefix(PREFIX).unwrap().to_owned();
        if topic.ends_with("/lost") {
            return std::future::pending().await;
        }
        let request: Value = serde_json::from_slice(&publish.payload).unwrap();
        let token = request.get("clientToken").cloned();
        self.asked.lock().unwrap().push((topic.clone(), request));
        let (leg, mut answer) = match self.next(&topic) {
            Script::Accept(answer) => ("accepted", answer),
            Script::Reject(answer) => ("rejected", answer),
            Script::Silence => return Intercept::Consumed,
        };
        answer["timestamp"] = 1.into();
        if let Some(token) = token {
            answer["clientToken"] = token;
        }
        let answer = Publish::new(format!("{}/{leg}", publish.topic), answer.to_string());
        self.broker().reply(&session.client_id, answer.with_qos(QoS::AtLeastOnce));
        Intercept::Consumed
    }

    fn connected(&self, _: &SessionInfo<()>) {}

    fn disconnected(&self, _: &SessionInfo<()>, _: &Disconnect) {}
}

impl Cloud {
    /// Listens; answers requests to `topic` as scripted in turn, the last one for ever.
    async fn start(scripts: &[(&str, &[Script])]) -> (Arc<Self>, u16) {
        Self::start_at(0, scripts).await
    }

    async fn start_at(port: u16, scripts: &[(&str, &[Script])]) -> (Arc<Self>, u16) {
        Self::start_with(port, scripts, marram_broker::Settings::default()).await
    }

    async fn start_with(
        port: u16,
        scripts: &[(&str, &[Script])],
        settings: marram_broker::Settings,
    ) -> (Arc<Self>, u16) {
        let scripts = scripts.iter().map(|(topic, answers)| {
            ((*topic).to_owned(), answers.iter().cloned().collect::<VecDeque<_>>())
        });
        let cloud = Arc::new(Self { scripts: Mutex::new(scripts.collect()), ..Self::default() });
        let broker = Broker::new(Arc::clone(&cloud), settings);
        assert!(cloud.broker.set(broker.clone()).is_ok());
        let listener = TcpListener::bind((HOST, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, address)) = listener.accept().await {
                let broker = broker.clone();
                let peer = Peer { address, certificate: None, principal: None };
                tokio::spawn(async move { broker.serve(stream, peer).await });
            }
        });
        (cloud, port)
    }

    fn broker(&self) -> &Broker<Self> {
        self.broker.get().unwrap()
    }

    fn next(&self, topic: &str) -> Script {
        let mut scripts = self.scripts.lock().unwrap();
        let Some((_, answers)) = scripts.iter_mut().find(|(known, _)| known == topic) else {
            return Script::Silence;
        };
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }

    fn publish(&self, topic: &str, payload: &Value) {
        let message = Publish::new(format!("{PREFIX}{topic}"), payload.to_string());
        self.broker().publish(message.with_qos(QoS::AtLeastOnce));
    }

    fn asked(&self, topic: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(known, _)| known == topic).map(|(_, value)| value.clone()).collect()
    }
}

fn settings(port: u16) -> CloudSettings {
    CloudSettings {
        thing: "core".to_owned(),
        region: "eu-west-1".to_owned(),
        certificate_file: "cert".into(),
        private_key_file: "key".into(),
        root_ca_file: "ca".into(),
        mqtt: super::super::settings::MqttSettings {
            host: HOST.to_owned(),
            port,
            version: MqttVersion::V5,
            keep_alive: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(30),
            socket_timeout: Duration::from_secs(3),
            operation_timeout: Duration::from_millis(500),
            session_expiry: Duration::from_secs(60),
            max_in_flight: 5,
            receive_maximum: 100,
            max_subscriptions: 10,
            max_message_bytes: 1000,
            reconnect: (Duration::from_millis(10), Duration::from_millis(20)),
            spool: SpoolSettings {
                max_bytes: 10_000,
                keep_qos0_offline: false,
                is_on_disk: false,
                max_retries: Some(100),
            },
        },
        data_plane_url: String::new(),
        credentials_url: String::new(),
        role_alias: String::new(),
        credentials_timeout: PATIENCE,
        status_period: Duration::from_secs(86_400),
    }
}

struct Device {
    link: CloudLink,
    events: mpsc::Receiver<LinkEvent>,
    messages: mpsc::Receiver<Publish>,
    folder: tempfile::TempDir,
}

impl Device {
    fn connect(port: u16) -> Self {
        Self::connect_with(&settings(port), tempfile::tempdir().unwrap())
    }

    fn connect_with(settings: &CloudSettings, folder: tempfile::TempDir) -> Self {
        let (sender, messages) = mpsc::channel(64);
        let options = mqtt_options(settings, None);
        let parts = LinkParts {
            nucleus_version: "2.17.0".to_owned(),
            component_messages: sender,
            spool_folder: folder.path().join("spool"),
            clock: SystemClock::shared(),
        };
        let (link, events) = CloudLink::connect(settings, options, parts);
        Self { link, events, messages, folder }
    }

    /// The next event but for connections.
    async fn event(&mut self) -> LinkEvent {
        loop {
            match timeout(PATIENCE, self.events.recv()).await.expect("an event").expect("a link") {
                LinkEvent::Connected => {}
                event => return event,
            }
        }
    }

    async fn report(&self, source: &Source, status: DeploymentStatus) -> Result<Delivery, String> {
        let outcome = DeploymentOutcome::plain(status);
        let update = DeploymentStatusUpdate { source: source.clone(), outcome };
        self.link.report(&update).await.map_err(|error| error.to_string())
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come true in time");
        sleep(Duration::from_millis(5)).await;
    }
}

const NEXT_GET: &str = "jobs/$next/namespace-aws-gg-deployment/get";
const J1_UPDATE: &str = "jobs/j1/namespace-aws-gg-deployment/update";
const NOTIFY: &str = "jobs/notify-namespace-aws-gg-deployment";
const SHADOW: &str = "shadow/name/AWSManagedGreengrassV2Deployment";

fn job(id: &str) -> Script {
    Script::Accept(json!({"execution": {
        "jobId": id, "status": "QUEUED", "queuedAt": 1, "lastUpdatedAt": 1, "versionNumber": 1,
        "executionNumber": 1, "jobDocument": {"deploymentId": id},
    }}))
}

fn nothing() -> Script {
    Script::Accept(json!({}))
}

fn j1() -> Source {
    Source::Job { job_id: "j1".to_owned() }
}

fn arn() -> String {
    "arn:aws:greengrass:eu-west-1:1:configuration:thing/core:1".to_owned()
}

fn desired() -> Value {
    let document = json!({"configurationArn": arn()}).to_string();
    json!({"desired": {"desiredStatus": "SUCCEEDED", "fleetConfig": document}})
}

#[tokio::test]
async fn job_is_offered_reported_and_followed_by_the_next() {
    let accepted = [Script::Accept(json!({}))];
    let (cloud, port) =
        Cloud::start(&[(NEXT_GET, &[job("j1"), job("j2")]), (J1_UPDATE, &accepted)]).await;
    let mut device = Device::connect(port);
    let document = json!({"deploymentId": "j1"}).to_string();
    assert_eq!(device.event().await, LinkEvent::Offer { source: j1(), document });

    let delivered = Ok(Delivery::Delivered);
    assert_eq!(device.report(&j1(), DeploymentStatus::InProgress).await, delivered);
    assert_eq!(device.report(&j1(), DeploymentStatus::Succeeded).await, delivered);
    let LinkEvent::Offer { source, .. } = device.event().await else { unreachable!() };
    assert_eq!(source, Source::Job { job_id: "j2".to_owned() });

    let updates = cloud.asked(J1_UPDATE);
    let statuses: Vec<&str> = updates.iter().map(|u| u["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["IN_PROGRESS", "SUCCEEDED"]);
    assert_eq!(cloud.asked(NEXT_GET)[0]["includeJobDocument"], true);
}

#[tokio::test]
async fn notifications_bring_and_withdraw_a_job() {
    let (cloud, port) = Cloud::start(&[(NEXT_GET, &[nothing(), job("j1")])]).await;
    let mut device = Device::connect(port);
    until("the first question", || !cloud.asked(NEXT_GET).is_empty()).await;
    let queued = json!([{"jobId": "j1", "queuedAt": 1, "lastUpdatedAt": 1, "versionNumber": 1,
                         "executionNumber": 1}]);
    cloud.publish(NOTIFY, &json!({"timestamp": 1, "jobs": {"QUEUED": queued}}));
    assert!(matches!(device.event().await, LinkEvent::Offer { .. }));
    cloud.publish(NOTIFY, &json!({"timestamp": 2, "jobs": {}}));
    assert_eq!(device.event().await, LinkEvent::Cancel { key: "j1".to_owned() });
}

#[tokio::test]
async fn status_is_dropped_when_refused_and_kept_when_the_cloud_fails_or_is_silent() {
    let rejected = |code| Script::Reject(json!({"code": code, "message": "m"}));
    let answers = [rejected("InvalidStateTransition"), rejected("InternalError"), Script::Silence];
    let (_cloud, port) = Cloud::start(&[(NEXT_GET, &[job("j1")]), (J1_UPDATE, &answers)]).await;
    let mut device = Device::connect(port);
    device.event().await;
    let status = DeploymentStatus::InProgress;
    assert_eq!(
        device.report(&j1(), status).await,
        Ok(Delivery::DroppedByCloud { reason: "InvalidStateTransition: m".to_owned() })
    );
    let kept = device.report(&j1(), status).await.unwrap_err();
    assert!(kept.contains("InternalError"), "{kept}");
    let kept = device.report(&j1(), status).await.unwrap_err();
    assert!(kept.contains("no answer within 500 ms"), "{kept}");
    assert_eq!(device.report(&j1(), DeploymentStatus::Canceled).await, Ok(Delivery::NotTold));
}

#[tokio::test]
async fn shadow_deployment_is_reported_at_the_version_that_the_cloud_has() {
    let (get, update) = (format!("{SHADOW}/get"), format!("{SHADOW}/update"));
    let state = |version: i64| Script::Accept(json!({"state": desired(), "version": version}));
    let conflict = Script::Reject(json!({"code": 409, "message": "Version conflict"}));
    let echo = Script::Accept(json!({"state": {}, "version": 8}));
    let (cloud, port) =
        Cloud::start(&[(&get, &[state(3), state(7)]), (&update, &[conflict, echo])]).await;
    let mut device = Device::connect(port);
    let LinkEvent::Offer { source, .. } = device.event().await else { unreachable!() };
    assert_eq!(source, Source::Shadow { configuration_arn: arn() });
    let done = device.report(&source, DeploymentStatus::Succeeded).await;
    assert_eq!(done, Ok(Delivery::Delivered));
    let updates = cloud.asked(&update);
    let versions: Vec<i64> = updates.iter().map(|u| u["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [3, 7]);
    let reported = &updates[1]["state"]["reported"];
    assert_eq!(reported["fleetConfigurationArnForStatus"], arn());
    assert_eq!(
        (&reported["status"], &reported["ggcVersion"]),
        (&json!("SUCCEEDED"), &json!("2.17.0"))
    );
}

#[tokio::test]
async fn cut_connection_comes_back_and_asks_again() {
    let (cloud, port) = Cloud::start(&[(NEXT_GET, &[nothing(), job("j1")])]).await;
    let mut device = Device::connect(port);
    until("the first question", || !cloud.asked(NEXT_GET).is_empty()).await;
    cloud.broker().disconnect("core", DisconnectReason::AdministrativeAction);
    assert!(matches!(device.event().await, LinkEvent::Offer { .. }));
}

#[tokio::test(start_paused = true)]
async fn refused_subscriptions_are_made_again_without_a_new_connection() {
    let (cloud, port) = Cloud::start(&[(NEXT_GET, &[nothing(), nothing(), job("j1")])]).await;
    cloud.refuses_filters.store(true, Ordering::Relaxed);
    let mut device = Device::connect(port);
    until("the first question", || cloud.asked(NEXT_GET).len() == 1).await;
    cloud.refuses_filters.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(31)).await;
    until("the second question", || cloud.asked(NEXT_GET).len() == 2).await;
    let queued = json!([{"jobId": "j1", "queuedAt": 1, "lastUpdatedAt": 1, "versionNumber": 1,
                         "executionNumber": 1}]);
    cloud.publish(NOTIFY, &json!({"timestamp": 1, "jobs": {"QUEUED": queued}}));
    assert!(matches!(device.event().await, LinkEvent::Offer { .. }));
}

#[tokio::test]
async fn components_messages_go_out_in_order_and_come_in_as_asked_for() {
    let (cloud, port) = Cloud::start(&[]).await;
    let mut device = Device::connect(port);
    let link: &dyn IotCore = &device.link;
    link.subscribe("a/+".to_owned(), QoS::AtLeastOnce).await.unwrap();
    let messages: Vec<Publish> =
        (0..20).map(|n| Publish::new("a/b", n.to_string()).with_qos(QoS::AtLeastOnce)).collect();
    for message in &messages {
        link.publish(message.clone()).await.unwrap();
    }
    for sent in &messages {
        let received = timeout(PATIENCE, device.messages.recv()).await.unwrap().unwrap();
        assert_eq!(received.payload, sent.payload);
    }

    link.unsubscribe("a/+".to_owned()).await;
    cloud.broker().publish(Publish::new("a/b", "late"));
    link.subscribe("c".to_owned(), QoS::AtMostOnce).await.unwrap();
    cloud.broker().publish(Publish::new("c", "first"));
    let received = timeout(PATIENCE, device.messages.recv()).await.unwrap().unwrap();
    assert_eq!(received.payload, "first");
}

#[tokio::test]
async fn components_do_not_take_the_nucleus_own_subscriptions_away() {
    let (cloud, port) = Cloud::start(&[(NEXT_GET, &[nothing(), job("j1")])]).await;
    let mut device = Device::connect(port);
    until("the first question", || !cloud.asked(NEXT_GET).is_empty()).await;
    let link: &dyn IotCore = &device.link;
    let filter = format!("{PREFIX}{NOTIFY}");
    link.subscribe(filter.clone(), QoS::AtLeastOnce).await.unwrap();
    link.unsubscribe(filter).await;
    let queued = json!([{"jobId": "j1", "queuedAt": 1, "lastUpdatedAt": 1, "versionNumber": 1,
                         "executionNumber": 1}]);
    cloud.publish(NOTIFY, &json!({"timestamp": 1, "jobs": {"QUEUED": queued}}));
    assert!(matches!(device.event().await, LinkEvent::Offer { .. }));
}

#[tokio::test]
async fn component_message_that_waits_for_the_connection_is_sent_when_it_is_there() {
    let held = TcpListener::bind((HOST, 0)).await.unwrap();
    let port = held.local_addr().unwrap().port();
    drop(held);
    let device = Device::connect(port);
    let link: &dyn IotCore = &device.link;
    let message = |name: &str| Publish::new(format!("{PREFIX}{name}"), "{}");
    let offline = link.publish(message("lost")).await.unwrap_err();
    assert!(offline.reason.contains("offline"), "{offline}");
    for name in ["first", "second"] {
        link.publish(message(name).with_qos(QoS::AtLeastOnce)).await.unwrap();
    }
    let (cloud, _) = Cloud::start_at(port, &[]).await;
    until("both arrived", || !cloud.asked("second").is_empty()).await;
    let asked = cloud.asked.lock().unwrap();
    let at = |name| asked.iter().position(|(topic, _)| topic == name);
    assert!(at("first") < at("second"));
    assert_eq!(at("lost"), None);
}

#[tokio::test(start_paused = true)]
async fn component_subscription_waits_for_the_connection_however_long_that_takes() {
    let held = TcpListener::bind((HOST, 0)).await.unwrap();
    let port = held.local_addr().unwrap().port();
    drop(held);
    let device = Device::connect(port);
    let link: &dyn IotCore = &device.link;
    let mut subscribing = link.subscribe("a/b".to_owned(), QoS::AtLeastOnce);
    let early = timeout(Duration::from_secs(200), &mut subscribing).await;
    assert!(early.is_err(), "answered without a connection: {early:?}");
    tokio::time::resume();
    let _cloud = Cloud::start_at(port, &[]).await;
    timeout(PATIENCE, subscribing).await.expect("an answer").expect("a subscription");
}
