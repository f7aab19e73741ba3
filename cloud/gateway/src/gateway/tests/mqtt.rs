//! Devices over MQTT.

use marram_broker::{Publish, QoS, Version};
use marram_mqtt_client::Options;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::plane::{Connection, PATIENCE, Plane, allow, request, rest_of};

const NEXT: &str = "$aws/things/core1/jobs/$next/namespace-aws-gg-deployment/get";

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
    let port = plane.gateway.mqtt_address().port();
    let mut stream = plane.stream(&device, &[b"x-amzn-http-ca"], port).await;
    stream.write_all(b"GET /things/core1/shadow HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(rest_of(&mut stream).await.starts_with(b"HTTP/1.0 404"));
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
async fn connections_that_never_finish_tls_keep_no_device_out() {
    const SILENT: usize = 1500;
    marram_os::process::allow_descriptors(8192).unwrap();
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let address = plane.gateway.mqtt_address();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let core = plane.connect(&device, "core1").await;
    core.publish("a", json!(1)).await;
    // Of so many there is no room for the first.
    rest_of(&mut silent[0]).await;
}

#[tokio::test]
async fn a_policy_by_thing_name_keeps_client_ids_to_their_own_certificates() {
    let plane = Plane::start().await;
    let own = "arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}";
    let device = plane.device(allow(&["iot:Connect"], &[own])).await;
    plane.registry.create_thing(request(json!({"thingName": "core2"}))).await.unwrap();
    plane.connect(&device, "core1").await;
    for version in [Version::V5, Version::V311] {
        let options = Options { version, ..plane.options(&device, "core2") };
        let reason = Connection::start(options).disconnected().await.to_lowercase();
        assert!(reason.contains("authori"), "{reason}");
    }
}
