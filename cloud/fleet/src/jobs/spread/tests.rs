use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::{NOW_S, TestFleet, request, wire};

const NS: &str = "namespace-aws-gg-deployment";
const GROUP: &str = "arn:aws:iot:us-east-1:123456789012:thinggroup/G";

/// A fleet with things `core1` to `core<n>` in the group `G`.
async fn with_cores(count: usize) -> TestFleet {
    let t = TestFleet::with_core().await;
    for number in 2..=count {
        let name = format!("core{number}");
        t.add_thing(&name).await;
        t.join(&name, "G").await;
    }
    t.sent();
    t
}

/// Deploys with a job configuration; gives the job and the deployment.
async fn deploy(t: &TestFleet, configuration: Value) -> (String, String) {
    let asked = json!({"targetArn": GROUP, "iotJobConfiguration": configuration});
    let made = t.fleet.create_deployment(request(asked)).await.unwrap();
    (made.iot_job_id.unwrap(), made.deployment_id)
}

/// The things that were told of a job since the last call.
fn told(t: &TestFleet) -> usize {
    t.sent().iter().filter(|sent| sent.topic.ends_with(&format!("/notify-next-{NS}"))).count()
}

async fn pass(t: &TestFleet, seconds: u64) -> usize {
    t.clock.advance(Duration::from_secs(seconds));
    t.fleet.tick().await.unwrap();
    told(t)
}

async fn update(t: &TestFleet, thing: &str, job: &str, status: &str) -> Value {
    t.sent();
    let topic = format!("$aws/things/{thing}/jobs/{job}/{NS}/update");
    let payload = json!({ "status": status }).to_string();
    t.fleet.jobs_request(thing, thing, &topic, payload.as_bytes()).await;
    t.sent().remove(0).payload
}

async fn job(t: &TestFleet, id: &str) -> Value {
    wire(&t.fleet.describe_job(request(json!({"jobId": id}))).await.unwrap())["job"].clone()
}

async fn execution(t: &TestFleet, job: &str, thing: &str) -> Value {
    let asked = json!({"jobId": job, "thingName": thing});
    wire(&t.fleet.describe_job_execution(request(asked)).await.unwrap())["execution"].clone()
}

async fn deployment_status(t: &TestFleet, id: &str) -> Value {
    let asked = json!({ "deploymentId": id });
    wire(&t.fleet.get_deployment(request(asked)).await.unwrap())["deploymentStatus"].clone()
}

fn at_most(per_minute: i64) -> Value {
    json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": per_minute}})
}

#[tokio::test]
async fn a26c_devices_are_told_at_the_pace_of_the_job() {
    let t = with_cores(25).await;
    let (job_id, _) = deploy(
        &t,
        json!({"jobExecutionsRolloutConfig": {
            "maximumPerMinute": 12,
            "exponentialRate": {
                "baseRatePerMinute": 3,
                "incrementFactor": 2.0,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 3},
            },
        }}),
    )
    .await;
    assert_eq!(told(&t), 3);
    assert_eq!(pass(&t, 59).await, 0);
    assert_eq!(pass(&t, 1).await, 6);
    assert_eq!(pass(&t, 60).await, 12);
    assert_eq!(job(&t, &job_id).await["jobProcessDetails"]["numberOfQueuedThings"], 25);
    assert_eq!(pass(&t, 60).await, 4);
    assert_eq!(pass(&t, 60).await, 0);
}

#[tokio::test]
async fn a26c_a_restart_goes_on_at_the_same_pace() {
    let t = with_cores(5).await;
    deploy(&t, at_most(2)).await;
    assert_eq!(told(&t), 2);
    let t = t.restart().await;
    t.fleet.tick().await.unwrap();
    assert_eq!(told(&t), 0);
    assert_eq!(pass(&t, 60).await, 2);
    assert_eq!(pass(&t, 60).await, 1);
}

