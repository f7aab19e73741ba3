//! Deployments of groups, as a device sees them: the jobs API over MQTT.

use marram_broker::QoS;
use serde_json::{Value, json};

use super::plane::{Connection, NOW_MS, Plane, request};

const GROUP: &str = "arn:aws:iot:us-east-1:123456789012:thinggroup/G";
const JOBS: &str = "$aws/things/core1/jobs/";
const NAMESPACE: &str = "namespace-aws-gg-deployment";

/// A connected device `core1` in the group `G` that hears its notifications.
struct Core {
    plane: Plane,
    connection: Connection,
}

/// What was made.
struct Deployment {
    id: String,
    job: String,
}

impl Core {
    async fn start() -> Self {
        let plane = Plane::start().await;
        let device = plane.trusted().await;
        let connection = plane.connect(&device, "core1").await;
        for notify in ["notify", "notify-next"] {
            let filter = format!("{JOBS}{notify}-{NAMESPACE}");
            connection.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        }
        Self { plane, connection }
    }

    /// Deploys to the group and hears of it.
    async fn deploy(&mut self) -> (Deployment, Value) {
        let deployment = self.deploy_to(GROUP).await;
        let notified = self.notified().await;
        let next = self.notified_next().await;
        assert_eq!(next["execution"]["jobId"], deployment.job);
        (deployment, notified)
    }

    async fn deploy_to(&self, target: &str) -> Deployment {
        let asked = request(json!({"targetArn": target}));
        let made = self.plane.fleet.create_deployment(asked).await.unwrap();
        Deployment { id: made.deployment_id, job: made.iot_job_id.unwrap() }
    }

    async fn notified(&mut self) -> Value {
        self.message_on(&format!("{JOBS}notify-{NAMESPACE}")).await
    }

    async fn notified_next(&mut self) -> Value {
        self.message_on(&format!("{JOBS}notify-next-{NAMESPACE}")).await
    }

    async fn message_on(&mut self, topic: &str) -> Value {
        let (came, payload) = self.connection.message().await;
        assert_eq!(came, topic, "{payload}");
        payload
    }

    /// Asks without being subscribed to the answer, which must be on the topic's `leg`.
    async fn ask(&mut self, request: &str, payload: Value, leg: &str) -> Value {
        let topic = format!("{JOBS}{request}");
        self.connection.publish(&topic, payload).await;
        self.message_on(&format!("{topic}/{leg}")).await
    }

    async fn describe_next(&mut self) -> Value {
        let asked = json!({"includeJobDocument": true, "thingName": "core1", "jobId": "$next"});
        self.ask(&format!("$next/{NAMESPACE}/get"), asked, "accepted").await
    }

    async fn update(&mut self, job: &str, payload: Value, leg: &str) -> Value {
        self.ask(&format!("{job}/{NAMESPACE}/update"), payload, leg).await
    }

    async fn status_of(&self, deployment: &Deployment) -> Value {
        let asked = request(json!({"deploymentId": deployment.id}));
        let answer = self.plane.fleet.get_deployment(asked).await.unwrap();
        json!(answer.deployment_status)
    }

    /// How the deployment's execution on `core1` stands.
    async fn effective_status_of(&self, deployment: &Deployment) -> String {
        let asked = request(json!({"coreDeviceThingName": "core1"}));
        let listed = self.plane.fleet.list_effective_deployments(asked).await.unwrap();
        let mut listed = listed.effective_deployments.into_iter();
        let found = listed.find(|effective| effective.deployment_id == deployment.id).unwrap();
        found.core_device_execution_status
    }
}

