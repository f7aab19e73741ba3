//! A fleet in a temporary directory, for this crate's tests.

use std::sync::{Arc, Mutex};

use marram_aws::greengrassv2::{Blob, CreateComponentVersionRequest};
use marram_blobs::{Attributes, Blobs, Limits};
use marram_model::arn::Account;
use marram_os::clock::ManualClock;
use marram_store::testing::database_in;
use marram_store::{Store, Thing, ThingGroup};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Fleet, MessageSink, Parts};

/// 2026-01-02T03:04:05Z.
pub(crate) const NOW_MS: i64 = 1_767_323_045_000;
pub(crate) const NOW_S: i64 = NOW_MS / 1000;

/// One message that the fleet sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    /// The client that is answered; `None` for a message to subscribers.
    pub(crate) client: Option<String>,
    pub(crate) topic: String,
    pub(crate) payload: Value,
}

/// Keeps what the fleet sends.
#[derive(Debug, Default)]
struct Outbox(Mutex<Vec<Sent>>);

impl Outbox {
    fn push(&self, client: Option<&str>, topic: String, payload: &[u8]) {
        let client = client.map(str::to_owned);
        let payload = serde_json::from_slice(payload).unwrap();
        self.0.lock().unwrap().push(Sent { client, topic, payload });
    }
}

impl MessageSink for Outbox {
    fn publish(&self, topic: String, payload: Vec<u8>) {
        self.push(None, topic, &payload);
    }

    fn reply(&self, client_id: &str, topic: String, payload: Vec<u8>) {
        self.push(Some(client_id), topic, &payload);
    }
}

pub(crate) struct TestFleet {
    pub(crate) fleet: Fleet,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<ManualClock>,
    outbox: Arc<Outbox>,
    directory: TempDir,
}

impl TestFleet {
    pub(crate) async fn start() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(directory: TempDir) -> Self {
        let clock = Arc::new(ManualClock::at_ms(NOW_MS));
        let store = Store::open(database_in(directory.path()).await).await.unwrap();
        let path = directory.path().join("blobs");
        let blobs = Blobs::open(&path, Limits::default(), clock.clone()).await.unwrap();
        let account = Account {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account_id: "123456789012".into(),
        };
        let parts =
            Parts { store: store.clone(), blobs: blobs.clone(), account, clock: clock.clone() };
        let fleet = Fleet::open(parts).await.unwrap();
        let outbox = Arc::new(Outbox::default());
        fleet.set_sink(Some(outbox.clone()));
        Self { fleet, store, blobs, clock, outbox, directory }
    }

    /// The same fleet after its process ended and began again.
    pub(crate) async fn restart(self) -> Self {
        let Self { fleet, store, directory, .. } = self;
        drop(fleet);
        store.close().await;
        Self::open(directory).await
    }

    /// What was sent since the last call.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.outbox.0.lock().unwrap())
    }

    /// What was sent since the last call, on topics that end so.
    pub(crate) fn sent_to(&self, suffix: &str) -> Vec<Value> {
        let sent = self.sent().into_iter().filter(|sent| sent.topic.ends_with(suffix));
        sent.map(|sent| sent.payload).collect()
    }

    pub(crate) async fn add_thing(&self, name: &str) {
        let mut tx = self.store.begin().await.unwrap();
        let thing = Thing {
            name: name.into(),
            id: format!("id-{name}"),
            thing_type: None,
            attributes: Default::default(),
            version: 1,
            created_at_ms: NOW_MS,
        };
        assert!(tx.insert_thing(&thing).await.unwrap());
        tx.commit().await.unwrap();
    }

    pub(crate) async fn add_group(&self, name: &str, parent: Option<&str>) {
        let mut tx = self.store.begin().await.unwrap();
        let group = ThingGroup {
            name: name.into(),
            id: format!("id-{name}"),
            parent: parent.map(str::to_owned),
            description: None,
            attributes: Default::default(),
            version: 1,
            created_at_ms: NOW_MS,
        };
        assert!(tx.insert_thing_group(&group).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// Puts the thing into the group as the registry does: membership first, then the word of it.
    pub(crate) async fn join(&self, thing: &str, group: &str) {
        let mut tx = self.store.begin().await.unwrap();
        assert!(tx.insert_membership(group, thing).await.unwrap());
        tx.commit().await.unwrap();
        self.fleet.membership_changed(thing, Some(group)).await.unwrap();
    }

    pub(crate) async fn leave(&self, thing: &str, group: &str) {
        let mut tx = self.store.begin().await.unwrap();
        assert!(tx.delete_membership(group, thing).await.unwrap());
        tx.commit().await.unwrap();
        self.fleet.membership_changed(thing, None).await.unwrap();
    }

    /// A thing `core1` in a group `G`, and nothing sent yet.
    pub(crate) async fn with_core() -> Self {
        let this = Self::start().await;
        this.add_thing("core1").await;
        this.add_group("G", None).await;
        this.join("core1", "G").await;
        this.sent();
        this
    }

    pub(crate) async fn put_object(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let _ = self.blobs.create_bucket(bucket).await;
        let mut staging = self.blobs.stage(None).await.unwrap();
        staging.write(bytes).await.unwrap();
        let staged = staging.finish().await.unwrap();
        self.blobs.put(bucket, key, staged, Attributes::default()).await.unwrap();
    }

    /// Makes a component version that runs anywhere.
    pub(crate) async fn add_component(&self, name: &str, version: &str) {
        let request = create_request(&recipe(name, version, &json!([{}])));
        self.fleet.create_component_version(request).await.unwrap();
    }

    /// Sends a jobs request as the client `core1` and returns what it was answered.
    pub(crate) async fn job(&self, name: &str, payload: Value) -> Sent {
        self.job_raw(name, payload.to_string().as_bytes()).await.remove(0)
    }

    /// The same, with all messages that followed.
    pub(crate) async fn job_raw(&self, name: &str, payload: &[u8]) -> Vec<Sent> {
        self.sent();
        let topic = format!("$aws/things/core1/jobs/{name}");
        self.fleet.jobs_request("core1", "core1", &topic, payload).await;
        self.sent()
    }
}

pub(crate) fn recipe(name: &str, version: &str, manifests: &Value) -> Value {
    json!({
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "Manifests": manifests,
    })
}

pub(crate) fn create_request(recipe: &Value) -> CreateComponentVersionRequest {
    CreateComponentVersionRequest {
        inline_recipe: Some(Blob(recipe.to_string().into_bytes())),
        lambda_function: None,
        tags: Default::default(),
        client_token: None,
    }
}

/// A request of the wire.
pub(crate) fn request<T: serde::de::DeserializeOwned>(members: Value) -> T {
    serde_json::from_value(members).unwrap()
}

pub(crate) fn wire<T: serde::Serialize>(answer: &T) -> Value {
    serde_json::to_value(answer).unwrap()
}
