//! Conformance cases 27–32.

use marram_ipc::Operation;
use marram_mqtt::{Publish, PublishProperties, QoS};
use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Device, eventually};

const PUBLISH: Operation = Operation::PublishToIoTCore;
const SUBSCRIBE: Operation = Operation::SubscribeToIoTCore;

fn failure(code: &str, message: &str) -> Failure {
    (code.to_owned(), message.to_owned())
}

async fn refused(client: &mut Client, request: Value) -> Failure {
    client.call(PUBLISH, request).await.unwrap_err()
}

#[tokio::test]
async fn i27_members_are_checked_in_the_order_of_the_java_nucleus() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "ok/*").await;
    let invalid = |text| failure("InvalidArgumentsError", text);
    assert_eq!(refused(&mut client, json!({})).await, invalid("Topic is required"));
    let denied = refused(&mut client, json!({"topicName": "no"})).await;
    assert_eq!(denied, failure("UnauthorizedError", "Not Authorized"));
    let topic = json!({"topicName": "ok/a", "qos": "2"});
    assert_eq!(refused(&mut client, topic).await, invalid("Payload is required"));
    let no_qos = json!({"topicName": "ok/a", "payload": ""});
    assert_eq!(refused(&mut client, no_qos).await, invalid("QoS is required"));
    let qos_2 = json!({"topicName": "ok/a", "payload": "", "qos": "2"});
    assert_eq!(refused(&mut client, qos_2).await, invalid("Invalid QoS value: 2"));
    let subscribe = |request| (SUBSCRIBE, request);
    for ((operation, request), expected) in [
        (subscribe(json!({})), invalid("Topic is required")),
        (subscribe(json!({"topicName": "no"})), failure("UnauthorizedError", "Not Authorized")),
        (subscribe(json!({"topicName": "ok/a"})), invalid("QoS is required")),
        (subscribe(json!({"topicName": "ok/a", "qos": 3})), invalid("Invalid QoS value: 3")),
    ] {
        assert_eq!(client.call(operation, request).await.unwrap_err(), expected);
    }
    assert!(device.cloud.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn i28_i29_topics_and_payloads_have_limits() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let message = |topic: &str| json!({"topicName": topic, "qos": "1", "payload": "eA=="});
    assert_eq!(client.call(PUBLISH, message("a/b/c/d/e/f/g/h")).await.unwrap(), json!({}));
    let rule = message("$aws/rules/r/a/b/c/d/e/f/g/h");
    assert_eq!(client.call(PUBLISH, rule).await.unwrap(), json!({}));
    let deep = refused(&mut client, message("a/b/c/d/e/f/g/h/i")).await;
    let text = "Publish to topic a/b/c/d/e/f/g/h/i failed: \
                The request topic must have no more than 7 forward slashes (/)";
    assert_eq!(deep, failure("ServiceError", text));
    let large = json!({"topicName": "t", "qos": "0", "payload": "AAAA".repeat(43_691)});
    let text = "Publish to topic t failed: The publishing message size 131073 bytes exceeds \
                the configured limit of 131072 bytes";
    assert_eq!(refused(&mut client, large).await, failure("ServiceError", text));
    let no = refused(&mut client, message("refused")).await;
    assert_eq!(no, failure("ServiceError", "Publish to topic refused failed: no"));

    device.configure("aws.greengrass.Nucleus", json!({"mqtt": {"maxMessageSizeInBytes": 0}}));
    assert_eq!(refused(&mut client, message("t")).await.0, "ServiceError");
}

#[tokio::test]
async fn i30_overlapping_filters_get_one_event_each_from_one_cloud_subscription() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let mut subscribe = async |filter: &str| {
        client.subscribe(SUBSCRIBE, json!({"topicName": filter, "qos": "1"})).await.unwrap()
    };
    let all = subscribe("a/#").await;
    let one = subscribe("a/b").await;
    assert_eq!(device.cloud.filters(), ["a/#"]);
    for topic in ["a/b", "a/end"] {
        device.from_cloud.send(Publish::new(topic, "x")).await.unwrap();
    }
    let mut events = Vec::new();
    for _ in 0..3 {
        let (stream, event) = client.event().await;
        events.push((stream, event["message"]["topicName"].clone()));
    }
    events.sort_by_key(|(stream, topic)| (*stream, topic.to_string()));
    assert_eq!(events, [(all, json!("a/b")), (all, json!("a/end")), (one, json!("a/b"))]);

    client.end_stream(all).await;
    eventually("the narrow filter stands alone", || device.cloud.filters() == ["a/b"]).await;
    assert_eq!(*device.cloud.requests.lock().unwrap(), ["+a/#", "+a/b", "-a/#"]);
    client.end_stream(one).await;
    eventually("nothing is left", || device.cloud.filters().is_empty()).await;
}

