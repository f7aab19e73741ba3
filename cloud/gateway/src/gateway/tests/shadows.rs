//! Shadows over MQTT, and the deployment shadow of thing deployments.

use marram_broker::QoS;
use serde_json::{Value, json};

use super::plane::{Connection, Plane, request};

const CLASSIC: &str = "$aws/things/core1/shadow";
const DEPLOYMENT: &str = "$aws/things/core1/shadow/name/AWSManagedGreengrassV2Deployment";

/// A connected device that hears everything that follows from updates of `shadow`.
async fn start(shadow: &str) -> (Plane, Connection) {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let core = plane.connect(&device, "core1").await;
    core.client.subscribe(format!("{shadow}/update/+"), QoS::AtLeastOnce).await.unwrap();
    (plane, core)
}

/// The next message, which must be on `topic`.
async fn message_on(core: &mut Connection, topic: &str) -> Value {
    let (came, payload) = core.message().await;
    assert_eq!(came, topic, "{payload}");
    payload
}

async fn update(core: &mut Connection, shadow: &str, payload: Value, leg: &str) -> Value {
    core.publish(&format!("{shadow}/update"), payload).await;
    message_on(core, &format!("{shadow}/update/{leg}")).await
}

/// Deploys to the thing; the deployment's id and what the device was told.
async fn deploy(plane: &Plane, core: &mut Connection) -> (String, Value) {
    let target = "arn:aws:iot:us-east-1:123456789012:thing/core1";
    let asked = request(json!({"targetArn": target}));
    let made = plane.fleet.create_deployment(asked).await.unwrap();
    let told = message_on(core, &format!("{DEPLOYMENT}/update/accepted")).await;
    message_on(core, &format!("{DEPLOYMENT}/update/documents")).await;
    message_on(core, &format!("{DEPLOYMENT}/update/delta")).await;
    (made.deployment_id, told)
}

fn fleet_config(message: &Value) -> Value {
    let document = message["state"]["desired"]["fleetConfig"].as_str().unwrap();
    serde_json::from_str(document).unwrap()
}

#[tokio::test]
async fn d13_a_thing_deployment_is_told_and_can_be_asked_for() {
    let (plane, mut core) = start(DEPLOYMENT).await;
    let (id, told) = deploy(&plane, &mut core).await;
    assert_eq!(told["version"], 1);
    assert_eq!(told["state"]["desired"]["desiredStatus"], "SUCCEEDED");
    assert!(told["state"].get("reported").is_none(), "{told}");
    let document = fleet_config(&told);
    assert_eq!(document["deploymentId"], id);
    assert_eq!(
        document["configurationArn"],
        "arn:aws:greengrass:us-east-1:123456789012:configuration:thing/core1:1"
    );
    let asked = json!({"thingName": "core1", "shadowName": "AWSManagedGreengrassV2Deployment"});
    core.publish(&format!("{DEPLOYMENT}/get"), asked).await;
    let got = message_on(&mut core, &format!("{DEPLOYMENT}/get/accepted")).await;
    assert_eq!(got["version"], 1);
    assert_eq!(fleet_config(&got), document);
}

#[tokio::test]
async fn d14_a_report_of_a_stale_version_is_rejected_and_one_of_the_current_completes() {
    let (plane, mut core) = start(DEPLOYMENT).await;
    let (id, told) = deploy(&plane, &mut core).await;
    let arn = fleet_config(&told)["configurationArn"].clone();
    let report = |status: &str, detailed: &str, version: u64| {
        json!({
            "shadowName": "AWSManagedGreengrassV2Deployment", "thingName": "core1",
            "state": {"reported": {
                "fleetConfigurationArnForStatus": arn, "status": status, "ggcVersion": "2.17.0",
                "statusDetails": {
                    "detailedStatus": detailed, "failureCause": "",
                    "errorStack": [], "errorTypes": [],
                },
            }},
            "version": version,
        })
    };
    let started = report("IN_PROGRESS", "", 1);
    let accepted = update(&mut core, DEPLOYMENT, started, "accepted").await;
    assert_eq!(accepted["version"], 2);
    assert!(accepted["state"].get("desired").is_none(), "{accepted}");
    message_on(&mut core, &format!("{DEPLOYMENT}/update/documents")).await;
    message_on(&mut core, &format!("{DEPLOYMENT}/update/delta")).await;

    let stale = report("SUCCEEDED", "SUCCESSFUL", 1);
    assert_eq!(update(&mut core, DEPLOYMENT, stale, "rejected").await["code"], 409);
    let status = async || {
        let asked = request(json!({"deploymentId": id}));
        json!(plane.fleet.get_deployment(asked).await.unwrap().deployment_status)
    };
    assert_eq!(status().await, "ACTIVE");
    let current = report("SUCCEEDED", "SUCCESSFUL", 2);
    assert_eq!(update(&mut core, DEPLOYMENT, current, "accepted").await["version"], 3);
    assert_eq!(status().await, "COMPLETED");
}

#[tokio::test]
async fn d30_an_update_is_accepted_documented_and_leaves_a_delta_until_it_is_reported() {
    let (_plane, mut core) = start(CLASSIC).await;
    let desired = json!({"state": {"desired": {"a": 1}}});
    let accepted = update(&mut core, CLASSIC, desired.clone(), "accepted").await;
    assert_eq!((&accepted["version"], &accepted["state"]), (&json!(1), &desired["state"]));
    assert!(accepted.get("clientToken").is_none(), "{accepted}");
    let documents = message_on(&mut core, &format!("{CLASSIC}/update/documents")).await;
    assert_eq!(documents["current"]["state"], desired["state"]);
    let delta = message_on(&mut core, &format!("{CLASSIC}/update/delta")).await;
    assert_eq!((&delta["version"], &delta["state"]), (&json!(1), &json!({"a": 1})));

    let reported = json!({"state": {"reported": {"a": 1}}, "clientToken": "t"});
    let accepted = update(&mut core, CLASSIC, reported, "accepted").await;
    assert_eq!((&accepted["version"], &accepted["clientToken"]), (&json!(2), &json!("t")));
    message_on(&mut core, &format!("{CLASSIC}/update/documents")).await;
    core.silence().await;
}

#[tokio::test]
async fn d31_an_update_of_another_version_is_rejected() {
    let (_plane, mut core) = start(CLASSIC).await;
    update(&mut core, CLASSIC, json!({"state": {"desired": {"a": 1}}}), "accepted").await;
    message_on(&mut core, &format!("{CLASSIC}/update/documents")).await;
    message_on(&mut core, &format!("{CLASSIC}/update/delta")).await;
    let stale = json!({"state": {"desired": {"a": 2}}, "version": 7, "clientToken": "t2"});
    let rejected = update(&mut core, CLASSIC, stale, "rejected").await;
    assert_eq!((&rejected["code"], &rejected["clientToken"]), (&json!(409), &json!("t2")));
    core.silence().await;
}
