//! Jobs that people make, from their making to their end.

use std::time::Duration;

use marram_aws::ApiError;
use serde_json::{Value, json};

use crate::testing::{NOW_S, Sent, TestFleet, request, wire};

fn arn(target: &str) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:{target}")
}

/// Makes a job of `core1` with these members beside.
async fn make(t: &TestFleet, id: &str, members: Value) -> Result<Value, ApiError> {
    let mut asked = json!({"jobId": id, "targets": [arn("thing/core1")], "document": "{\"n\":1}"});
    for (name, value) in members.as_object().unwrap() {
        asked[name] = value.clone();
    }
    t.fleet.create_job(request(asked)).await.map(|made| wire(&made))
}

async fn job(t: &TestFleet, id: &str) -> Value {
    wire(&t.fleet.describe_job(request(json!({"jobId": id}))).await.unwrap())["job"].clone()
}

async fn execution(t: &TestFleet, job: &str, thing: &str) -> Value {
    let asked = json!({"jobId": job, "thingName": thing});
    wire(&t.fleet.describe_job_execution(request(asked)).await.unwrap())["execution"].clone()
}

async fn next(t: &TestFleet) -> Value {
    t.job("$next/get", json!({})).await.payload["execution"].clone()
}

async fn update(t: &TestFleet, job: &str, payload: Value) -> Vec<Sent> {
    t.job_raw(&format!("{job}/update"), payload.to_string().as_bytes()).await
}

async fn pass(t: &TestFleet, minutes: u64) {
    t.clock.advance(Duration::from_secs(minutes * 60));
    t.fleet.tick().await.unwrap();
}

#[tokio::test]
async fn a_job_is_announced_done_and_completed() {
    let t = TestFleet::with_core().await;
    let made = make(&t, "j1", json!({"description": "d"})).await.unwrap();
    assert_eq!(made, json!({"jobArn": arn("job/j1"), "jobId": "j1", "description": "d"}));
    let sent = t.sent();
    let topics: Vec<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(topics, ["$aws/things/core1/jobs/notify", "$aws/things/core1/jobs/notify-next"]);
    assert_eq!(sent[0].payload["jobs"]["QUEUED"][0]["jobId"], "j1");
    assert_eq!(sent[1].payload["execution"]["jobDocument"], json!({"n": 1}));

    let started = t.job("start-next", json!({"statusDetails": {"step": "1"}})).await.payload;
    assert_eq!(started["execution"]["statusDetails"], json!({"step": "1"}));
    assert_eq!(job(&t, "j1").await["jobProcessDetails"]["numberOfInProgressThings"], 1);
    let sent = update(&t, "j1", json!({"status": "SUCCEEDED"})).await;
    assert_eq!(sent[1].payload, json!({"timestamp": NOW_S, "jobs": {}}));
    let described = job(&t, "j1").await;
    assert_eq!(described["status"], "COMPLETED");
    assert_eq!(described["completedAt"], NOW_S);
    assert_eq!(described["targetSelection"], "SNAPSHOT");
    assert_eq!(described["jobProcessDetails"]["numberOfSucceededThings"], 1);
}

#[tokio::test]
async fn each_namespace_has_its_own_jobs() {
    let t = TestFleet::with_core().await;
    make(&t, "plain", json!({})).await.unwrap();
    make(&t, "own", json!({"namespaceId": "own"})).await.unwrap();
    let error = make(&t, "gg", json!({"namespaceId": "aws-gg-deployment"})).await.unwrap_err();
    assert_eq!(error.code, "InvalidRequestException");
    let sent = t.sent();
    assert!(sent.iter().any(|sent| sent.topic.ends_with("/jobs/notify-namespace-own")));
    assert_eq!(next(&t).await["jobId"], "plain");
    let own = t.job("$next/namespace-own/get", json!({})).await.payload;
    assert_eq!(own["execution"]["jobId"], "own");
    let hidden = t.job("own/get", json!({})).await.payload;
    assert_eq!(hidden["code"], "ResourceNotFound");
    let deployments = t.job("namespace-aws-gg-deployment/get", json!({})).await.payload;
    assert_eq!(deployments["queuedJobs"], json!([]));
}

