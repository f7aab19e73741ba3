//! Operations that components inside the nucleus answer: who has the word, and who is not held up.

use std::sync::Arc;

use bytes::Bytes;
use marram_ipc::Operation;
use serde_json::json;
use tokio::sync::Notify;

use super::Device;
use crate::ipc::providers::{Answering, Call, OperationProvider};

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