#[tokio::test]
async fn a26c_what_is_not_released_does_not_exist_for_the_device() {
    let t = with_cores(2).await;
    let (job_id, _) = deploy(&t, at_most(1)).await;
    let (first, second) = ("core1", "core2");
    let refused = update(&t, second, &job_id, "IN_PROGRESS").await;
    assert_eq!(refused["code"], "ResourceNotFound");
    t.fleet
        .jobs_request(second, second, &format!("$aws/things/{second}/jobs/$next/{NS}/get"), b"{}")
        .await;
    assert!(t.sent()[0].payload.get("execution").is_none());
    assert_eq!(execution(&t, &job_id, second).await["status"], "QUEUED");
    assert!(update(&t, first, &job_id, "SUCCEEDED").await.get("code").is_none());

    t.leave(second, "G").await;
    assert_eq!(execution(&t, &job_id, second).await["status"], "REMOVED");
    assert_eq!(pass(&t, 60).await, 0);
}

#[tokio::test]
async fn a26c_who_joins_later_waits_like_the_others() {
    let t = with_cores(1).await;
    let (job_id, _) = deploy(&t, at_most(1)).await;
    t.add_thing("late").await;
    t.join("late", "G").await;
    assert_eq!(told(&t), 1, "core1 only");
    assert_eq!(pass(&t, 60).await, 1);
    assert!(update(&t, "late", &job_id, "SUCCEEDED").await.get("code").is_none());
}

#[tokio::test]
async fn a26d_too_many_failures_cancel_the_rest() {
    let t = with_cores(6).await;
    let criteria = json!([{"failureType": "FAILED", "action": "CANCEL",
                           "thresholdPercentage": 50.0, "minNumberOfExecutedThings": 4}]);
    let (job_id, id) = deploy(&t, json!({"abortConfig": {"criteriaList": criteria}})).await;
    update(&t, "core5", &job_id, "IN_PROGRESS").await;
    for (thing, status) in [("core1", "FAILED"), ("core2", "SUCCEEDED"), ("core3", "FAILED")] {
        update(&t, thing, &job_id, status).await;
        assert_eq!(job(&t, &job_id).await["status"], "IN_PROGRESS");
    }
    update(&t, "core4", &job_id, "SUCCEEDED").await;
    assert_eq!(job(&t, &job_id).await["status"], "CANCELED");
    assert_eq!(deployment_status(&t, &id).await, "CANCELED");
    assert_eq!(execution(&t, &job_id, "core6").await["status"], "CANCELED");
    assert_eq!(execution(&t, &job_id, "core5").await["status"], "IN_PROGRESS");
    assert!(update(&t, "core5", &job_id, "SUCCEEDED").await.get("code").is_none());
}

#[tokio::test]
async fn a26d_an_aborted_job_releases_nothing_more() {
    let t = with_cores(3).await;
    let mut configuration = at_most(1);
    configuration["abortConfig"] = json!({"criteriaList": [{
        "failureType": "ALL", "action": "CANCEL",
        "thresholdPercentage": 1.0, "minNumberOfExecutedThings": 1}]});
    let (job_id, _) = deploy(&t, configuration).await;
    update(&t, "core1", &job_id, "REJECTED").await;
    assert_eq!(pass(&t, 60).await, 0);
    assert_eq!(job(&t, &job_id).await["jobProcessDetails"]["numberOfCanceledThings"], 2);
}

#[tokio::test]
async fn a_device_that_takes_too_long_has_timed_out() {
    let t = with_cores(2).await;
    let configuration = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10}});
    let (job_id, _) = deploy(&t, configuration).await;
    update(&t, "core1", &job_id, "IN_PROGRESS").await;
    let running = execution(&t, &job_id, "core1").await;
    assert_eq!(running["approximateSecondsBeforeTimedOut"], 600);
    pass(&t, 300).await;
    update(&t, "core1", &job_id, "IN_PROGRESS").await;
    pass(&t, 299).await;
    assert_eq!(execution(&t, &job_id, "core1").await["status"], "IN_PROGRESS");
    assert_eq!(pass(&t, 1).await, 1, "the device is told that nothing is pending any more");
    let over = execution(&t, &job_id, "core1").await;
    assert_eq!((&over["status"], &over["versionNumber"]), (&"TIMED_OUT".into(), &4.into()));
    assert_eq!(execution(&t, &job_id, "core2").await["status"], "QUEUED");
    let late = update(&t, "core1", &job_id, "SUCCEEDED").await;
    assert_eq!(late["code"], "InvalidStateTransition");
    assert_eq!(over["startedAt"], NOW_S);
}