#[tokio::test]
async fn i31_i32_all_fields_pass_in_both_directions() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    client.subscribe(SUBSCRIBE, json!({"topicName": "t", "qos": 1})).await.unwrap();
    device.from_cloud.send(Publish::new("t", "")).await.unwrap();
    let bare = json!({"topicName": "t", "payload": "", "retain": false, "payloadFormat": "0"});
    assert_eq!(client.event().await.1, json!({"message": bare}));

    let full = json!({
        "topicName": "t", "payload": "aGk=", "retain": true, "payloadFormat": "1",
        "userProperties": [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}],
        "messageExpiryIntervalSeconds": 60, "correlationData": "Yw==",
        "responseTopic": "r", "contentType": "text/plain",
    });
    let mut request = full.clone();
    request["qos"] = json!("1");
    client.call(PUBLISH, request).await.unwrap();
    let published = device.cloud.published.lock().unwrap()[0].clone();
    let expected = Publish {
        topic: "t".into(),
        payload: "hi".into(),
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: PublishProperties {
            response_topic: Some("r".into()),
            correlation_data: Some("c".into()),
            user_properties: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
            content_type: Some("text/plain".into()),
            payload_format_utf8: true,
            message_expiry_s: Some(60),
        },
    };
    assert_eq!(published, expected);
    device.from_cloud.send(published).await.unwrap();
    assert_eq!(client.event().await.1, json!({"message": full}));
}

#[tokio::test]
async fn subscribing_offline_waits_and_holds_up_nothing_else() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    device.cloud.online.send_replace(false);
    let request = json!({"topicName": "t", "qos": "1"});
    let (stream, frame) = client.connection.request(SUBSCRIBE, &request);
    client.send(&frame).await;
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
    device.cloud.online.send_replace(true);
    assert_eq!(client.answer(stream).await.unwrap(), json!({}));
}

#[tokio::test]
async fn a_refused_subscription_says_why() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    device.cloud.refused.lock().unwrap().insert("t/#".to_owned());
    let refused = client.call(SUBSCRIBE, json!({"topicName": "t/#", "qos": "1"})).await;
    let text = "Subscribe to topic t/# failed with error Not authorized";
    assert_eq!(refused.unwrap_err(), failure("ServiceError", text));
    let Some(marram_ipc::client::Message::Error { payload, .. }) = client.received.last() else {
        panic!("{:?}", client.received);
    };
    let context = json!({"reasonString": "Not authorized", "reasonCode": 135});
    assert_eq!(payload["context"], context);
    client.subscribe(SUBSCRIBE, json!({"topicName": "t/x", "qos": "1"})).await.unwrap();
    let invalid = client.call(SUBSCRIBE, json!({"topicName": "#/x", "qos": "1"})).await;
    assert_eq!(invalid.unwrap_err().0, "ServiceError");
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_that_wait_for_the_cloud_fail_and_hold_up_nothing_else() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    device.cloud.online.send_replace(false);
    for number in 0..256 {
        let request = json!({"topicName": format!("t/{number}"), "qos": "1"});
        let (_, frame) = client.connection.request(SUBSCRIBE, &request);
        client.send(&frame).await;
    }
    let one_more = client.call(SUBSCRIBE, json!({"topicName": "u", "qos": "1"})).await;
    assert_eq!(one_more.unwrap_err().0, "ServiceError");
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_device_without_a_cloud_says_so_before_it_looks_at_limits() {
    let device = Device::start_offline();
    let mut client = device.component("com.example.A", "*").await;
    let message = json!({"topicName": "a/b/c/d/e/f/g/h/i", "qos": "1", "payload": "eA=="});
    let text = "Publish to topic a/b/c/d/e/f/g/h/i failed: \
                Cannot publish because device is configured to run offline";
    assert_eq!(refused(&mut client, message).await, failure("ServiceError", text));
    let subscribed = client.call(SUBSCRIBE, json!({"topicName": "t", "qos": "1"})).await;
    assert_eq!(subscribed.unwrap_err().0, "ServiceError");
}
