//! The whole control plane over real TLS, called as an SDK calls it: signed by our own signer.

mod audit;
mod authentication;
mod services;

use std::sync::Mutex;

use marram_aws::ApiError;
use marram_aws::sigv4::{Credentials, Payload, Request, Signer, percent_encode};
use marram_blobs::Limits;
use marram_http::Method;
use marram_http::client::{self, Client};
use marram_os::clock::{Clock, ManualClock};
use marram_registry::RegistrySettings;
use marram_store::Store;
use marram_store::testing::database_in;
use marram_tls::{Authority, ClientAuth, client_config, server_config};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{BackingUp, Backups, Looking, Publication};

const NOW_MS: i64 = 1_767_323_045_000;

/// Keeps what is published.
#[derive(Debug, Default)]
struct Published(Mutex<Vec<Publication>>);

impl Topics for Published {
    fn publish(&self, publication: Publication) {
        self.0.lock().unwrap().push(publication);
    }

    fn kept(&self) -> Looking<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn get_retained_message<'t>(&'t self, topic: &'t str) -> Looking<'t, Value> {
        Box::pin(async move { Err(ApiError::not_found("RetainedMessage", topic)) })
    }

    fn list_retained_messages<'t>(
        &'t self,
        _max_results: Option<i64>,
        _next_token: Option<&'t str>,
    ) -> Looking<'t, Value> {
        Box::pin(async { Ok(json!({ "retainedTopics": [] })) })
    }
}

/// Back-ups are tested with a whole cloud.
#[derive(Debug)]
struct NoBackups;

impl Backups for NoBackups {
    fn back_up(&self) -> BackingUp<'_> {
        Box::pin(async { Err(ApiError::internal("not in this test")) })
    }
}

/// A cloud's control plane in a directory of its own, and a client that trusts it.
struct Fixture {
    api: Api,
    registry: Registry,
    fleet: Fleet,
    blobs: Blobs,
    client: Client,
    clock: ManualClock,
    published: Arc<Published>,
    _directory: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let clock = ManualClock::at_ms(NOW_MS);
        let store = Store::open(database_in(path).await).await.unwrap();
        let authority = Arc::new(Authority::open(path).unwrap());
        let registry = Registry::open(RegistrySettings {
            store: store.clone(),
            authority: Arc::clone(&authority),
            clock: clock.shared(),
            directory: path.to_owned(),
            account_id: Some("123456789012".to_owned()),
            region: None,
        });
        let registry = registry.await.unwrap();
        let limits = Limits { reserve_bytes: 0, ..Limits::default() };
        let blobs = Blobs::open(&path.join("blobs"), limits, clock.shared()).await.unwrap();
        let fleet = Fleet::open(marram_fleet::Parts {
            store,
            blobs: blobs.clone(),
            account: registry.account().clone(),
            clock: clock.shared(),
        });
        let fleet = fleet.await.unwrap();
        let identity = authority.issue_server(&["127.0.0.1".to_owned()]).unwrap();
        let tls = server_config(&identity, ClientAuth::None, &[]).unwrap();
        let trust = client_config(authority.certificate_pem(), None, &[]).unwrap();
        let published = Arc::new(Published::default());
        let parts = Parts {
            registry: registry.clone(),
            fleet: fleet.clone(),
            blobs: blobs.clone(),
            topics: Arc::clone(&published) as Arc<dyn Topics>,
            backups: Arc::new(NoBackups),
            clock: clock.shared(),
            virtual_clock: None,
            hosts: Vec::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Api::start(listener, Some(tls), parts).unwrap();
        let client = Client::new(Some(trust));
        Self { api, registry, fleet, blobs, client, clock, published, _directory: directory }
    }

    fn host(&self) -> String {
        self.api.local_addr().to_string()
    }

    fn root(&self) -> Credentials {
        self.registry.root_key().clone()
    }

    /// A call signed with the root key.
    async fn call(&self, service: &str, method: &str, target: &str, body: &[u8]) -> Answer {
        self.call_as(&self.root(), service, method, target, &[], body).await
    }

    /// A JSON call signed with the root key.
    async fn json(&self, service: &str, method: &str, target: &str, body: Value) -> Answer {
        self.call(service, method, target, body.to_string().as_bytes()).await
    }

    async fn call_as(
        &self,
        credentials: &Credentials,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let host = self.host();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut to_sign = vec![("host", host.as_str())];
        to_sign.extend(headers);
        let request = Request { method, path, query, headers: &to_sign };
        let region = "us-east-1";
        let signer = Signer { credentials, region, service, now_ms: self.clock.now_ms() };
        let added = signer.sign(&request, &Payload::of(body));
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        all.extend(added);
        self.send(method, target, all, body).await
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        headers: Vec<(String, String)>,
        body: &[u8],
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("https://{}{target}", self.host());
        let mut request = client::Request::new(method, url).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = self.client.send(request).await.unwrap();
        Answer {
            status: response.status.as_u16(),
            error_type: response.header("x-amzn-errortype").unwrap_or_default().to_owned(),
            request_id: response.header("x-amzn-requestid").unwrap_or_default().to_owned(),
            body: response.body.to_vec(),
        }
    }

    /// Temporary credentials of the device `T`.
    async fn device_credentials(&self) -> Credentials {
        let account = self.registry.account();
        let created = self.json("iot", "POST", "/keys-and-certificate?setAsActive=true", json!({}));
        let created = created.await.value();
        let arn = created["certificateArn"].as_str().unwrap();
        let statement = json!({
            "Effect": "Allow",
            "Action": "iot:AssumeRoleWithCertificate",
            "Resource": account.role_alias("Alias"),
        });
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        self.json("iot", "POST", "/policies/P", json!({"policyDocument": policy})).await.ok();
        self.json("iot", "PUT", "/target-policies/P", json!({"target": arn})).await.ok();
        let role = json!({"roleArn": account.role("R"), "credentialDurationSeconds": 900});
        self.json("iot", "POST", "/role-aliases/Alias", role).await.ok();
        let pem = created["certificatePem"].as_str().unwrap();
        let der = marram_tls::certificate_der(pem).unwrap();
        let identity = self.registry.authenticate_certificate(&der).await.unwrap();
        let given = self.registry.issue_role_credentials(&identity, "Alias", None).await.unwrap();
        Credentials {
            access_key_id: given.access_key_id,
            secret_access_key: given.secret_access_key,
            session_token: Some(given.session_token),
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    error_type: String,
    request_id: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The body of a success.
    #[track_caller]
    fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        if self.body.is_empty() { Value::Null } else { self.value() }
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.error_type.as_str()), (status, code), "{}", self.text());
        let body = self.value();
        assert_eq!(body["__type"], code);
        assert!(!body["message"].as_str().unwrap().is_empty());
        body
    }

    /// The code in an XML error.
    fn xml_code(&self) -> String {
        let root = marram_aws::xml::parse(&self.body).unwrap();
        let error = root.child("Error").unwrap_or(&root);
        error.child_text("Code").unwrap_or_default().to_owned()
    }
}
