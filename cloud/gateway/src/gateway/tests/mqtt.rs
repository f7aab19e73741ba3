//! Devices over MQTT.

use std::time::Duration;

use marram_broker::{Publish, QoS, Version};
use marram_mqtt_client::Options;
use serde_json::{Value, json};

use super::plane::{Connection, PATIENCE, Plane, allow, request};

const NEXT: &str = "$aws/things/core1/jobs/$next/namespace-aws-gg-deployment/get";
const GROUP: &str = "arn:aws:iot:us-east-1:123456789012:thinggroup/G";

fn publish(topic: &str, payload: Value) -> Publish {
    Publish::new(topic, payload.to_string()).with_qos(QoS::AtLeastOnce)
}

#[tokio::test]
async fn d1_alpn_leads_to_mqtt_on_the_https_port_and_none_to_what_the_port_is_for() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let port = plane.gateway.https_address().port();
    let options = plane.options_with_alpn(&device, &[b"x-amzn-mqtt-ca"], port);
    Connection::start(options).connected().await;
    plane.connect(&device, "core1").await;
    let (status, ..) = plane.call(Some(&device), "GET", "/things/core1/shadow", "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn d2_the_policy_decides_on_the_client_id() {
    let client = |id: &str| format!("arn:aws:iot:us-east-1:123456789012:client/{id}");
    for (resource, is_allowed) in [(client("core*"), true), (client("core"), false)] {
        let plane = Plane::start().await;
        let device = plane.device(allow(&["iot:Connect"], &[&resource])).await;
        for version in [Version::V5, Version::V311] {
            let options = Options { version, ..plane.options(&device, "core#2") };
            let mut connection = Connection::start(options);
            if is_allowed {
                connection.connected().await;
                connection.client.stop(PATIENCE).await;
            } else {
                let reason = connection.disconnected().await.to_lowercase();
                assert!(reason.contains("authori"), "{reason}");
            }
        }
    }
}

#[tokio::test]
async fn d3_the_last_connection_of_a_client_id_stays() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut first = plane.connect(&device, "core1").await;
    let second = plane.connect(&device, "core1").await;
    let reason = first.disconnected().await.to_lowercase();
    assert!(reason.contains("taken over"), "{reason}");
    assert!(second.client.is_connected());
}

#[tokio::test]
async fn d4_the_requester_is_answered_without_a_subscription_and_once_with_one() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    core.client.publish(publish(NEXT, json!({"clientToken": "x"}))).await.unwrap();
    let (topic, reply) = core.message().await;
    assert_eq!(topic, format!("{NEXT}/accepted"));
    assert_eq!(reply["clientToken"], "x");
    assert!(reply.get("execution").is_none());
    core.client.subscribe(format!("{NEXT}/+"), QoS::AtLeastOnce).await.unwrap();
    core.client.publish(publish(NEXT, json!({}))).await.unwrap();
    let (_, reply) = core.message().await;
    assert!(reply.get("clientToken").is_none());
    core.silence().await;
}

#[tokio::test]
async fn d5_a_subscribed_device_is_told_of_its_deployment_and_reports_it() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    plane.fleet.membership_changed("core1", Some("G")).await.unwrap();
    let mut core = plane.connect(&device, "core1").await;
    for notify in ["notify", "notify-next"] {
        let filter = format!("$aws/things/core1/jobs/{notify}-namespace-aws-gg-deployment");
        core.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    let asked = request(json!({"targetArn": GROUP}));
    let job = plane.fleet.create_deployment(asked).await.unwrap().iot_job_id.unwrap();
    let (_, notified) = core.message().await;
    assert_eq!(notified["jobs"]["QUEUED"][0]["jobId"], job);
    let (_, next) = core.message().await;
    assert!(next["execution"]["jobDocument"].is_object());

    let update = format!("$aws/things/core1/jobs/{job}/namespace-aws-gg-deployment/update");
    core.client.publish(publish(&update, json!({"status": "SUCCEEDED"}))).await.unwrap();
    let topics = [core.message().await.0, core.message().await.0, core.message().await.0];
    assert_eq!(topics[0], format!("{update}/accepted"));
    assert!(topics[1].contains("/notify-namespace") && topics[2].contains("/notify-next-"));
}

