//! Jobs of deployments, over MQTT.

mod control;
mod crowd;
mod ordinary;

use marram_aws::greengrassv2::DeploymentIdRequest;
use serde_json::{Value, json};

use crate::testing::{NOW_S, Sent, TestFleet, request, wire};

const NS: &str = "namespace-aws-gg-deployment";

fn group(name: &str) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:thinggroup/{name}")
}

async fn deploy(t: &TestFleet, group_name: &str) -> (String, String) {
    let asked = json!({"targetArn": group(group_name)});
    let made = t.fleet.create_deployment(request(asked)).await.unwrap();
    (made.iot_job_id.unwrap(), made.deployment_id)
}

async fn next(t: &TestFleet) -> Value {
    t.job(&format!("$next/{NS}/get"), json!({})).await.payload
}

async fn update(t: &TestFleet, job: &str, payload: Value) -> Vec<Sent> {
    t.job_raw(&format!("{job}/{NS}/update"), payload.to_string().as_bytes()).await
}

async fn effective(t: &TestFleet) -> Vec<Value> {
    let asked = json!({"coreDeviceThingName": "core1"});
    let listed = t.fleet.list_effective_deployments(request(asked)).await.unwrap();
    listed.effective_deployments.iter().map(wire).collect()
}

async fn deployment_status(t: &TestFleet, id: &str) -> Value {
    let asked = DeploymentIdRequest { deployment_id: id.to_owned() };
    wire(&t.fleet.get_deployment(asked).await.unwrap())["deploymentStatus"].clone()
}

#[tokio::test]
async fn d4_get_without_pending_answers_the_client_without_an_execution() {
    let t = TestFleet::with_core().await;
    let reply = t.job(&format!("$next/{NS}/get"), json!({"clientToken": "x"})).await;
    assert_eq!(reply.client.as_deref(), Some("core1"));
    assert_eq!(reply.topic, format!("$aws/things/core1/jobs/$next/{NS}/get/accepted"));
    assert_eq!(reply.payload, json!({"clientToken": "x", "timestamp": NOW_S}));
    assert_eq!(next(&t).await, json!({"timestamp": NOW_S}));
}

#[tokio::test]
async fn d5_d6_a_queued_deployment_is_announced_and_described() {
    let t = TestFleet::with_core().await;
    let (job, _) = deploy(&t, "G").await;
    let sent = t.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    let summary = json!({"jobId": job, "queuedAt": NOW_S, "lastUpdatedAt": NOW_S,
                         "versionNumber": 1, "executionNumber": 1});
    assert_eq!(sent[0].topic, format!("$aws/things/core1/jobs/notify-{NS}"));
    assert_eq!(sent[0].payload, json!({"timestamp": NOW_S, "jobs": {"QUEUED": [summary]}}));
    assert_eq!(sent[1].topic, format!("$aws/things/core1/jobs/notify-next-{NS}"));
    let announced = &sent[1].payload["execution"];
    assert!(announced["queuedAt"].is_i64() && announced["jobDocument"].is_object());

    let described = next(&t).await["execution"].clone();
    assert_eq!(described, *announced);
    assert_eq!(described["status"], "QUEUED");
    assert_eq!(
        described["jobDocument"]["configurationArn"],
        "arn:aws:greengrass:us-east-1:123456789012:configuration:thinggroup/G:1"
    );
    let without = json!({"includeJobDocument": false});
    let without = t.job(&format!("{job}/{NS}/get"), without).await.payload;
    assert!(without["execution"].get("jobDocument").is_none());
}

