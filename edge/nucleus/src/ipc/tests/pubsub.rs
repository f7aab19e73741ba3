//! Conformance cases 17–26 and clients that do not read.

use std::time::Duration;

use marram_ipc::Operation;
use marram_ipc::client::Message;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::client::Client;
use super::{Device, eventually};

const PUBLISH: Operation = Operation::PublishToTopic;
const SUBSCRIBE: Operation = Operation::SubscribeToTopic;

fn publish(topic: &str, number: i64) -> Value {
    json!({"topic": topic, "publishMessage": {"jsonMessage": {"message": {"n": number}}}})
}

fn event(topic: &str, number: i64) -> Value {
    json!({"jsonMessage": {"message": {"n": number}, "context": {"topic": topic}}})
}

#[tokio::test]
async fn p17_p18_messages_come_with_the_topic_they_were_published_to() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let stream = client.subscribe(SUBSCRIBE, json!({"topic": "a/b"})).await.unwrap();
    let forged = json!({"topic": "a/b", "publishMessage": {
        "jsonMessage": {"message": {"n": 1}, "context": {"topic": "fake"}}}});
    assert_eq!(client.call(PUBLISH, forged).await.unwrap(), json!({}));
    assert_eq!(client.event().await, (stream, event("a/b", 1)));
    let binary =
        json!({"topic": "a/b", "publishMessage": {"binaryMessage": {"message": "SGVsbG8="}}});
    client.call(PUBLISH, binary).await.unwrap();
    let expected = json!({"binaryMessage": {"message": "SGVsbG8=", "context": {"topic": "a/b"}}});
    assert_eq!(client.event().await, (stream, expected));
}

#[tokio::test]
async fn p19_wildcards_are_no_topics_and_nobody_need_listen() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    for topic in ["a/+", "a/#", "a*b", "foo/+bar"] {
        let (code, message) = client.call(PUBLISH, publish(topic, 1)).await.unwrap_err();
        assert_eq!(code, "InvalidArgumentsError");
        assert_eq!(message, "Publish topic must not contain a wildcard.");
    }
    assert_eq!(client.call(PUBLISH, publish("nobody", 1)).await.unwrap(), json!({}));
    let (code, message) = client.call(PUBLISH, json!({})).await.unwrap_err();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidArgumentsError", "Publish topic must not be null")
    );
    let (code, _) = client.call(PUBLISH, json!({"topic": ""})).await.unwrap_err();
    assert_eq!(code, "UnauthorizedError");
    let (code, _) = client.call(PUBLISH, json!({"topic": "t"})).await.unwrap_err();
    assert_eq!(code, "ServiceError");
}

#[tokio::test]
async fn p20_own_messages_come_only_where_they_are_wanted() {
    let device = Device::start();
    let mut a = device.component("com.example.A", "*").await;
    let mut b = device.component("com.example.B", "*").await;
    let wildcard = a.subscribe(SUBSCRIBE, json!({"topic": "a/+"})).await.unwrap();
    let others = json!({"topic": "a/b", "receiveMode": "RECEIVE_MESSAGES_FROM_OTHERS"});
    let others = a.subscribe(SUBSCRIBE, others).await.unwrap();
    let all = json!({"topic": "a/+", "receiveMode": "RECEIVE_ALL_MESSAGES"});
    let all = a.subscribe(SUBSCRIBE, all).await.unwrap();
    let exact = a.subscribe(SUBSCRIBE, json!({"topic": "a/b"})).await.unwrap();
    b.subscribe(SUBSCRIBE, json!({"topic": "a/+"})).await.unwrap();
    a.call(PUBLISH, publish("a/b", 1)).await.unwrap();
    b.event().await;
    b.call(PUBLISH, publish("a/b", 2)).await.unwrap();
    let mut streams = std::collections::BTreeMap::<i32, Vec<Value>>::new();
    for _ in 0..6 {
        let (stream, event) = a.event().await;
        streams.entry(stream).or_default().push(event["jsonMessage"]["message"]["n"].clone());
    }
    for (stream, expected) in
        [(wildcard, &[2][..]), (others, &[2]), (all, &[1, 2]), (exact, &[1, 2])]
    {
        assert_eq!(streams[&stream], expected, "stream {stream}");
    }
}

#[tokio::test]
async fn p22_an_empty_filter_is_unauthorized_and_a_double_message_delivers_nothing() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let (code, message) = client.call(SUBSCRIBE, json!({"topic": ""})).await.unwrap_err();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("UnauthorizedError", "Resource cannot be empty")
    );
    let (code, message) = client.call(SUBSCRIBE, json!({})).await.unwrap_err();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidArgumentsError", "Subscribe topic must not be empty")
    );
    client.subscribe(SUBSCRIBE, json!({"topic": "t"})).await.unwrap();
    let both = json!({"topic": "t", "publishMessage": {
        "jsonMessage": {"message": {}}, "binaryMessage": {"message": ""}}});
    assert_eq!(client.call(PUBLISH, both).await.unwrap_err().0, "InvalidArgumentsError");
    client.call(PUBLISH, publish("t", 7)).await.unwrap();
    assert_eq!(client.event().await.1, event("t", 7));
}

