use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use serde_json::{Value, json};

use super::*;
use crate::testing::{TestFleet, request, wire};

const GROUP: &str = "arn:aws:iot:us-east-1:123456789012:thinggroup/G";
const THING: &str = "arn:aws:iot:us-east-1:123456789012:thing/core1";

async fn create(t: &TestFleet, members: Value) -> Result<Value, ApiError> {
    t.fleet.create_deployment(request(members)).await.map(|answer| wire(&answer))
}

async fn get(t: &TestFleet, id: &Value) -> Value {
    wire(&t.fleet.get_deployment(request(json!({"deploymentId": id}))).await.unwrap())
}

fn components(version: &str) -> Value {
    json!({"com.example.Hello": {"componentVersion": version}})
}

#[tokio::test]
async fn a8_a_things_deployment_has_no_job() {
    let t = TestFleet::with_core().await;
    t.add_component("com.example.Hello", "1.0.0").await;
    let made =
        create(&t, json!({"targetArn": THING, "components": components("1.0.0")})).await.unwrap();
    assert!(made.get("iotJobId").is_none());
    let got = get(&t, &made["deploymentId"]).await;
    assert_eq!(got["revisionId"], "1");
    assert_eq!(got["deploymentStatus"], "ACTIVE");
    assert_eq!(got["isLatestForTarget"], true);
    assert_eq!(got["components"], components("1.0.0"));
    assert_eq!(
        got["deploymentPolicies"],
        json!({
            "failureHandlingPolicy": "ROLLBACK",
            "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
            "configurationValidationPolicy": {"timeoutInSeconds": 30},
        })
    );
}

#[tokio::test]
async fn a9_a_new_revision_takes_the_place_of_the_one_before() {
    let t = TestFleet::with_core().await;
    let first = create(&t, json!({"targetArn": GROUP, "deploymentName": "d1"})).await.unwrap();
    assert!(first["iotJobArn"].as_str().unwrap().contains(":job/"));
    let second = create(&t, json!({"targetArn": GROUP})).await.unwrap();
    assert_eq!(get(&t, &second["deploymentId"]).await["revisionId"], "2");
    let before = get(&t, &first["deploymentId"]).await;
    assert_eq!(before["deploymentStatus"], "CANCELED");
    assert_eq!(before["isLatestForTarget"], false);
    let list = |history: &str| {
        let asked = json!({"targetArn": GROUP, "historyFilter": history});
        t.fleet.list_deployments(request(asked))
    };
    assert_eq!(list("LATEST_ONLY").await.unwrap().deployments.len(), 1);
    let all = list("ALL").await.unwrap().deployments;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].revision_id, "2");
}

#[tokio::test]
async fn a10_merge_must_be_the_json_of_an_object() {
    let t = TestFleet::with_core().await;
    t.add_component("com.example.Hello", "1.0.0").await;
    let with = |update: Value| {
        let spec = json!({"componentVersion": "1.0.0", "configurationUpdate": update});
        create(&t, json!({"targetArn": GROUP, "components": {"com.example.Hello": spec}}))
    };
    for merge in ["not json", "[1]"] {
        let error = with(json!({"merge": merge})).await.unwrap_err();
        assert_eq!((error.code, error.status), ("ValidationException", 400));
        assert!(error.message.contains("merge"), "{error}");
    }
    assert!(with(json!({"reset": ["a"]})).await.is_err());
    with(json!({"reset": ["/a", ""], "merge": "{\"k\":{\"n\":1}}"})).await.unwrap();
    let document = &t.job("$next/namespace-aws-gg-deployment/get", json!({})).await.payload["execution"]
        ["jobDocument"];
    let update = &document["components"]["com.example.Hello"]["configurationUpdate"];
    assert_eq!(*update, json!({"merge": {"k": {"n": 1}}, "reset": ["/a", ""]}));
}

#[tokio::test]
async fn a11_an_active_deployment_is_cancelled_before_it_is_deleted() {
    let t = TestFleet::with_core().await;
    let id = create(&t, json!({"targetArn": GROUP})).await.unwrap()["deploymentId"].clone();
    let asked = || request(json!({"deploymentId": id}));
    let error = t.fleet.delete_deployment(asked()).await.unwrap_err();
    assert_eq!((error.code, error.status), ("ConflictException", 409));
    assert!(!t.fleet.cancel_deployment(asked()).await.unwrap().message.is_empty());
    assert_eq!(t.fleet.cancel_deployment(asked()).await.unwrap_err().status, 409);
    t.fleet.delete_deployment(asked()).await.unwrap();
    assert_eq!(t.fleet.get_deployment(asked()).await.unwrap_err().status, 404);
    let next = create(&t, json!({"targetArn": GROUP})).await.unwrap();
    assert_eq!(get(&t, &next["deploymentId"]).await["revisionId"], "2");
}

