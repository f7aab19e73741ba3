//! Changing, ending and listing jobs, and the calls of `iot-jobs-data`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::{NOW_S, TestFleet, request, wire};

fn arn(target: &str) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:{target}")
}

/// Two things of a group `G`, and a job of the group.
async fn with_job(members: Value) -> TestFleet {
    let t = TestFleet::with_core().await;
    t.add_thing("core2").await;
    t.join("core2", "G").await;
    make(&t, "j", members).await;
    t.sent();
    t
}

async fn make(t: &TestFleet, id: &str, members: Value) {
    let mut asked = json!({"jobId": id, "targets": [arn("thinggroup/G")], "document": "{\"n\":1}"});
    for (name, value) in members.as_object().unwrap() {
        asked[name] = value.clone();
    }
    t.fleet.create_job(request(asked)).await.unwrap();
}

async fn job(t: &TestFleet) -> Value {
    wire(&t.fleet.describe_job(request(json!({"jobId": "j"}))).await.unwrap())["job"].clone()
}

async fn status(t: &TestFleet, thing: &str) -> Value {
    let asked = json!({"jobId": "j", "thingName": thing});
    wire(&t.fleet.describe_job_execution(request(asked)).await.unwrap())["execution"]["status"]
        .clone()
}

async fn start(t: &TestFleet) -> Value {
    t.job("start-next", json!({})).await.payload["execution"].clone()
}

#[tokio::test]
async fn cancelling_leaves_what_runs_unless_forced() {
    for force in [false, true] {
        let t = with_job(json!({})).await;
        start(&t).await;
        let asked = json!({"jobId": "j", "reasonCode": "WHY", "comment": "so", "force": force});
        let canceled = t.fleet.cancel_job(request(asked.clone())).await.unwrap();
        assert_eq!(canceled.job_arn, arn("job/j"));
        let described = job(&t).await;
        assert_eq!(described["status"], "CANCELED");
        assert_eq!(
            (&described["reasonCode"], &described["comment"]),
            (&json!("WHY"), &json!("so"))
        );
        assert_eq!(described.get("forceCanceled").is_some(), force);
        assert_eq!(status(&t, "core2").await, "CANCELED");
        let expected = if force { "CANCELED" } else { "IN_PROGRESS" };
        assert_eq!(status(&t, "core1").await, expected);
        let again = t.fleet.cancel_job(request(asked)).await.unwrap_err();
        assert_eq!(again.code, "InvalidRequestException");
    }
    let t = with_job(json!({})).await;
    let wrong = json!({"jobId": "j", "reasonCode": "why"});
    assert!(t.fleet.cancel_job(request(wrong)).await.unwrap_err().message.contains("reasonCode"));
}

#[tokio::test]
async fn deleting_takes_the_executions_along_and_frees_the_id() {
    let t = with_job(json!({"tags": [{"Key": "k", "Value": "v"}]})).await;
    let error = t.fleet.delete_job(request(json!({"jobId": "j"}))).await.unwrap_err();
    assert_eq!(error.code, "InvalidStateTransitionException");
    t.fleet.delete_job(request(json!({"jobId": "j", "force": true}))).await.unwrap();
    assert_eq!(t.sent_to("core1/jobs/notify"), [json!({"timestamp": NOW_S, "jobs": {}})]);
    let gone = t.fleet.describe_job(request(json!({"jobId": "j"}))).await.unwrap_err();
    assert_eq!(gone.code, "ResourceNotFoundException");
    assert!(t.store.read().await.unwrap().tags(&arn("job/j")).await.unwrap().is_empty());
    make(&t, "j", json!({})).await;
    assert_eq!(start(&t).await["executionNumber"], 1);
}

#[tokio::test]
async fn one_execution_is_cancelled_by_its_version_and_force() {
    let t = with_job(json!({})).await;
    start(&t).await;
    let cancel = async |members: Value| {
        let mut asked = json!({"jobId": "j", "thingName": "core1"});
        for (name, value) in members.as_object().unwrap() {
            asked[name] = value.clone();
        }
        let done = t.fleet.cancel_job_execution(request(asked)).await;
        done.err().map(|error| error.code)
    };
    assert_eq!(cancel(json!({})).await, Some("InvalidStateTransitionException"));
    let old = json!({"force": true, "expectedVersion": 1});
    assert_eq!(cancel(old).await, Some("VersionConflictException"));
    let details = json!({"a b": "x"});
    assert_eq!(
        cancel(json!({"force": true, "statusDetails": details})).await,
        Some("InvalidRequestException")
    );
    let right = json!({"force": true, "expectedVersion": 2, "statusDetails": {"by": "hand"}});
    assert_eq!(cancel(right).await, None);
    let asked = json!({"jobId": "j", "thingName": "core1"});
    let described = wire(&t.fleet.describe_job_execution(request(asked)).await.unwrap());
    assert_eq!(described["execution"]["forceCanceled"], true);
    assert_eq!(described["execution"]["statusDetails"]["detailsMap"], json!({"by": "hand"}));
    assert_eq!(cancel(json!({"force": true})).await, Some("InvalidStateTransitionException"));
    let asked = json!({"jobId": "j", "thingName": "core2"});
    t.fleet.cancel_job_execution(request(asked)).await.unwrap();
    assert_eq!(job(&t).await["status"], "COMPLETED", "nothing of it is pending");
}