#[tokio::test]
async fn a_document_may_come_from_s3_and_stays_as_it_was() {
    let t = TestFleet::with_core().await;
    t.put_object("bkt", "doc.json", b"{\"from\":\"s3\"}").await;
    let source = json!({"document": null, "documentSource": "s3://bkt/doc.json"});
    make(&t, "j", source.clone()).await.unwrap();
    t.put_object("bkt", "doc.json", b"{}").await;
    assert_eq!(next(&t).await["jobDocument"], json!({"from": "s3"}));
    let document = t.fleet.get_job_document(request(json!({"jobId": "j"}))).await.unwrap();
    assert_eq!(document.document, "{\"from\":\"s3\"}");
    let described = t.fleet.describe_job(request(json!({"jobId": "j"}))).await.unwrap();
    assert_eq!(described.document_source.as_deref(), Some("s3://bkt/doc.json"));
    let missing = json!({"document": null, "documentSource": "s3://bkt/other.json"});
    let error = make(&t, "k", missing).await.unwrap_err();
    assert!(error.message.contains("documentSource"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_and_named() {
    let t = TestFleet::with_core().await;
    make(&t, "taken", json!({})).await.unwrap();
    t.sent();
    let nobody = arn("thing/nobody");
    let retries = json!({"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 11}]});
    for (id, members, code, named) in [
        ("taken", json!({}), "ResourceAlreadyExistsException", "taken"),
        ("a b", json!({}), "InvalidRequestException", "jobId"),
        ("j", json!({"targets": []}), "InvalidRequestException", "targets"),
        ("j", json!({"targets": [nobody]}), "ResourceNotFoundException", "nobody"),
        ("j", json!({"targets": ["core1"]}), "InvalidRequestException", "targets"),
        ("j", json!({"document": null}), "InvalidRequestException", "document"),
        ("j", json!({"documentSource": "s3://b/k"}), "InvalidRequestException", "document"),
        ("j", json!({"document": "[1]"}), "InvalidRequestException", "document"),
        ("j", json!({"document": "{"}), "InvalidRequestException", "document"),
        ("j", json!({"targetSelection": "SOME"}), "InvalidRequestException", "targetSelection"),
        ("j", json!({"schedulingConfig": {}}), "InvalidRequestException", "schedulingConfig"),
        ("j", json!({"jobTemplateArn": "arn:x"}), "InvalidRequestException", "jobTemplateArn"),
        (
            "j",
            json!({"document": "{\"u\":\"${aws:iot:s3-presigned-url:https://s3/b/k}\"}"}),
            "InvalidRequestException",
            "presigned",
        ),
        ("j", json!({"jobExecutionsRetryConfig": retries}), "InvalidRequestException", "Retries"),
        ("j", json!({"tags": [{"Key": "", "Value": ""}]}), "InvalidRequestException", "tags"),
    ] {
        let error = make(&t, id, members.clone()).await.unwrap_err();
        assert_eq!(error.code, code, "{members}: {error}");
        assert!(error.message.contains(named), "{members}: {error}");
    }
    let large = json!({"document": format!("{{\"a\":\"{}\"}}", "x".repeat(32_768))});
    assert!(make(&t, "j", large).await.unwrap_err().message.contains("32768"));
    assert!(t.sent().is_empty());
}

#[tokio::test]
async fn a_failed_or_late_attempt_is_repeated_as_often_as_allowed() {
    let t = TestFleet::with_core().await;
    let configuration = json!({
        "timeoutConfig": {"inProgressTimeoutInMinutes": 5},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 1},
            {"failureType": "TIMED_OUT", "numberOfRetries": 1},
        ]},
    });
    make(&t, "j", configuration).await.unwrap();
    update(&t, "j", json!({"status": "IN_PROGRESS"})).await;
    let sent = update(&t, "j", json!({"status": "FAILED", "includeJobExecutionState": true})).await;
    assert_eq!(sent[0].payload["executionState"]["status"], "FAILED");
    assert_eq!(sent[1].payload["jobs"]["QUEUED"][0]["executionNumber"], 2);
    assert_eq!(sent[2].payload["execution"]["executionNumber"], 2);

    update(&t, "j", json!({"status": "IN_PROGRESS"})).await;
    pass(&t, 5).await;
    let row = execution(&t, "j", "core1").await;
    assert_eq!((&row["status"], &row["executionNumber"]), (&json!("QUEUED"), &json!(3)));
    let asked = json!({"jobId": "j"});
    let listed = wire(&t.fleet.list_job_executions_for_job(request(asked)).await.unwrap());
    let listed = &listed["executionSummaries"][0];
    assert_eq!(listed["thingArn"], arn("thing/core1"));
    assert_eq!(listed["jobExecutionSummary"]["retryAttempt"], 2);
    assert_eq!(job(&t, "j").await["status"], "IN_PROGRESS");

    update(&t, "j", json!({"status": "FAILED"})).await;
    assert_eq!(execution(&t, "j", "core1").await["status"], "FAILED");
    assert_eq!(job(&t, "j").await["status"], "COMPLETED");
}

#[tokio::test]
async fn a26d_repeated_failures_end_the_job_before_its_retries() {
    let t = TestFleet::with_core().await;
    let configuration = json!({
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "ALL", "numberOfRetries": 10},
        ]},
        "abortConfig": {"criteriaList": [{
            "failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 50,
            "minNumberOfExecutedThings": 2,
        }]},
    });
    make(&t, "j", configuration).await.unwrap();
    update(&t, "j", json!({"status": "FAILED"})).await;
    assert_eq!(next(&t).await["executionNumber"], 2);
    update(&t, "j", json!({"status": "FAILED"})).await;
    assert!(next(&t).await.is_null());
    let described = job(&t, "j").await;
    assert_eq!(described["status"], "CANCELED");
    assert_eq!(described["reasonCode"], "ABORT_CRITERIA_MET");
}