#[tokio::test]
async fn a12_an_unknown_target_or_component_is_named() {
    let t = TestFleet::with_core().await;
    let nope = "arn:aws:iot:us-east-1:123456789012:thinggroup/Nope";
    let error = create(&t, json!({"targetArn": nope})).await.unwrap_err();
    assert_eq!((error.code, error.status), ("ResourceNotFoundException", 404));
    assert_eq!(error.members["resourceId"], nope);
    assert_eq!(error.members["resourceType"], "thingGroup");
    let missing = create(&t, json!({"targetArn": GROUP, "components": components("1.0.0")})).await;
    assert_eq!(missing.unwrap_err().code, "ResourceNotFoundException");
    let foreign = "arn:aws:iot:us-east-1:999999999999:thinggroup/G";
    assert_eq!(create(&t, json!({"targetArn": foreign})).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn a13_a_subgroup_has_one_parent_whose_next_revision_replaces_it() {
    let t = TestFleet::with_core().await;
    t.add_group("S", None).await;
    t.add_group("H", None).await;
    let arn = |name: &str| format!("arn:aws:iot:us-east-1:123456789012:thinggroup/{name}");
    let error =
        create(&t, json!({"targetArn": THING, "parentTargetArn": GROUP})).await.unwrap_err();
    assert_eq!(error.status, 400);
    let sub = json!({"targetArn": arn("S"), "parentTargetArn": GROUP});
    let sub = create(&t, sub).await.unwrap();
    let other = json!({"targetArn": arn("S"), "parentTargetArn": arn("H")});
    assert_eq!(create(&t, other).await.unwrap_err().code, "ConflictException");
    create(&t, json!({"targetArn": GROUP})).await.unwrap();
    assert_eq!(get(&t, &sub["deploymentId"]).await["deploymentStatus"], "CANCELED");
}

#[tokio::test]
async fn one_client_token_makes_one_deployment() {
    let t = TestFleet::with_core().await;
    let asked = json!({"targetArn": GROUP, "clientToken": "t-1"});
    let first = create(&t, asked.clone()).await.unwrap();
    assert_eq!(create(&t, asked).await.unwrap(), first);
    assert_eq!(get(&t, &first["deploymentId"]).await["revisionId"], "1");
    let error = create(&t, json!({"targetArn": THING, "clientToken": "t-1"})).await.unwrap_err();
    assert_eq!(error.code, "ConflictException");
}

#[tokio::test]
async fn everything_outlives_a_restart() {
    let t = TestFleet::with_core().await;
    let made = create(&t, json!({"targetArn": GROUP})).await.unwrap();
    let t = t.restart().await;
    assert_eq!(get(&t, &made["deploymentId"]).await["deploymentStatus"], "ACTIVE");
    let next = t.job("$next/namespace-aws-gg-deployment/get", json!({})).await;
    assert_eq!(next.payload["execution"]["jobId"], made["iotJobId"]);
    assert_eq!(next.payload["execution"]["versionNumber"], 1);
}

#[tokio::test]
async fn a_rollout_is_checked_and_returned_as_it_was_sent() {
    let t = TestFleet::with_core().await;
    let rollout = json!({
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 10},
        "abortConfig": {"criteriaList": [{
            "failureType": "ALL",
            "action": "CANCEL",
            "thresholdPercentage": 12.5,
            "minNumberOfExecutedThings": 4,
        }]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 30},
    });
    let made =
        create(&t, json!({"targetArn": GROUP, "iotJobConfiguration": rollout})).await.unwrap();
    assert_eq!(get(&t, &made["deploymentId"]).await["iotJobConfiguration"], rollout);
    let job = t.fleet.describe_job(request(json!({"jobId": made["iotJobId"]}))).await.unwrap();
    let job = &wire(&job)["job"];
    for part in ["jobExecutionsRolloutConfig", "abortConfig", "timeoutConfig"] {
        assert_eq!(job[part], rollout[part]);
    }
    let bad = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}});
    let error =
        create(&t, json!({"targetArn": GROUP, "iotJobConfiguration": bad})).await.unwrap_err();
    assert!(error.message.contains("iotJobConfiguration.timeoutConfig"), "{error}");
    let error =
        create(&t, json!({"targetArn": THING, "iotJobConfiguration": {}})).await.unwrap_err();
    assert_eq!(error.status, 400);
}

