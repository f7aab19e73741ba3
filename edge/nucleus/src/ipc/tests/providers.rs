//! Operations that components inside the nucleus answer: who has the word, and who is not held up.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use marram_ipc::Operation;
use marram_ipc::client::Message;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Device;
use super::client::{Client, DEADLINE};
use crate::ipc::providers::{Answering, Call, Events, OperationProvider};

const ASK: Operation = Operation::GetThingShadow;

/// Answers with its name, once it may.
#[derive(Debug)]
struct Named(&'static str, Arc<Notify>);

impl OperationProvider for Named {
    fn answer<'a>(&'a self, _: &'a Call) -> Answering<'a> {
        Box::pin(async {
            self.1.notified().await;
            Ok(Bytes::from(json!({"payload": self.0}).to_string()))
        })
    }
}

fn provider(name: &'static str) -> (Arc<Named>, Arc<Notify>) {
    let may_answer = Arc::new(Notify::new());
    (Arc::new(Named(name, may_answer.clone())), may_answer)
}

#[tokio::test]
async fn a_slow_answer_holds_up_no_other_request() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let (slow, may_answer) = provider("slow");
    let _registration = device.operations.register(&[ASK], slow);
    let (stream, frame) = client.connection.request(ASK, &json!({"thingName": "t"}));
    client.send(&frame).await;
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
    may_answer.notify_one();
    assert_eq!(client.answer(stream).await.unwrap(), json!({"payload": "slow"}));
}

#[tokio::test]
async fn the_later_provider_answers_and_the_earlier_ones_end_does_not_matter() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let (first, _) = provider("first");
    let (second, may_answer) = provider("second");
    let earlier = device.operations.register(&[ASK], first);
    let later = device.operations.register(&[ASK], second);
    drop(earlier);
    may_answer.notify_one();
    assert_eq!(client.call(ASK, json!({})).await.unwrap(), json!({"payload": "second"}));
    drop(later);
    assert_eq!(client.call(ASK, json!({})).await.unwrap_err().0, "ServiceError");
}

#[tokio::test]
async fn what_is_the_nucleus_own_cannot_be_taken_over() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let (usurper, _) = provider("usurper");
    let _registration = device.operations.register(&Operation::ALL, usurper);
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
    let topic = json!({"topic": "t", "publishMessage": {"jsonMessage": {"message": {}}}});
    assert_eq!(client.call(Operation::PublishToTopic, topic).await.unwrap(), json!({}));
}

const WATCH: Operation = Operation::SubscribeToCertificateUpdates;

/// Sends one event at once, and keeps the stream for more.
#[derive(Debug, Default)]
struct Rotating(Mutex<Vec<Events>>);

impl OperationProvider for Rotating {
    fn answer<'a>(&'a self, call: &'a Call) -> Answering<'a> {
        Box::pin(async {
            call.authorize("*")?;
            let events = call.events.clone().unwrap();
            assert!(events.send(&certificate("first")).await);
            self.0.lock().unwrap().push(events);
            Ok(Bytes::from("{}"))
        })
    }
}

/// A component that may do this with client devices.
async fn allowed(device: &Device, resource: &str) -> Client {
    let policy = json!({"p": {"operations": ["*"], "resources": [resource]}});
    let access = json!({"aws.greengrass.clientdevices.Auth": policy});
    device.configure("com.example.A", json!({"accessControl": access}));
    device.connect("com.example.A").await
}

fn certificate(text: &str) -> Bytes {
    Bytes::from(json!({"certificateUpdate": {"certificate": text}}).to_string())
}

async fn next_certificate(client: &mut Client, wanted: i32) -> String {
    let (stream, event) = client.event().await;
    assert_eq!(stream, wanted);
    event["certificateUpdate"]["certificate"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_providers_events_come_behind_its_response_until_it_drops_the_stream() {
    let device = Device::start();
    let mut client = allowed(&device, "*").await;
    let provider = Arc::new(Rotating::default());
    let registration = device.operations.register(&[WATCH], provider.clone());
    let stream = client.subscribe(WATCH, json!({})).await.unwrap();
    assert_eq!(next_certificate(&mut client, stream).await, "first");
    let kept = provider.0.lock().unwrap().pop().unwrap();
    for text in ["second", "last"] {
        assert!(kept.send(&certificate(text)).await);
    }
    drop((kept, registration));
    assert_eq!(next_certificate(&mut client, stream).await, "second");
    assert_eq!(next_certificate(&mut client, stream).await, "last");
    assert_eq!(client.message().await, Some(Message::StreamClosed { stream }));
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_provider_hears_that_the_client_has_ended_a_stream_or_is_gone() {
    let device = Device::start();
    let provider = Arc::new(Rotating::default());
    let _registration = device.operations.register(&[WATCH], provider.clone());
    let mut client = allowed(&device, "*").await;
    let stream = client.subscribe(WATCH, json!({})).await.unwrap();
    client.subscribe(WATCH, json!({})).await.unwrap();
    let kept = std::mem::take(&mut *provider.0.lock().unwrap());
    client.end_stream(stream).await;
    timeout(DEADLINE, kept[0].ended()).await.unwrap();
    assert!(!kept[0].send(&certificate("late")).await);
    assert!(kept[1].send(&certificate("more")).await, "the other stream goes on");
    drop(client);
    timeout(DEADLINE, kept[1].ended()).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_denies_a_subscription_ends_its_stream_with_the_error() {
    let device = Device::start();
    let _registration = device.operations.register(&[WATCH], Arc::new(Rotating::default()));
    let mut client = allowed(&device, "nothing").await;
    let (code, _) = client.subscribe(WATCH, json!({})).await.unwrap_err();
    assert_eq!(code, "UnauthorizedError");
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
}