#[tokio::test]
async fn a_deleted_execution_counts_for_nothing() {
    let abort = json!({"criteriaList": [{
        "failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 50,
        "minNumberOfExecutedThings": 2,
    }]});
    let t = with_job(json!({"abortConfig": abort})).await;
    let delete = async |number: &str, force: bool| {
        let asked = json!({"jobId": "j", "thingName": "core1", "executionNumber": number,
                           "force": force});
        let done = t.fleet.delete_job_execution(request(asked)).await;
        done.err().map(|error| error.code)
    };
    assert_eq!(delete("1", false).await, Some("InvalidStateTransitionException"));
    assert_eq!(delete("2", false).await, Some("ResourceNotFoundException"));
    t.job("j/update", json!({"status": "FAILED"})).await;
    assert_eq!(delete("1", false).await, None);
    let topic = "$aws/things/core2/jobs/j/update";
    t.fleet.jobs_request("core2", "core2", topic, br#"{"status":"FAILED"}"#).await;
    let described = job(&t).await;
    assert_eq!(described["status"], "COMPLETED", "one execution is too few to give up");
    assert_eq!(described["jobProcessDetails"]["numberOfFailedThings"], 1);
}

#[tokio::test]
async fn an_update_changes_the_pace_at_once_and_timers_for_what_begins_later() {
    let t = with_job(json!({
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 1},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 2},
        ]},
    }))
    .await;
    assert_eq!(job(&t).await["isConcurrent"], true);
    start(&t).await;
    let update = async |members: Value| {
        let mut asked = json!({"jobId": "j"});
        for (name, value) in members.as_object().unwrap() {
            asked[name] = value.clone();
        }
        t.fleet.update_job(request(asked)).await.map(drop)
    };
    let retries = |count: i64| {
        json!({"jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": count},
        ]}})
    };
    assert!(update(retries(1)).await.unwrap_err().message.contains("Retries"));
    update(json!({
        "description": "new",
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 1000},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 10},
    }))
    .await
    .unwrap();
    update(retries(0)).await.unwrap();
    let told = t.sent().iter().any(|sent| sent.topic == "$aws/things/core2/jobs/notify-next");
    assert!(told, "the new pace has room for it");
    let described = job(&t).await;
    assert_eq!(described["description"], "new");
    assert_eq!(described["jobExecutionsRolloutConfig"], json!({"maximumPerMinute": 1000}));
    assert_eq!(described["isConcurrent"], false);
    t.clock.advance(Duration::from_secs(60));
    t.fleet.tick().await.unwrap();
    assert_eq!(status(&t, "core1").await, "TIMED_OUT", "it began under the old timer");
    let topic = "$aws/things/core2/jobs/j/update";
    t.fleet.jobs_request("core2", "core2", topic, br#"{"status":"FAILED"}"#).await;
    assert_eq!(status(&t, "core2").await, "FAILED", "there are no retries any more");
    assert!(update(json!({"description": "late"})).await.is_err(), "it is over");
}

#[tokio::test]
async fn targets_are_added_to_a_continuous_job_only() {
    let t = with_job(json!({})).await;
    make(&t, "c", json!({"targetSelection": "CONTINUOUS"})).await;
    t.add_thing("other").await;
    let add = async |job: &str, target: String| {
        let asked = json!({"jobId": job, "targets": [target], "comment": "more"});
        t.fleet.associate_targets_with_job(request(asked)).await
    };
    assert_eq!(add("j", arn("thing/other")).await.unwrap_err().code, "InvalidRequestException");
    let missing = add("c", arn("thing/nobody")).await.unwrap_err();
    assert_eq!(missing.code, "ResourceNotFoundException");
    add("c", arn("thing/other")).await.unwrap();
    assert_eq!(t.sent_to("other/jobs/notify-next").len(), 1);
    let described = t.fleet.describe_job(request(json!({"jobId": "c"}))).await.unwrap().job;
    assert_eq!(described.targets, [arn("thing/other"), arn("thinggroup/G")]);
    assert_eq!(described.comment.as_deref(), Some("more"));

    let mut many = Vec::new();
    for number in 0..99 {
        t.add_thing(&format!("t{number}")).await;
        many.push(arn(&format!("thing/t{number}")));
    }
    let asked = json!({"jobId": "c", "targets": many});
    let error = t.fleet.associate_targets_with_job(request(asked)).await.unwrap_err();
    assert_eq!((error.code, error.status), ("LimitExceededException", 410));
    let described = t.fleet.describe_job(request(json!({"jobId": "c"}))).await.unwrap().job;
    assert_eq!(described.targets.len(), 2, "none of them was added");
}