#[tokio::test]
async fn d13_the_deployment_shadow_reaches_its_device() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    let accepted = "$aws/things/core1/shadow/name/AWSManagedGreengrassV2Deployment/update/accepted";
    core.client.subscribe(accepted, QoS::AtLeastOnce).await.unwrap();
    let target = "arn:aws:iot:us-east-1:123456789012:thing/core1";
    let asked = request(json!({"targetArn": target}));
    plane.fleet.create_deployment(asked).await.unwrap();
    let (_, message) = core.message().await;
    assert_eq!(message["version"], 1);
    assert!(message["state"]["desired"]["fleetConfig"].is_string());
}

#[tokio::test]
async fn d22_a_status_message_makes_a_core_device_and_is_seen_by_nobody_else() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    let topic = "$aws/things/core1/greengrassv2/health/json";
    core.client.subscribe("$aws/things/core1/greengrassv2/#", QoS::AtLeastOnce).await.unwrap();
    let status = json!({
        "ggcVersion": "2.17.0", "platform": "linux", "architecture": "amd64", "thing": "core1",
        "sequenceNumber": 0, "timestamp": 1, "messageType": "COMPLETE", "trigger": "CADENCE",
        "overallDeviceStatus": "HEALTHY",
    });
    core.client.publish(publish(topic, status)).await.unwrap();
    let asked = request(json!({"coreDeviceThingName": "core1"}));
    assert_eq!(plane.fleet.get_core_device(asked).await.unwrap().core_version, "2.17.0");
    core.silence().await;
}

#[tokio::test]
async fn a26b_without_receive_nothing_is_delivered() {
    let plane = Plane::start().await;
    let actions = ["iot:Connect", "iot:Publish", "iot:Subscribe"];
    let device = plane.device(allow(&actions, &["*"])).await;
    let mut core = plane.connect(&device, "core1").await;
    core.client.subscribe("$aws/things/core1/shadow/get/+", QoS::AtLeastOnce).await.unwrap();
    core.client.publish(publish("$aws/things/core1/shadow/get", json!({}))).await.unwrap();
    core.silence().await;
}

#[tokio::test]
async fn publishing_and_subscribing_need_a_policy_each() {
    let plane = Plane::start().await;
    let own = "arn:aws:iot:us-east-1:123456789012:topic/own";
    let statements = json!([allow(&["iot:Connect"], &["*"]), allow(&["iot:Publish"], &[own])]);
    let device = plane.device(statements).await;
    let core = plane.connect(&device, "core1").await;
    core.client.publish(publish("own", json!({}))).await.unwrap();
    core.client.publish(publish("other", json!({}))).await.unwrap_err();
    core.client.publish(publish("own", json!({})).retained()).await.unwrap_err();
    core.client.subscribe("own", QoS::AtLeastOnce).await.unwrap_err();
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_connection_and_may_not_return() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    let revoke = json!({"certificateId": device.certificate_id, "newStatus": "REVOKED"});
    plane.registry.update_certificate(request(revoke)).await.unwrap();
    core.disconnected().await;
    let mut again = Connection::start(plane.options(&device, "core1"));
    let reason = again.disconnected().await.to_lowercase();
    assert!(reason.contains("authori"), "{reason}");
}

#[tokio::test]
async fn a_stopped_gateway_tells_its_devices_and_lets_everything_go() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    let Plane { gateway, .. } = plane;
    tokio::time::timeout(PATIENCE, gateway.stop(Duration::from_secs(3))).await.unwrap();
    core.disconnected().await;
}