#[tokio::test]
async fn d5_a_queued_deployment_is_notified_with_its_summary_and_its_document() {
    let mut core = Core::start().await;
    let deployment = core.deploy_to(GROUP).await;
    let notified = core.notified().await;
    let now_s = NOW_MS / 1000;
    let summary = json!({
        "jobId": deployment.job, "queuedAt": now_s, "lastUpdatedAt": now_s,
        "executionNumber": 1, "versionNumber": 1,
    });
    assert_eq!(notified, json!({"timestamp": now_s, "jobs": {"QUEUED": [summary]}}));
    let next = core.notified_next().await;
    assert_eq!(next["execution"]["jobId"], deployment.job);
    assert_eq!(next["execution"]["queuedAt"], now_s);
    assert!(next["execution"]["jobDocument"].is_object(), "{next}");
}

#[tokio::test]
async fn d6_the_next_execution_is_described_as_the_classic_nucleus_asks_for_it() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let reply = core.describe_next().await;
    assert!(reply.get("clientToken").is_none(), "{reply}");
    let execution = &reply["execution"];
    assert_eq!(execution["jobId"], deployment.job);
    assert_eq!(execution["thingName"], "core1");
    assert_eq!(execution["status"], "QUEUED");
    assert_eq!(execution["versionNumber"], 1);
    assert_eq!(
        execution["jobDocument"]["configurationArn"],
        "arn:aws:greengrass:us-east-1:123456789012:configuration:thinggroup/G:1"
    );
}

#[tokio::test]
async fn d7_progress_and_success_are_accepted_and_the_queue_is_empty_then() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let job = deployment.job.clone();
    let started = json!({"status": "IN_PROGRESS", "includeJobExecutionState": true});
    let accepted = core.update(&job, started, "accepted").await;
    assert_eq!(accepted["executionState"]["versionNumber"], 2);
    assert_eq!(core.effective_status_of(&deployment).await, "IN_PROGRESS");

    let done = json!({
        "status": "SUCCEEDED", "includeJobExecutionState": true,
        "statusDetails": {"detailed-deployment-status": "SUCCESSFUL"},
    });
    let accepted = core.update(&job, done, "accepted").await;
    assert_eq!(accepted["executionState"]["versionNumber"], 3);
    assert_eq!(core.effective_status_of(&deployment).await, "SUCCEEDED");
    assert_eq!(core.notified().await["jobs"], json!({}));
    let next = core.notified_next().await;
    assert!(next["timestamp"].is_i64() && next.get("execution").is_none(), "{next}");
}

#[tokio::test]
async fn d8_an_update_after_the_end_is_rejected_with_the_state() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let done = json!({"status": "SUCCEEDED"});
    core.update(&deployment.job, done, "accepted").await;
    core.notified().await;
    core.notified_next().await;
    let late = json!({"status": "FAILED", "clientToken": "jobs-nucleus-lite"});
    let rejected = core.update(&deployment.job, late, "rejected").await;
    assert_eq!(rejected["code"], "InvalidStateTransition");
    assert_eq!(rejected["executionState"]["status"], "SUCCEEDED");
    assert_eq!(rejected["clientToken"], "jobs-nucleus-lite");
    core.connection.silence().await;
}

#[tokio::test]
async fn d9_the_status_that_nucleus_lite_makes_up_is_rejected_and_changes_nothing() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let rejected = core.update(&deployment.job, json!({"status": "FAILURE"}), "rejected").await;
    assert_eq!(rejected["code"], "InvalidRequest");
    assert_eq!(core.describe_next().await["execution"]["versionNumber"], 1);
}

#[tokio::test]
async fn d10_an_update_of_another_version_is_rejected() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let stale = json!({"status": "IN_PROGRESS", "expectedVersion": 9});
    let rejected = core.update(&deployment.job, stale, "rejected").await;
    assert_eq!(rejected["code"], "VersionMismatch");
    assert_eq!(rejected["executionState"]["versionNumber"], 1);
}

