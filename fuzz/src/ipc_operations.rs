//! The JSON of requests, read as each shape; the first byte chooses the operation for errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marram_ipc::Operation;
use marram_ipc::encoding::is_base64;
use marram_ipc::shapes::{
    ComponentRequest, GetConfigurationRequest, IoTCoreMessage, LocalDeploymentRequest, MessageBody,
    PauseComponentRequest, PublishToIoTCoreRequest, PublishToTopicRequest,
    SubscribeToConfigurationUpdateRequest, SubscribeToIoTCoreRequest, SubscribeToTopicRequest,
    UpdateConfigurationRequest, UpdateStateRequest, parse,
};
use serde_json::Value;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, json)) = data.split_first() else { return };
    let operation = Operation::ALL[usize::from(choice) % Operation::ALL.len()];
    publish(operation, json);
    publish_to_iot_core(operation, json);
    each::<SubscribeToTopicRequest>(operation, json);
    each::<SubscribeToIoTCoreRequest>(operation, json);
    each::<GetConfigurationRequest>(operation, json);
    each::<UpdateConfigurationRequest>(operation, json);
    each::<SubscribeToConfigurationUpdateRequest>(operation, json);
    each::<UpdateStateRequest>(operation, json);
    each::<PauseComponentRequest>(operation, json);
    each::<ComponentRequest>(operation, json);
    each::<LocalDeploymentRequest>(operation, json);
}

/// Reads one shape; what cannot be read has an error that is JSON.
fn each<'a, T: serde::Deserialize<'a>>(operation: Operation, json: &'a [u8]) -> Option<T> {
    match parse::<T>(operation, json) {
        Ok(request) => Some(request),
        Err(error) => {
            let answer: Value = serde_json::from_slice(&error.payload()).expect("an error is JSON");
            assert!(answer["message"].is_string(), "{answer}");
            None
        }
    }
}

fn publish(operation: Operation, json: &[u8]) {
    let Some(request) = each::<PublishToTopicRequest<'_>>(operation, json) else { return };
    let (Some(topic), Some(message)) = (request.topic, request.publish_message) else { return };
    let Ok(body) = message.body() else { return };
    let event: Value = serde_json::from_slice(&body.event(&topic)).expect("an event is JSON");
    match body {
        MessageBody::Json(text) => {
            let sent: Value = serde_json::from_str(text).expect("a body is JSON");
            assert_eq!(event["jsonMessage"]["message"], sent);
            assert_eq!(event["jsonMessage"]["context"]["topic"], *topic);
        }
        MessageBody::Binary(base64) => {
            assert_eq!(event["binaryMessage"]["message"], base64);
            assert!(STANDARD.decode(base64).is_ok() || has_loose_bits(base64), "{base64}");
        }
    }
}

/// Base64 whose last digit has bits that belong to no byte: not checked before it is passed on.
fn has_loose_bits(base64: &str) -> bool {
    is_base64(base64) && base64.ends_with('=')
}

fn publish_to_iot_core(operation: Operation, json: &[u8]) {
    let Some(request) = each::<PublishToIoTCoreRequest>(operation, json) else { return };
    let message = IoTCoreMessage {
        topic_name: request.topic_name.as_deref().unwrap_or_default(),
        payload: request.payload.unwrap_or_default(),
        retain: request.retain.unwrap_or_default(),
        payload_format: "0",
        user_properties: request.user_properties.unwrap_or_default(),
        message_expiry_interval_seconds: request.message_expiry_interval_seconds,
        correlation_data: request.correlation_data,
        response_topic: request.response_topic.as_deref(),
        content_type: request.content_type.as_deref(),
    };
    let event: Value = serde_json::from_slice(&message.event()).expect("an event is JSON");
    assert_eq!(event["message"]["topicName"], message.topic_name);
}
