//! A device plane in a temporary directory, and devices for it.

use std::sync::Arc;
use std::time::Duration;

use marram_blobs::{Blobs, Limits};
use marram_fleet::Fleet;
use marram_http::client::{Client as HttpClient, Request, Response};
use marram_mqtt_client::{Backoff, Client, Event, Options, Publish, QoS};
use marram_os::clock::{ManualClock, SharedClock};
use marram_registry::{Registry, RegistrySettings};
use marram_store::Store;
use marram_store::testing::database_in;
use marram_tls::{Authority, Identity};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Gateway, Listeners, Parts};

/// Nothing here takes this long unless it is stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough for a message that must not come to have come.
const SILENCE: Duration = Duration::from_millis(300);

/// 2026-01-02T03:04:05Z.
pub(super) const NOW_MS: i64 = 1_767_323_045_000;

pub(super) struct Plane {
    pub(super) registry: Registry,
    pub(super) fleet: Fleet,
    pub(super) store: Store,
    pub(super) gateway: Gateway,
    authority: Arc<Authority>,
    pub(super) clock: SharedClock,
    _directory: TempDir,
}

/// A certificate that the plane knows.
pub(super) struct Device {
    pub(super) identity: Identity,
    pub(super) certificate_id: String,
}

pub(super) fn request<T: DeserializeOwned>(members: Value) -> T {
    serde_json::from_value(members).unwrap()
}

impl Plane {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let clock: SharedClock = Arc::new(ManualClock::at_ms(NOW_MS));
        let store = Store::open(database_in(path).await).await.unwrap();
        let authority = Arc::new(Authority::open(path).unwrap());
        let registry = Registry::open(RegistrySettings {
            store: store.clone(),
            authority: Arc::clone(&authority),
            clock: clock.clone(),
            directory: path.to_owned(),
            account_id: Some("123456789012".into()),
            region: None,
        })
        .await
        .unwrap();
        let blobs = path.join("blobs");
        let blobs = Blobs::open(&blobs, Limits::default(), clock.clone()).await.unwrap();
        let account = registry.account().clone();
        let parts =
            marram_fleet::Parts { store: store.clone(), blobs, account, clock: clock.clone() };
        let fleet = Fleet::open(parts).await.unwrap();
        let parts = Parts {
            registry: registry.clone(),
            fleet: fleet.clone(),
            identity: authority.issue_server(&["127.0.0.1".to_owned()]).unwrap(),
            store: store.clone(),
            clock: clock.clone(),
        };
        let gateway = gateway(parts).await;
        Self { registry, fleet, store, gateway, authority, clock, _directory: directory }
    }

    /// The same plane with another gateway, as after a restart of the cloud.
    pub(super) async fn restarted(self) -> Self {
        self.gateway.stop(PATIENCE).await;
        let parts = Parts {
            registry: self.registry.clone(),
            fleet: self.fleet.clone(),
            identity: self.authority.issue_server(&["127.0.0.1".to_owned()]).unwrap(),
            store: self.store.clone(),
            clock: self.clock.clone(),
        };
        let gateway = gateway(parts).await;
        Self { gateway, ..self }
    }

    /// A device with a certificate that is attached to the thing `core1` in the group `G` of `P`, and
    /// may do what `statements` say.
    pub(super) async fn device(&self, statements: Value) -> Device {
        let registry = &self.registry;
        let thing = json!({"thingName": "core1"});
        registry.create_thing(request(thing)).await.unwrap();
        registry.create_thing_group(request(json!({"thingGroupName": "P"}))).await.unwrap();
        let group = json!({"thingGroupName": "G", "parentGroupName": "P"});
        registry.create_thing_group(request(group)).await.unwrap();
        let member = json!({"thingName": "core1", "thingGroupName": "G"});
        registry.add_thing_to_thing_group(request(member)).await.unwrap();
        let asked = request(json!({"setAsActive": true}));
        let made = registry.create_keys_and_certificate(asked).await.unwrap();
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let policy = json!({"policyName": "core", "policyDocument": document});
        registry.create_policy(request(policy)).await.unwrap();
        let target = json!({"policyName": "core", "target": made.certificate_arn});
        registry.attach_policy(request(target)).await.unwrap();
        let principal = json!({"thingName": "core1", "principal": made.certificate_arn});
        registry.attach_thing_principal(request(principal)).await.unwrap();
        Device {
            certificate_id: made.certificate_id,
            identity: Identity {
                certificate_pem: made.certificate_pem,
                private_key_pem: made.key_pair.private_key,
            },
        }
    }

    /// A device that may do everything.
    pub(super) async fn trusted(&self) -> Device {
        self.device(allow(&["*"], &["*"])).await
    }

    /// What connects as the device, to the MQTT port.
    pub(super) fn options(&self, device: &Device, client_id: &str) -> Options {
        let tls = marram_tls::client_config(
            self.authority.certificate_pem(),
            Some(&device.identity),
            &[],
        );
        let hour = Duration::from_secs(3600);
        Options {
            tls: Some(Arc::new(tls.unwrap())),
            reconnect: Backoff { min: hour, max: hour },
            connect_timeout: PATIENCE,
            operation_timeout: PATIENCE,
            ..Options::new("127.0.0.1", self.gateway.mqtt_address().port(), client_id)
        }
    }

    pub(super) async fn connect(&self, device: &Device, client_id: &str) -> Connection {
        let mut connection = Connection::start(self.options(device, client_id));
        connection.connected().await;
        connection
    }

    /// The same options for a client that offers `alpn`, to `port`.
    pub(super) fn options_with_alpn(&self, device: &Device, alpn: &[&[u8]], port: u16) -> Options {
        let roots = self.authority.certificate_pem();
        let tls = marram_tls::client_config(roots, Some(&device.identity), alpn).unwrap();
        Options { tls: Some(Arc::new(tls)), port, ..self.options(device, "core1") }
    }

    /// A bare connection of the device to `port`.
    pub(super) async fn stream(
        &self,
        device: &Device,
        alpn: &[&[u8]],
        port: u16,
    ) -> TlsStream<TcpStream> {
        let options = self.options_with_alpn(device, alpn, port);
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        TlsConnector::from(options.tls.unwrap()).connect(name, stream).await.unwrap()
    }

    /// Sets the status of the device's certificate.
    pub(super) async fn set_status(&self, device: &Device, status: &str) {
        let update = json!({"certificateId": device.certificate_id, "newStatus": status});
        self.registry.update_certificate(request(update)).await.unwrap();
    }

    /// One HTTPS call, with a certificate if there is a device.
    pub(super) async fn call(
        &self,
        device: Option<&Device>,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, Value, Response) {
        let identity = device.map(|device| &device.identity);
        let roots = self.authority.certificate_pem();
        let tls = marram_tls::client_config(roots, identity, &[]).unwrap();
        let url = format!("https://127.0.0.1:{}{path}", self.gateway.https_address().port());
        let request = Request::new(method.parse().unwrap(), url)
            .header("x-amzn-iot-thingname", "core1")
            .body(body.to_owned());
        let response = HttpClient::new(Some(tls)).send(request).await.unwrap();
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        (response.status.as_u16(), body, response)
    }

    /// A GET without certificate, with these headers.
    pub(super) async fn call_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let roots = self.authority.certificate_pem();
        let tls = marram_tls::client_config(roots, None, &[]).unwrap();
        let url = format!("https://127.0.0.1:{}{path}", self.gateway.https_address().port());
        let request = Request::new("GET".parse().unwrap(), url);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header((*name).to_owned(), (*value).to_owned())
        });
        let response = HttpClient::new(Some(tls)).send(request).await.unwrap();
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        (response.status.as_u16(), body)
    }
}