#[tokio::test]
async fn a_deployment_may_pin_the_nucleus_that_devices_run() {
    let t = TestFleet::with_core().await;
    let pinned = |version: &str| {
        json!({"targetArn": GROUP, "components": {
            "aws.greengrass.Nucleus": {"componentVersion": version},
        }})
    };
    create(&t, pinned("2.17.0")).await.unwrap();
    assert_eq!(create(&t, pinned("2.9.0")).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn devices_are_told_of_what_was_committed_even_when_the_caller_goes_away() {
    let t = TestFleet::with_core().await;
    let (mut made, mut polls, mut finished) = (0, 1, 0);
    // How often a call waits depends on the store's thread, so one pass may miss the commit.
    while finished < 20 {
        let has_finished = {
            let mut call = pin!(create(&t, json!({"targetArn": GROUP})));
            let mut left = polls;
            poll_fn(|context| {
                left -= 1;
                match call.as_mut().poll(context) {
                    Poll::Ready(_) => Poll::Ready(true),
                    Poll::Pending if left == 0 => Poll::Ready(false),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        // The next change begins when this one has ended, whichever way.
        drop(t.fleet.unit().await.unwrap());
        let asked = json!({"targetArn": GROUP, "historyFilter": "ALL"});
        let now = t.fleet.list_deployments(request(asked)).await.unwrap().deployments.len();
        let is_told = !t.sent_to("/notify-namespace-aws-gg-deployment").is_empty();
        assert_eq!(now > made, is_told, "dropped after {polls} polls");
        made = now;
        (polls, finished) = if has_finished { (1, finished + 1) } else { (polls + 1, finished) };
    }
}

/// A configuration update whose document takes a bit more than `bytes`.
fn large(bytes: usize) -> Value {
    let merge = json!({"text": "x".repeat(bytes)}).to_string();
    json!({"com.example.Hello": {
        "componentVersion": "1.0.0", "configurationUpdate": {"merge": merge},
    }})
}

#[tokio::test]
async fn a_document_too_large_for_its_way_goes_in_short_and_is_fetched_whole() {
    let t = TestFleet::with_core().await;
    t.add_component("com.example.Hello", "1.0.0").await;
    let credentials = marram_aws::sigv4::Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: "s".into(),
        session_token: None,
    };
    let endpoint = "https://h:1".into();
    let clock = t.clock.clone();
    t.fleet.set_artifact_urls(crate::ArtifactUrls { endpoint, credentials, clock });
    for (target, bytes) in [(THING, 7 * 1024), (GROUP, 28 * 1024)] {
        let asked = json!({"targetArn": target, "components": large(bytes)});
        let made = create(&t, asked).await.unwrap();
        let id = made["deploymentId"].as_str().unwrap();
        let mut reader = t.store.read().await.unwrap();
        let row = reader.deployment(id).await.unwrap().unwrap();
        drop(reader);
        let sent = match target {
            THING => large::in_shadow(&row).unwrap(),
            _ => large::in_job(&row).unwrap(),
        };
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(sent["requiredCapabilities"], json!(["LARGE_CONFIGURATION"]));
        assert_eq!(sent["components"], json!({"com.example.Hello": {"version": "1.0.0"}}));
        let got = t.fleet.get_deployment_configuration("core1", id).await.unwrap();
        assert_eq!(got.integrity_check.algorithm, "SHA-256");
        let key = format!("deployments/{id}.json");
        assert!(got.pre_signed_url.contains(&key), "{}", got.pre_signed_url);
        let kept = t.blobs.head(crate::ARTIFACT_BUCKET, &key).unwrap();
        assert_eq!(kept.size, row.document_json.len() as u64);
        assert_eq!(kept.sha256, got.integrity_check.digest);
        let stranger = t.fleet.get_deployment_configuration("core2", id).await.unwrap_err();
        assert_eq!(stranger.code, "ResourceNotFoundException");
        let of = || request(json!({"deploymentId": id}));
        t.fleet.cancel_deployment(of()).await.unwrap();
        t.fleet.delete_deployment(of()).await.unwrap();
        assert!(t.blobs.head(crate::ARTIFACT_BUCKET, &key).is_err(), "it goes with its deployment");
    }
}

#[tokio::test]
async fn nucleus_lite_never_gets_the_short_form() {
    let t = TestFleet::with_core().await;
    t.add_component("com.example.Hello", "1.0.0").await;
    let made = create(&t, json!({"targetArn": GROUP, "components": large(28 * 1024)})).await;
    let id = made.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let mut tx = t.store.begin().await.unwrap();
    let job_id = tx.deployment(&id).await.unwrap().unwrap().job_id.unwrap();
    let short = queue::document(&mut tx, &job_id, "core1").await.unwrap();
    assert_eq!(short["requiredCapabilities"], json!(["LARGE_CONFIGURATION"]));
    tx.commit().await.unwrap();
    let status = json!({
        "ggcVersion": "2.17.0", "platform": "linux", "architecture": "amd64", "thing": "core1",
        "runtime": "aws_nucleus_lite", "sequenceNumber": 1, "timestamp": 1, "trigger": "NUCLEUS_LAUNCH", "components": [],
        "messageType": "COMPLETE", "overallDeviceStatus": "HEALTHY",
    });
    t.fleet.report_status("core1", status.to_string().as_bytes()).await.unwrap();
    let mut tx = t.store.begin().await.unwrap();
    let whole = queue::document(&mut tx, &job_id, "core1").await.unwrap();
    assert_eq!(whole["requiredCapabilities"], json!([]));
    assert!(whole["components"]["com.example.Hello"]["configurationUpdate"].is_object());
}