#[tokio::test]
async fn a_deployments_job_is_seen_and_left_to_its_deployment() {
    let t = with_job(json!({})).await;
    let asked = json!({"targetArn": arn("thinggroup/G")});
    let made = t.fleet.create_deployment(request(asked)).await.unwrap();
    let carried = made.iot_job_id.unwrap();
    let error = t.fleet.cancel_job(request(json!({"jobId": carried}))).await.unwrap_err();
    assert!(error.message.contains(&made.deployment_id), "{error}");
    let list = async |members: Value| {
        let listed = t.fleet.list_jobs(request(members)).await.unwrap();
        let ids = listed.jobs.iter().map(|job| job.job_id.clone()).collect::<Vec<_>>();
        (ids, listed.next_token)
    };
    let (mut all, _) = list(json!({})).await;
    all.sort();
    let mut both = vec!["j".to_owned(), carried.clone()];
    both.sort();
    assert_eq!(all, both);
    let namespace = json!({"namespaceId": "aws-gg-deployment"});
    assert_eq!(list(namespace).await.0, std::slice::from_ref(&carried));
    assert_eq!(list(json!({"targetSelection": "SNAPSHOT"})).await.0, ["j"]);
    assert_eq!(list(json!({"thingGroupName": "G", "status": "IN_PROGRESS"})).await.0.len(), 2);
    assert_eq!(list(json!({"thingGroupId": "id-G"})).await.0.len(), 2);
    let (first, token) = list(json!({"maxResults": 1})).await;
    let (second, end) = list(json!({"maxResults": 1, "nextToken": token})).await;
    assert_eq!((first.len(), second.len(), end), (1, 1, None));
    for bad in [json!({"status": "X"}), json!({"maxResults": 251}), json!({"nextToken": "?"})] {
        assert!(t.fleet.list_jobs(request(bad.clone())).await.is_err(), "{bad}");
    }
    let nowhere = json!({"thingGroupName": "Nope"});
    assert_eq!(
        t.fleet.list_jobs(request(nowhere)).await.unwrap_err().code,
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn a28_over_https_the_document_is_a_text_and_comes_when_asked() {
    let t = with_job(json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 2}})).await;
    let thing = json!({"thingName": "core1"});
    let pending = t.fleet.pending_job_executions(request(thing.clone())).await.unwrap();
    assert_eq!((pending.in_progress_jobs.len(), pending.queued_jobs.len()), (0, 1));
    let started = t.fleet.start_next_job_execution(request(thing)).await.unwrap();
    let started = started.execution.unwrap();
    assert_eq!(started.job_document.as_deref(), Some("{\"n\":1}"));
    assert_eq!(started.approximate_seconds_before_timed_out, Some(120));
    let describe = async |members: Value| {
        let asked = request(members);
        let described = t.fleet.describe_pending_job_execution(asked).await;
        described.map(|answer| answer.execution).map_err(|error| (error.code, error.status))
    };
    let next = json!({"thingName": "core1", "jobId": "$next"});
    assert_eq!(describe(next.clone()).await.unwrap().unwrap().job_document, None);
    let with = json!({"thingName": "core1", "jobId": "j", "includeJobDocument": true});
    let over_mqtt = t.job("j/get", json!({})).await.payload;
    assert!(over_mqtt["execution"]["jobDocument"].is_object());
    assert!(describe(with.clone()).await.unwrap().unwrap().job_document.is_some());

    let update = async |members: Value| {
        let mut asked = json!({"thingName": "core1", "jobId": "j", "status": "SUCCEEDED"});
        for (name, value) in members.as_object().unwrap() {
            asked[name] = value.clone();
        }
        let done = t.fleet.update_job_execution(request(asked)).await;
        done.map(|answer| wire(&answer)).map_err(|error| (error.code, error.status))
    };
    let conflict = ("InvalidStateTransitionException", 409);
    assert_eq!(update(json!({"expectedVersion": 1})).await.unwrap_err(), conflict);
    let wrong = ("InvalidRequestException", 400);
    assert_eq!(update(json!({"status": "DONE"})).await.unwrap_err(), wrong);
    assert_eq!(update(json!({"stepTimeoutInMinutes": 0})).await.unwrap_err(), wrong);
    let missing = ("ResourceNotFoundException", 404);
    assert_eq!(update(json!({"executionNumber": 2})).await.unwrap_err(), missing);
    let state = json!({"includeJobExecutionState": true, "includeJobDocument": true,
                       "statusDetails": {"k": "v"}});
    assert_eq!(
        update(state).await.unwrap(),
        json!({"executionState": {"status": "SUCCEEDED", "statusDetails": {"k": "v"},
                                  "versionNumber": 3},
               "jobDocument": "{\"n\":1}"})
    );
    assert_eq!(update(json!({})).await.unwrap_err(), conflict);
    assert_eq!(describe(with).await.unwrap_err(), ("TerminalStateException", 410));
    assert_eq!(describe(next).await, Ok(None));
    let nobody = json!({"thingName": "nobody", "jobId": "$next"});
    assert_eq!(describe(nobody).await.unwrap_err(), missing);
}