#[tokio::test]
async fn d11_a_cancelled_deployment_leaves_the_queue() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let asked = request(json!({"deploymentId": deployment.id}));
    core.plane.fleet.cancel_deployment(asked).await.unwrap();
    assert_eq!(core.notified().await["jobs"], json!({}));
    assert!(core.notified_next().await.get("execution").is_none());
    assert_eq!(core.status_of(&deployment).await, "CANCELED");
    assert_eq!(core.effective_status_of(&deployment).await, "CANCELED");
    let late = json!({"status": "IN_PROGRESS"});
    let rejected = core.update(&deployment.job, late, "rejected").await;
    assert_eq!(rejected["executionState"]["status"], "CANCELED");
}

#[tokio::test]
async fn d11b_a_second_groups_job_waits_until_the_first_is_done() {
    let mut core = Core::start().await;
    let registry = &core.plane.registry;
    registry.create_thing_group(request(json!({"thingGroupName": "H"}))).await.unwrap();
    let member = json!({"thingName": "core1", "thingGroupName": "H"});
    registry.add_thing_to_thing_group(request(member)).await.unwrap();

    let (first, _) = core.deploy().await;
    core.update(&first.job, json!({"status": "IN_PROGRESS"}), "accepted").await;
    let second = core.deploy_to(&GROUP.replace("/G", "/H")).await;
    let jobs = &core.notified().await["jobs"];
    assert_eq!(jobs["IN_PROGRESS"][0]["jobId"], first.job);
    assert_eq!(jobs["QUEUED"][0]["jobId"], second.job);
    assert_eq!(core.describe_next().await["execution"]["jobId"], first.job);

    core.update(&first.job, json!({"status": "SUCCEEDED"}), "accepted").await;
    let jobs = &core.notified().await["jobs"];
    assert_eq!(jobs["QUEUED"].as_array().map(Vec::len), Some(1));
    assert_eq!(jobs["QUEUED"][0]["jobId"], second.job);
    assert_eq!(core.notified_next().await["execution"]["jobId"], second.job);
    assert_eq!(core.describe_next().await["execution"]["jobId"], second.job);
}

#[tokio::test]
async fn d12_a_second_revision_takes_the_place_of_a_queued_one() {
    let mut core = Core::start().await;
    let (first, notified) = core.deploy().await;
    let queued_at = |notified: &Value| notified["jobs"]["QUEUED"][0]["queuedAt"].as_i64().unwrap();
    let first_queued_at = queued_at(&notified);
    let (second, notified) = core.deploy().await;
    assert_eq!(notified["jobs"]["QUEUED"].as_array().map(Vec::len), Some(1));
    assert_eq!(notified["jobs"]["QUEUED"][0]["jobId"], second.job);
    assert!(queued_at(&notified) > first_queued_at);
    assert_eq!(core.effective_status_of(&first).await, "CANCELED");
    let pending = core.ask(&format!("{NAMESPACE}/get"), json!({}), "accepted").await;
    assert_eq!(pending["queuedJobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(pending["inProgressJobs"], json!([]));
}

#[tokio::test]
async fn d35_a_client_token_comes_back_verbatim_or_not_at_all() {
    let mut core = Core::start().await;
    let (deployment, _) = core.deploy().await;
    let job = deployment.job.as_str();
    let token = "jobs-nucleus-lite \"\u{e9}\u{4e2d}\"";
    for with_token in [false, true] {
        let with = |mut payload: Value| {
            if with_token {
                payload["clientToken"] = token.into();
            }
            payload
        };
        let describe = format!("$next/{NAMESPACE}/get");
        let unknown = format!("unknown/{NAMESPACE}/get");
        let pending = format!("{NAMESPACE}/get");
        let replies = [
            core.ask(&describe, with(json!({})), "accepted").await,
            core.ask(&pending, with(json!({})), "accepted").await,
            core.ask(&unknown, with(json!({})), "rejected").await,
            core.update(job, with(json!({"status": "IN_PROGRESS"})), "accepted").await,
            core.update(job, with(json!({"status": "FAILURE"})), "rejected").await,
        ];
        for reply in replies {
            let expected = with_token.then(|| json!(token));
            assert_eq!(reply.get("clientToken"), expected.as_ref(), "{reply}");
        }
    }
}
