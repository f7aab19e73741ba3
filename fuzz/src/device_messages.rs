//! What a device may tell the cloud over MQTT, a message a line as `topic payload`: jobs, shadows,
//! statuses. `JOB` in a topic is the job of a deployment that waits for the device, `OWN` one that
//! people made, with timers and retries.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use marram_blobs::{Blobs, Limits};
use marram_fleet::{Fleet, MessageSink, Parts};
use marram_model::arn::Account;
use marram_model::fleet_status;
use marram_model::shadow_topics::ShadowTopic;
use marram_os::clock::{ManualClock, SharedClock};
use marram_store::{Store, Thing, ThingGroup};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::ipc_client;

const THING: &str = "core1";
const GROUP: &str = "line1";
const NOW_MS: i64 = 1_767_323_045_000;
const MAX_MESSAGES: usize = 16;
const OWN_JOB: &str = "own";

thread_local! {
    static CLOUD: RefCell<Cloud> = RefCell::new(Cloud::start());
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let messages: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    if messages.is_empty() {
        return;
    }
    CLOUD.with_borrow(|cloud| {
        cloud.runtime.block_on(async {
            let job = cloud.deploy().await;
            cloud.make_own_job().await;
            for (topic, payload) in messages.iter().take(MAX_MESSAGES) {
                let topic = topic.replace("JOB", &job).replace("OWN", OWN_JOB);
                cloud.take(&topic, payload.as_bytes()).await;
            }
            cloud.delete_own_job().await;
        });
    });
}

struct Cloud {
    runtime: Runtime,
    fleet: Fleet,
    answers: Arc<Answers>,
    _folder: TempDir,
}

impl Cloud {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = ipc_client::runtime();
        let answers = Arc::new(Answers::default());
        let fleet = runtime.block_on(open(&folder));
        fleet.set_sink(Some(answers.clone()));
        Self { runtime, fleet, answers, _folder: folder }
    }

    /// A deployment to the device's group; gives its job's id.
    async fn deploy(&self) -> String {
        let target = self.fleet.account().thing_group(GROUP);
        let request = serde_json::from_value(json!({"targetArn": target, "components": {}}));
        let request = request.expect("a request");
        let made = self.fleet.create_deployment(request).await.expect("a deployment");
        let made = serde_json::to_value(&made).expect("JSON");
        made["iotJobId"].as_str().expect("a job").to_owned()
    }

    async fn make_own_job(&self) {
        let request = serde_json::from_value(json!({
            "jobId": OWN_JOB, "document": "{}",
            "targets": [self.fleet.account().thing(THING)],
            "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
            "jobExecutionsRetryConfig": {
                "criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}],
            },
        }));
        self.fleet.create_job(request.expect("a request")).await.expect("a job");
    }

    /// Whatever the device did to it, it can be told, and it goes.
    async fn delete_own_job(&self) {
        let request = serde_json::from_value(json!({"jobId": OWN_JOB}));
        self.fleet.describe_job(request.expect("a request")).await.expect("a whole job");
        let request = serde_json::from_value(json!({"jobId": OWN_JOB, "force": true}));
        self.fleet.delete_job(request.expect("a request")).await.expect("no job");
        self.answers.take();
    }

    /// As the gateway's dispatch of reserved topics does.
    async fn take(&self, topic: &str, payload: &[u8]) {
        if let Some(thing) = fleet_status::thing_of_topic(topic) {
            if thing == THING {
                self.fleet.report_status(thing, payload).await.expect("a store that takes it");
            }
        } else if let Some(shadow) = ShadowTopic::parse(topic) {
            self.fleet.shadow_request(THING, &shadow, payload).await;
        } else if topic.starts_with("$aws/things/core1/jobs/") {
            self.fleet.jobs_request(THING, THING, topic, payload).await;
        }
        for (topic, payload) in self.answers.take() {
            let answer: Value = serde_json::from_slice(&payload).expect("an answer is JSON");
            assert!(answer.is_object(), "{topic}: {answer}");
            assert!(topic.starts_with("$aws/things/"), "{topic}");
        }
    }
}

async fn open(folder: &TempDir) -> Fleet {
    let clock: SharedClock = ManualClock::at_ms(NOW_MS).shared();
    let store = Store::open(folder.path().join("cloud.db")).await.expect("a database");
    add_device(&store).await;
    let blobs = folder.path().join("blobs");
    let blobs = Blobs::open(&blobs, Limits::default(), clock.clone()).await.expect("a store");
    let account = Account {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
    };
    Fleet::open(Parts { store, blobs, account, clock }).await.expect("a fleet")
}

async fn add_device(store: &Store) {
    let mut tx = store.begin().await.expect("a transaction");
    let thing = Thing {
        name: THING.to_owned(),
        id: "id-thing".to_owned(),
        thing_type: None,
        attributes: Default::default(),
        version: 1,
        created_at_ms: NOW_MS,
    };
    let group = ThingGroup {
        name: GROUP.to_owned(),
        id: "id-group".to_owned(),
        parent: None,
        description: None,
        attributes: Default::default(),
        version: 1,
        created_at_ms: NOW_MS,
    };
    assert!(tx.insert_thing(&thing).await.expect("a thing"));
    assert!(tx.insert_thing_group(&group).await.expect("a group"));
    assert!(tx.insert_membership(GROUP, THING).await.expect("a member"));
    tx.commit().await.expect("a disk with room");
}

/// What the fleet sends.
#[derive(Debug, Default)]
struct Answers(Mutex<Vec<(String, Vec<u8>)>>);

impl Answers {
    fn take(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.0.lock().expect("one thread"))
    }
}

impl MessageSink for Answers {
    fn publish(&self, topic: String, payload: Vec<u8>) {
        self.0.lock().expect("one thread").push((topic, payload));
    }

    fn reply(&self, _: &str, topic: String, payload: Vec<u8>) {
        self.publish(topic, payload);
    }
}