#[tokio::test]
async fn d7_d8_a_deployment_succeeds_once() {
    let t = TestFleet::with_core().await;
    let (job, id) = deploy(&t, "G").await;
    let asked = json!({"status": "IN_PROGRESS", "includeJobExecutionState": true});
    let sent = update(&t, &job, asked).await;
    assert_eq!(sent.len(), 1, "progress is no change of the pending set: {sent:?}");
    assert_eq!(
        sent[0].payload["executionState"],
        json!({"status": "IN_PROGRESS", "versionNumber": 2})
    );
    assert_eq!(next(&t).await["execution"]["startedAt"], NOW_S);

    let details = json!({"detailed-deployment-status": "SUCCESSFUL"});
    let sent = update(&t, &job, json!({"status": "SUCCEEDED", "statusDetails": details})).await;
    let topics: Vec<_> = sent.iter().map(|s| s.topic.rsplit('/').next().unwrap()).collect();
    assert_eq!(topics, ["accepted", &format!("notify-{NS}"), &format!("notify-next-{NS}")]);
    assert_eq!(sent[0].payload, json!({"timestamp": NOW_S}));
    assert_eq!(sent[1].payload, json!({"timestamp": NOW_S, "jobs": {}}));
    assert_eq!(sent[2].payload, json!({"timestamp": NOW_S}));
    let row = &effective(&t).await[0];
    assert_eq!(row["coreDeviceExecutionStatus"], "SUCCEEDED");
    assert!(row.get("reason").is_none() && row.get("statusDetails").is_none());
    assert_eq!(deployment_status(&t, &id).await, "ACTIVE");

    let sent = update(&t, &job, json!({"status": "FAILED", "clientToken": "c"})).await;
    assert_eq!(sent[0].topic, format!("$aws/things/core1/jobs/{job}/{NS}/update/rejected"));
    assert_eq!(sent[0].payload["code"], "InvalidStateTransition");
    assert_eq!(sent[0].payload["clientToken"], "c");
    assert_eq!(
        sent[0].payload["executionState"],
        json!({"status": "SUCCEEDED", "statusDetails": details, "versionNumber": 3})
    );
}

