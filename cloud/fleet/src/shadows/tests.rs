use marram_model::deployment::DeploymentDocument;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW_S, Sent, TestFleet, request, wire};

const PREFIX: &str = "$aws/things/core1/shadow/name/AWSManagedGreengrassV2Deployment";
const THING: &str = "arn:aws:iot:us-east-1:123456789012:thing/core1";

async fn send(t: &TestFleet, verb: ShadowVerb, payload: Value) -> Vec<Sent> {
    t.sent();
    let topic = ShadowTopic::deployment("core1", verb);
    t.fleet.shadow_request("core1", &topic, payload.to_string().as_bytes()).await;
    t.sent()
}

async fn deploy(t: &TestFleet) -> String {
    let made = t.fleet.create_deployment(request(json!({"targetArn": THING}))).await.unwrap();
    made.deployment_id
}

async fn status(t: &TestFleet, id: &str) -> Value {
    let asked = request(json!({"deploymentId": id}));
    wire(&t.fleet.get_deployment(asked).await.unwrap())["deploymentStatus"].clone()
}

async fn effective(t: &TestFleet) -> Value {
    let asked = request(json!({"coreDeviceThingName": "core1"}));
    let listed = t.fleet.list_effective_deployments(asked).await.unwrap();
    wire(&listed.effective_deployments[0])
}

fn report(status: &str, version: i64) -> Value {
    let reported = json!({
        "fleetConfigurationArnForStatus":
            "arn:aws:greengrass:us-east-1:123456789012:configuration:thing/core1:1",
        "status": status,
        "statusDetails": {"detailedStatus": "SUCCESSFUL", "failureCause": "", "errorStack": [], "errorTypes": []},
        "ggcVersion": "2.17.0",
    });
    json!({"shadowName": "x", "thingName": "core1", "state": {"reported": reported}, "version": version})
}

#[tokio::test]
async fn d13_a_things_deployment_is_desired_in_its_shadow() {
    let t = TestFleet::with_core().await;
    let id = deploy(&t).await;
    let sent = t.sent();
    let topics: Vec<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(
        topics,
        ["update/accepted", "update/documents", "update/delta"]
            .map(|verb| format!("{PREFIX}/{verb}"))
    );
    let accepted = &sent[0].payload;
    assert_eq!(accepted["version"], 1);
    assert_eq!(accepted["state"]["desired"]["desiredStatus"], "SUCCEEDED");
    let text = accepted["state"]["desired"]["fleetConfig"].as_str().unwrap();
    let document = DeploymentDocument::parse(text.as_bytes()).unwrap();
    assert_eq!(document.deployment_id, id);
    assert_eq!(document.group_name(), "thing/core1");
    let got = send(&t, ShadowVerb::Get, json!({"thingName": "core1"})).await;
    assert_eq!(got[0].client.as_deref(), Some("core1"));
    assert_eq!(got[0].payload["state"]["desired"], accepted["state"]["desired"]);
    assert_eq!(effective(&t).await["coreDeviceExecutionStatus"], "IN_PROGRESS");
}

#[tokio::test]
async fn d14_a_report_with_a_stale_version_is_a_conflict_and_a_fresh_one_completes() {
    let t = TestFleet::with_core().await;
    let id = deploy(&t).await;
    send(&t, ShadowVerb::Update, report("IN_PROGRESS", 1)).await;
    let stale = send(&t, ShadowVerb::Update, report("SUCCEEDED", 1)).await;
    assert_eq!(stale.len(), 1);
    assert_eq!(stale[0].topic, format!("{PREFIX}/update/rejected"));
    assert_eq!(stale[0].payload["code"], 409);
    assert_eq!(status(&t, &id).await, "ACTIVE");
    let fresh = send(&t, ShadowVerb::Update, report("SUCCEEDED", 2)).await;
    assert_eq!(fresh[0].topic, format!("{PREFIX}/update/accepted"));
    assert!(fresh[0].payload["state"].get("desired").is_none());
    assert_eq!(status(&t, &id).await, "COMPLETED");
    assert_eq!(effective(&t).await["coreDeviceExecutionStatus"], "COMPLETED");
    deploy(&t).await;
    assert_eq!(status(&t, &id).await, "INACTIVE");
}

#[tokio::test]
async fn d15_cancelling_is_desired_and_keeps_the_document() {
    let t = TestFleet::with_core().await;
    let id = deploy(&t).await;
    t.sent();
    t.fleet.cancel_deployment(request(json!({"deploymentId": id}))).await.unwrap();
    let accepted = &t.sent()[0].payload;
    assert_eq!(accepted["state"]["desired"]["desiredStatus"], "CANCELED");
    assert!(accepted["state"]["desired"]["fleetConfig"].is_string());
    send(&t, ShadowVerb::Update, report("CANCELED", 2)).await;
    assert_eq!(status(&t, &id).await, "CANCELED");
    assert_eq!(effective(&t).await["coreDeviceExecutionStatus"], "CANCELED");
}

#[tokio::test]
async fn reports_that_cannot_be_read_or_are_about_nothing_are_kept_and_change_nothing() {
    let t = TestFleet::with_core().await;
    let id = deploy(&t).await;
    let other =
        json!({"state": {"reported": {"fleetConfigurationArnForStatus": "x", "status": "FAILED"}}});
    for payload in [other, json!({"state": {"reported": {"status": "FAILED"}}})] {
        let sent = send(&t, ShadowVerb::Update, payload).await;
        assert!(sent[0].topic.ends_with("accepted"), "{sent:?}");
    }
    assert_eq!(status(&t, &id).await, "ACTIVE");
}

#[tokio::test]
async fn d32_a_deleted_shadow_is_not_found_and_its_versions_go_on() {
    let t = TestFleet::with_core().await;
    let fleet = &t.fleet;
    let update = |payload: Value| async move {
        let bytes = payload.to_string().into_bytes();
        fleet.update_shadow("any", None, &bytes, Origin::Elsewhere).await
    };
    update(json!({"state": {"desired": {"a": 1}}})).await.unwrap();
    update(json!({"state": {"reported": {"a": 1}}})).await.unwrap();
    let gone = t.fleet.delete_shadow("any", None, b"", Origin::Elsewhere).await.unwrap();
    assert_eq!(gone, json!({"version": 2, "timestamp": NOW_S}));
    let missing = t.fleet.get_shadow("any", None, b"", Origin::Elsewhere).await.unwrap_err();
    assert_eq!(
        (missing.code, missing.message.as_str()),
        (404, "No shadow exists with name: 'any'")
    );
    assert_eq!(shadow_error(missing).code, "ResourceNotFoundException");
    let again = update(json!({"state": {"desired": {"a": 1}}})).await.unwrap();
    assert_eq!(again["version"], 4);
}

#[tokio::test]
async fn a_name_that_no_shadow_may_have_is_refused_whichever_way_it_came() {
    let t = TestFleet::with_core().await;
    let long = "n".repeat(65);
    for name in ["", "a/b", "a b", long.as_str()] {
        let name = Some(name);
        let state = br#"{"state": {"desired": {"a": 1}}}"#;
        let elsewhere = Origin::Elsewhere;
        let refused = [
            t.fleet.get_shadow("core1", name, b"", elsewhere).await,
            t.fleet.update_shadow("core1", name, state, elsewhere).await,
            t.fleet.delete_shadow("core1", name, b"", elsewhere).await,
        ];
        for done in refused {
            assert_eq!(done.unwrap_err().code, 400, "{name:?}");
        }
    }
}