#[tokio::test]
async fn p23_what_no_policy_allows_is_denied_at_once_until_a_policy_does() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "test/*").await;
    let (code, message) = client.call(PUBLISH, publish("denied", 1)).await.unwrap_err();
    assert_eq!(code, "UnauthorizedError");
    assert_eq!(
        message,
        "Principal com.example.A is not authorized to perform \
         aws.greengrass.ipc.pubsub:aws.greengrass#PublishToTopic on resource denied"
    );
    let (code, _) = client.call(SUBSCRIBE, json!({"topic": "other/#"})).await.unwrap_err();
    assert_eq!(code, "UnauthorizedError");
    client.call(SUBSCRIBE, json!({"topic": "test/#"})).await.unwrap();

    device.configure(
        "com.example.A",
        json!({"accessControl": {"aws.greengrass.ipc.pubsub": {
        "q": {"operations": ["aws.greengrass#PublishToTopic"], "resources": ["denied"]}}}}),
    );
    let deadline = Instant::now() + super::client::DEADLINE;
    while client.call(PUBLISH, publish("denied", 1)).await.is_err() {
        assert!(Instant::now() < deadline, "the new policy never took effect");
    }
}

#[tokio::test]
async fn p24_a_thousand_messages_arrive_in_order_and_once() {
    let device = Device::start();
    let mut publisher = device.component("com.example.A", "*").await;
    let mut subscriber = device.component("com.example.B", "*").await;
    subscriber.subscribe(SUBSCRIBE, json!({"topic": "t/#"})).await.unwrap();
    let mut batch = Vec::new();
    for number in 0..1000 {
        let (_, frame) = publisher.connection.request(PUBLISH, &publish("t/x", number));
        batch.extend_from_slice(&frame);
    }
    publisher.send(&batch).await;
    for number in 0..1000 {
        assert_eq!(subscriber.event().await.1, event("t/x", number));
    }
    assert_eq!(device.server.dropped_events(), 0);
}

#[tokio::test]
async fn p25_an_ended_stream_is_silent() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let ended = client.subscribe(SUBSCRIBE, json!({"topic": "t"})).await.unwrap();
    let kept = client.subscribe(SUBSCRIBE, json!({"topic": "t"})).await.unwrap();
    client.end_stream(ended).await;
    for number in 0..3 {
        client.call(PUBLISH, publish("t", number)).await.unwrap();
        assert_eq!(client.event().await, (kept, event("t", number)));
    }
    let closed = |message: &&Message| matches!(message, Message::StreamClosed { .. });
    assert_eq!(client.received.iter().filter(closed).count(), 0);
}

#[tokio::test]
async fn p26_the_response_comes_before_any_event() {
    let device = Device::start();
    let mut publisher = device.component("com.example.A", "*").await;
    let flood = tokio::spawn(async move {
        loop {
            publisher.call(PUBLISH, publish("t", 1)).await.unwrap();
        }
    });
    let mut subscriber = device.component("com.example.B", "*").await;
    for _ in 0..100 {
        // The client takes an event before the response for a response, so this would fail.
        let stream = subscriber.subscribe(SUBSCRIBE, json!({"topic": "t"})).await.unwrap();
        while subscriber.event().await.0 != stream {}
        subscriber.end_stream(stream).await;
    }
    flood.abort();
}

/// A client that never reads again after its subscription.
async fn deaf_subscriber(device: &Device) -> Client {
    let mut client = device.component("com.example.Deaf", "*").await;
    client.subscribe(SUBSCRIBE, json!({"topic": "t"})).await.unwrap();
    client
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_costs_one_delay_and_only_its_own_events() {
    let device = Device::start();
    let _deaf = deaf_subscriber(&device).await;
    let mut publisher = device.component("com.example.A", "*").await;
    let mut reader = device.component("com.example.B", "*").await;
    reader.subscribe(SUBSCRIBE, json!({"topic": "t"})).await.unwrap();
    let began = Instant::now();
    for number in 0..3000 {
        publisher.call(PUBLISH, publish("t", number)).await.unwrap();
        assert_eq!(reader.event().await.1, event("t", number));
    }
    assert!(device.server.dropped_events() > 0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_disconnected() {
    let device = Device::start();
    let mut deaf = deaf_subscriber(&device).await;
    let mut publisher = device.component("com.example.A", "*").await;
    for number in 0..3000 {
        publisher.call(PUBLISH, publish("t", number)).await.unwrap();
    }
    tokio::time::pause();
    eventually_paused("the connection ends", || device.server.shared.pubsub.is_empty()).await;
    tokio::time::resume();
    while deaf.message().await.is_some() {}
}

/// [`eventually`] by a clock that runs ahead whenever nothing else can.
async fn eventually_paused(what: &str, mut check: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

#[tokio::test]
async fn requests_of_a_client_that_does_not_read_wait_and_are_all_answered() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    device.configure("com.example.A", json!({"big": "x".repeat(10_000)}));
    let mut batch = Vec::new();
    for _ in 0..500 {
        let (_, frame) = client.connection.request(Operation::GetConfiguration, &json!({}));
        batch.extend_from_slice(&frame);
    }
    let Client { socket, connection, .. } = &mut client;
    let (mut reader, mut writer) = socket.split();
    let sending = async {
        writer.write_all(&batch).await.unwrap();
    };
    let reading = async {
        let mut answers = 0;
        while answers < 500 {
            let input = connection.input();
            input.reserve(4096);
            tokio::io::AsyncReadExt::read_buf(&mut reader, input).await.unwrap();
            while connection.next_message().unwrap().is_some() {
                answers += 1;
            }
        }
    };
    timeout(super::client::DEADLINE, async { tokio::join!(sending, reading) }).await.unwrap();
    eventually("the server lives", || device.server.dropped_events() == 0).await;
}