#[tokio::test]
async fn a_step_timer_ends_an_execution() {
    let t = TestFleet::with_core().await;
    make(&t, "j", json!({})).await.unwrap();
    for minutes in [0, -2, 10_081] {
        let sent = update(
            &t,
            "j",
            json!({
                "status": "IN_PROGRESS", "stepTimeoutInMinutes": minutes,
            }),
        );
        assert_eq!(sent.await[0].payload["code"], "InvalidRequest", "{minutes}");
    }
    t.job("start-next", json!({"stepTimeoutInMinutes": 2})).await;
    pass(&t, 1).await;
    update(&t, "j", json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": 3})).await;
    pass(&t, 2).await;
    let row = execution(&t, "j", "core1").await;
    assert_eq!(
        (&row["status"], &row["approximateSecondsBeforeTimedOut"]),
        (&json!("IN_PROGRESS"), &json!(60))
    );
    pass(&t, 1).await;
    assert_eq!(execution(&t, "j", "core1").await["status"], "TIMED_OUT");
    assert_eq!(job(&t, "j").await["status"], "COMPLETED");
    let late = update(&t, "j", json!({"status": "SUCCEEDED"})).await;
    assert_eq!(late[0].payload["code"], "InvalidStateTransition");
}

#[tokio::test]
async fn a_continuous_job_follows_its_groups_and_a_snapshot_does_not() {
    let t = TestFleet::with_core().await;
    t.add_thing("core2").await;
    let group = json!([arn("thinggroup/G")]);
    let continuous = json!({"targets": group, "targetSelection": "CONTINUOUS"});
    make(&t, "c", continuous).await.unwrap();
    make(&t, "s", json!({"targets": group})).await.unwrap();
    update(&t, "c", json!({"status": "SUCCEEDED"})).await;
    assert_eq!(job(&t, "c").await["status"], "IN_PROGRESS");
    t.join("core2", "G").await;
    assert_eq!(execution(&t, "c", "core2").await["status"], "QUEUED");
    let asked = json!({"jobId": "s", "thingName": "core2"});
    assert!(t.fleet.describe_job_execution(request(asked)).await.is_err());
    t.leave("core2", "G").await;
    assert_eq!(execution(&t, "c", "core2").await["status"], "REMOVED");
    t.join("core2", "G").await;
    assert_eq!(execution(&t, "c", "core2").await["executionNumber"], 2);

    t.leave("core1", "G").await;
    assert_eq!(execution(&t, "s", "core1").await["status"], "QUEUED");
    t.join("core1", "G").await;
    assert_eq!(execution(&t, "c", "core1").await["status"], "SUCCEEDED", "it is done");
}

#[tokio::test]
async fn a_things_end_is_the_end_of_its_executions_even_if_nobody_told_of_it() {
    let t = TestFleet::with_core().await;
    make(&t, "s", json!({})).await.unwrap();
    let continuous = json!({"targets": [arn("thinggroup/G")], "targetSelection": "CONTINUOUS"});
    make(&t, "c", continuous).await.unwrap();
    let mut tx = t.store.begin().await.unwrap();
    tx.delete_membership("G", "core1").await.unwrap();
    tx.delete_thing("core1").await.unwrap();
    tx.commit().await.unwrap();
    let t = t.restart().await;
    assert_eq!(execution(&t, "s", "core1").await["status"], "REMOVED");
    assert_eq!(execution(&t, "c", "core1").await["status"], "REMOVED");
    assert_eq!(job(&t, "s").await["status"], "COMPLETED");
}

#[tokio::test]
async fn executions_timers_and_roll_outs_outlive_the_process() {
    let t = TestFleet::with_core().await;
    t.add_thing("core2").await;
    t.join("core2", "G").await;
    let configuration = json!({
        "targets": [arn("thinggroup/G")],
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
    });
    make(&t, "j", configuration).await.unwrap();
    update(&t, "j", json!({"status": "IN_PROGRESS"})).await;
    let t = t.restart().await;
    t.clock.advance(Duration::from_secs(60));
    t.fleet.tick().await.unwrap();
    assert_eq!(execution(&t, "j", "core1").await["status"], "TIMED_OUT");
    let told = t.sent().iter().any(|sent| sent.topic == "$aws/things/core2/jobs/notify-next");
    assert!(told, "the second minute's thing is told");
    assert_eq!(job(&t, "j").await["isConcurrent"], false);
}

#[tokio::test]
async fn a_job_for_nobody_is_complete_at_once() {
    let t = TestFleet::with_core().await;
    t.add_group("empty", None).await;
    make(&t, "j", json!({"targets": [arn("thinggroup/empty")]})).await.unwrap();
    assert_eq!(job(&t, "j").await["status"], "COMPLETED");
}