#[tokio::test]
async fn d9_d10_bad_requests_are_rejected_with_their_code() {
    let t = TestFleet::with_core().await;
    let (job, _) = deploy(&t, "G").await;
    let cases = [
        (format!("{job}/{NS}/update"), r#"{"status":"FAILURE"}"#, "InvalidRequest"),
        (format!("{job}/{NS}/update"), r#"{"status":"CANCELED"}"#, "InvalidRequest"),
        (format!("{job}/{NS}/update"), "{", "InvalidJson"),
        (
            format!("{job}/{NS}/update"),
            r#"{"status":"SUCCEEDED","statusDetails":{"a":1}}"#,
            "InvalidRequest",
        ),
        (
            format!("{job}/{NS}/update"),
            r#"{"status":"IN_PROGRESS","expectedVersion":9}"#,
            "VersionMismatch",
        ),
        (
            format!("{job}/{NS}/update"),
            r#"{"status":"IN_PROGRESS","executionNumber":2}"#,
            "ResourceNotFound",
        ),
        (format!("other/{NS}/update"), r#"{"status":"IN_PROGRESS"}"#, "ResourceNotFound"),
        (format!("{job}/{NS}/nonsense"), "{}", "InvalidTopic"),
        (format!("notify-{NS}"), "{}", "InvalidTopic"),
    ];
    for (topic, payload, code) in cases {
        let sent = t.job_raw(&topic, payload.as_bytes()).await;
        assert_eq!(sent.len(), 1, "{topic} {payload}");
        assert!(sent[0].topic.ends_with("/rejected"), "{topic} {payload}");
        assert_eq!(sent[0].payload["code"], code, "{topic} {payload}");
        assert!(sent[0].payload.get("clientToken").is_none());
    }
    assert_eq!(next(&t).await["execution"]["versionNumber"], 1);
}

#[tokio::test]
async fn jobs_are_invisible_outside_their_namespace() {
    let t = TestFleet::with_core().await;
    let (job, _) = deploy(&t, "G").await;
    let pending = t.job("get", json!({"clientToken": "c"})).await.payload;
    assert_eq!(
        pending,
        json!({"inProgressJobs": [], "queuedJobs": [], "timestamp": NOW_S, "clientToken": "c"})
    );
    assert!(t.job("$next/get", json!({})).await.payload.get("execution").is_none());
    assert!(t.job("start-next", json!({})).await.payload.get("execution").is_none());
    let described = t.job(&format!("{job}/get"), json!({})).await.payload;
    assert_eq!(described["code"], "ResourceNotFound");
    let own = t.job(&format!("{NS}/get"), json!({})).await.payload;
    assert_eq!(own["queuedJobs"][0]["jobId"], job);
}

#[tokio::test]
async fn start_next_takes_the_first_and_stays_with_it() {
    let t = TestFleet::with_core().await;
    t.add_group("H", None).await;
    t.join("core1", "H").await;
    let (first, _) = deploy(&t, "G").await;
    deploy(&t, "H").await;
    for _ in 0..2 {
        let started = t.job(&format!("{NS}/start-next"), json!({})).await.payload;
        assert_eq!(started["execution"]["jobId"], first);
        assert_eq!(started["execution"]["status"], "IN_PROGRESS");
        assert_eq!(started["execution"]["versionNumber"], 2);
    }
}

#[tokio::test]
async fn d11_cancelling_a_queued_deployment_empties_the_queue() {
    let t = TestFleet::with_core().await;
    let (job, id) = deploy(&t, "G").await;
    t.sent();
    t.fleet.cancel_deployment(request(json!({"deploymentId": id}))).await.unwrap();
    assert_eq!(t.sent_to(&format!("notify-{NS}")), [json!({"timestamp": NOW_S, "jobs": {}})]);
    assert_eq!(deployment_status(&t, &id).await, "CANCELED");
    let described = t.job(&format!("{job}/{NS}/get"), json!({})).await.payload;
    assert_eq!(described["code"], "TerminalStateReached");
    assert_eq!(effective(&t).await[0]["coreDeviceExecutionStatus"], "CANCELED");
}

#[tokio::test]
async fn a_running_execution_outlives_the_cancelling_of_its_deployment() {
    let t = TestFleet::with_core().await;
    let (job, id) = deploy(&t, "G").await;
    update(&t, &job, json!({"status": "IN_PROGRESS"})).await;
    t.fleet.cancel_deployment(request(json!({"deploymentId": id}))).await.unwrap();
    assert!(t.sent().is_empty(), "an empty list would make the device cancel");
    update(&t, &job, json!({"status": "SUCCEEDED"})).await;
    assert_eq!(effective(&t).await[0]["coreDeviceExecutionStatus"], "SUCCEEDED");
    assert_eq!(deployment_status(&t, &id).await, "CANCELED");
}

#[tokio::test]
async fn d11b_the_job_in_progress_comes_before_what_is_queued() {
    let t = TestFleet::with_core().await;
    t.add_group("H", None).await;
    t.join("core1", "H").await;
    let (first, _) = deploy(&t, "G").await;
    update(&t, &first, json!({"status": "IN_PROGRESS"})).await;
    let (second, _) = deploy(&t, "H").await;
    assert_eq!(t.sent_to(&format!("notify-next-{NS}")), Vec::<Value>::new());
    assert_eq!(next(&t).await["execution"]["jobId"], first);
    let sent = update(&t, &first, json!({"status": "SUCCEEDED"})).await;
    assert!(sent[0].topic.ends_with("/update/accepted"));
    assert_eq!(sent[1].payload["jobs"]["QUEUED"][0]["jobId"], second);
    assert_eq!(sent[2].payload["execution"]["jobId"], second);
    assert_eq!(next(&t).await["execution"]["jobId"], second);
}

#[tokio::test]
async fn d12_a_new_revision_is_queued_later_than_the_one_it_replaces() {
    let t = TestFleet::with_core().await;
    let (first, _) = deploy(&t, "G").await;
    update(&t, &first, json!({"status": "IN_PROGRESS"})).await;
    let (second, _) = deploy(&t, "G").await;
    let notified = t.sent_to(&format!("notify-{NS}"));
    assert_eq!(notified.len(), 1, "one notification lists only the new one");
    assert_eq!(notified[0]["jobs"]["QUEUED"][0]["jobId"], second);
    assert_eq!(notified[0]["jobs"]["QUEUED"][0]["queuedAt"], NOW_S + 1);
    assert!(notified[0]["jobs"].get("IN_PROGRESS").is_none());
    let sent = update(&t, &first, json!({"status": "SUCCEEDED"})).await;
    assert_eq!(sent[0].payload["executionState"]["status"], "CANCELED");
    let document = &next(&t).await["execution"]["jobDocument"];
    assert_eq!(document["creationTimestamp"], NOW_S * 1000 + 1);
}

#[tokio::test]
async fn a17_a_failure_tells_its_reason_and_codes() {
    let t = TestFleet::with_core().await;
    let (job, _) = deploy(&t, "G").await;
    let details = json!({
        "detailed-deployment-status": "FAILED_ROLLBACK_NOT_REQUESTED",
        "deployment-failure-cause": "exit code 1",
        "deployment-error-stack": "[\"DEPLOYMENT_FAILURE\",\"COMPONENT_UPDATE_ERROR\",\"COMPONENT_BROKEN\"]",
        "deployment-error-types": "[\"USER_COMPONENT_ERROR\"]",
    });
    update(&t, &job, json!({"status": "FAILED", "statusDetails": details})).await;
    let row = &effective(&t).await[0];
    assert_eq!(row["coreDeviceExecutionStatus"], "FAILED");
    assert_eq!(row["reason"], "COMPONENT_BROKEN: FAILED_ROLLBACK_NOT_REQUESTED: exit code 1");
    assert_eq!(row["statusDetails"]["errorTypes"], json!(["USER_COMPONENT_ERROR"]));
    assert_eq!(row["statusDetails"]["errorStack"].as_array().unwrap().len(), 3);
    assert_eq!(row["deploymentName"], "");
}

#[tokio::test]
async fn replies_to_updates_leave_out_details_that_lite_could_not_read() {
    let t = TestFleet::with_core().await;
    let (job, _) = deploy(&t, "G").await;
    let details = json!({"deployment-failure-cause": "x".repeat(1000)});
    update(&t, &job, json!({"status": "FAILED", "statusDetails": details})).await;
    let sent = update(&t, &job, json!({"status": "FAILED"})).await;
    assert_eq!(sent[0].payload["code"], "InvalidStateTransition");
    assert!(sent[0].payload.to_string().len() < 800);
}

#[tokio::test]
async fn joining_and_leaving_a_group_fills_and_empties_the_queue() {
    let t = TestFleet::with_core().await;
    t.add_group("Parent", None).await;
    t.add_group("Child", Some("Parent")).await;
    let (job, _) = deploy(&t, "Parent").await;
    assert!(next(&t).await.get("execution").is_none());
    t.join("core1", "Child").await;
    assert_eq!(t.sent_to(&format!("notify-{NS}"))[0]["jobs"]["QUEUED"][0]["jobId"], job);
    t.leave("core1", "Child").await;
    assert_eq!(t.sent_to(&format!("notify-{NS}")), [json!({"timestamp": NOW_S, "jobs": {}})]);
    assert_eq!(effective(&t).await[0]["coreDeviceExecutionStatus"], "CANCELED");

    t.join("core1", "Child").await;
    let again = next(&t).await["execution"].clone();
    assert_eq!((&again["executionNumber"], &again["versionNumber"]), (&json!(2), &json!(1)));
    update(&t, &job, json!({"status": "SUCCEEDED"})).await;
    t.leave("core1", "Child").await;
    t.join("core1", "Child").await;
    assert_eq!(next(&t).await["execution"]["executionNumber"], 3);
}

#[tokio::test]
async fn a_membership_that_nobody_told_of_is_made_good_at_the_next_start() {
    let t = TestFleet::with_core().await;
    let (job, _) = deploy(&t, "G").await;
    let mut tx = t.store.begin().await.unwrap();
    tx.delete_membership("G", "core1").await.unwrap();
    tx.commit().await.unwrap();
    let t = t.restart().await;
    assert!(next(&t).await.get("execution").is_none());
    let mut tx = t.store.begin().await.unwrap();
    tx.insert_membership("G", "core1").await.unwrap();
    tx.commit().await.unwrap();
    let t = t.restart().await;
    assert_eq!(next(&t).await["execution"]["jobId"], job);
}