async fn gateway(parts: Parts) -> Gateway {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = Listeners { mqtt: bind().await.unwrap(), https: bind().await.unwrap() };
    Gateway::start(parts, listeners).await.unwrap()
}

pub(super) fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

/// All that still comes on a stream until it ends.
pub(super) async fn rest_of(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    // A peer that closes without TLS's farewell has closed all the same.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end");
    rest
}

/// A client and what came to it.
pub(super) struct Connection {
    pub(super) client: Client,
    events: Receiver<Event>,
}

impl Connection {
    pub(super) fn start(options: Options) -> Self {
        let (client, events) = Client::start(options);
        Self { client, events }
    }

    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event").expect("a running client")
    }

    pub(super) async fn connected(&mut self) {
        let event = self.event().await;
        assert!(matches!(event, Event::Connected { .. }), "{event:?}");
    }

    /// The same; whether the broker had a session for it.
    pub(super) async fn connected_with_session(&mut self) -> bool {
        match self.event().await {
            Event::Connected { session_present } => session_present,
            other => panic!("{other:?}"),
        }
    }

    /// The reason for which the connection ended, or was not made.
    pub(super) async fn disconnected(&mut self) -> String {
        match self.event().await {
            Event::Disconnected { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Publishes at least once, and waits until the broker has done what follows.
    pub(super) async fn publish(&self, topic: &str, payload: Value) {
        let publish = Publish::new(topic, payload.to_string()).with_qos(QoS::AtLeastOnce);
        self.client.publish(publish).await.unwrap();
    }

    /// The next message.
    pub(super) async fn message(&mut self) -> (String, Value) {
        match self.event().await {
            Event::Message(publish) => {
                let payload = serde_json::from_slice(&publish.payload).unwrap();
                (publish.topic.to_string(), payload)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn silence(&mut self) {
        let event = timeout(SILENCE, self.events.recv()).await;
        assert!(event.is_err(), "{event:?}");
    }
}
