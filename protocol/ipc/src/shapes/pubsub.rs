//! PublishToTopic and SubscribeToTopic.
//!
//! A published message goes to its subscribers unchanged, so its JSON is never built into a value:
//! the request borrows the message's text and the event is written around it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::encoding::{is_base64, push_compact_json, push_json_string};
use crate::error::IpcError;
use crate::operation::Operation;
use crate::shapes::parse;

/// Publishes a message to the device's components.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishToTopicRequest<'a> {
    /// Where to; required.
    #[serde(borrow, default, deserialize_with = "optional_text")]
    pub topic: Option<Cow<'a, str>>,
    /// What; required.
    #[serde(borrow)]
    pub publish_message: Option<PublishMessage<'a>>,
}

impl<'a> PublishToTopicRequest<'a> {
    /// [`parse`], compiled in this crate: a device's executable is optimised for size but for the
    /// crates that every message passes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, IpcError> {
        parse(Operation::PublishToTopic, payload)
    }
}

/// A union: exactly one member must be there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishMessage<'a> {
    #[serde(borrow)]
    json_message: Option<JsonMessage<'a>>,
    #[serde(borrow)]
    binary_message: Option<BinaryMessage<'a>>,
}

/// The publisher's `context` is dropped: the server writes its own.
#[derive(Debug, Deserialize)]
struct JsonMessage<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct BinaryMessage<'a> {
    #[serde(borrow, default, deserialize_with = "optional_text")]
    message: Option<Cow<'a, str>>,
}

/// Text that is borrowed where it has no escapes: inside an `Option`, serde copies a `Cow` always.
fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    Ok(Option::<Text<'_>>::deserialize(deserializer)?.map(|Text(text)| text))
}

/// A message that may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageBody<'a> {
    /// The text of a JSON object.
    Json(&'a str),
    /// Bytes as base64.
    Binary(&'a str),
}

impl PublishMessage<'_> {
    /// The one member that is there.
    pub fn body(&self) -> Result<MessageBody<'_>, IpcError> {
        match (&self.json_message, &self.binary_message) {
            (Some(JsonMessage { message: Some(json) }), None) if json.get().starts_with('{') => {
                Ok(MessageBody::Json(json.get()))
            }
            (Some(_), None) => Err(IpcError::invalid_arguments(
                "publishMessage.jsonMessage.message must be a JSON object",
            )),
            (None, Some(BinaryMessage { message: Some(base64) })) if is_base64(base64) => {
                Ok(MessageBody::Binary(base64))
            }
            (None, Some(_)) => Err(IpcError::invalid_arguments(
                "publishMessage.binaryMessage.message must be standard base64 with padding",
            )),
            _ => Err(IpcError::invalid_arguments(
                "publishMessage must have exactly one of jsonMessage and binaryMessage",
            )),
        }
    }
}

impl MessageBody<'_> {
    /// The `SubscriptionResponseMessage` that each subscriber of `topic` gets.
    pub fn event(&self, topic: &str) -> Bytes {
        /// Everything around a message and its topic.
        const FRAME: usize = 64;

        let (Self::Json(text) | Self::Binary(text)) = *self;
        let mut out = Vec::with_capacity(FRAME + text.len() + topic.len());
        match self {
            Self::Json(json) => {
                out.extend_from_slice(br#"{"jsonMessage":{"message":"#);
                push_compact_json(&mut out, json);
            }
            Self::Binary(base64) => {
                out.extend_from_slice(br#"{"binaryMessage":{"message":""#);
                out.extend_from_slice(base64.as_bytes());
                out.push(b'"');
            }
        }
        out.extend_from_slice(br#","context":{"topic":"#);
        push_json_string(&mut out, topic);
        out.extend_from_slice(b"}}}");
        out.into()
    }
}

/// Subscribes to what the device's components publish.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeToTopicRequest {
    /// Topic filter; required.
    pub topic: Option<String>,
    /// Whose messages to get; the default depends on the filter.
    pub receive_mode: Option<ReceiveMode>,
}

/// Whether a component gets what it published itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReceiveMode {
    /// Also its own.
    ReceiveAllMessages,
    /// Only other components'.
    ReceiveMessagesFromOthers,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(json: &str) -> Result<Bytes, IpcError> {
        let request: PublishToTopicRequest<'_> = parse(Operation::PublishToTopic, json.as_bytes())?;
        request.publish_message.unwrap().body().map(|body| body.event(&request.topic.unwrap()))
    }

    #[test]
    fn p17_messages_become_events_unchanged() {
        let json = r#"{"topic": "a/\"b", "publishMessage":
            {"jsonMessage": {"message": { "x" : [1, 1.0, "a \" b"] }, "context": {"topic": "no"}}}}"#;
        let event =
            r#"{"jsonMessage":{"message":{"x":[1,1.0,"a \" b"]},"context":{"topic":"a/\"b"}}}"#;
        assert_eq!(publish(json).unwrap(), event);
        let binary = r#"{"topic":"t","publishMessage":{"binaryMessage":{"message":"aGk="},"jsonMessage":null}}"#;
        let event = r#"{"binaryMessage":{"message":"aGk=","context":{"topic":"t"}}}"#;
        assert_eq!(publish(binary).unwrap(), event);
    }

    #[test]
    fn a_message_is_not_copied_while_it_is_read() {
        let json = r#"{"topic":"t","publishMessage":{"binaryMessage":{"message":"aGk="}}}"#;
        let request = PublishToTopicRequest::parse(json.as_bytes()).unwrap();
        assert!(matches!(request.topic, Some(Cow::Borrowed("t"))));
        let message = request.publish_message.unwrap().binary_message.unwrap().message;
        assert!(matches!(message, Some(Cow::Borrowed("aGk="))));
    }

    #[test]
    fn p22_anything_but_one_sound_member_is_refused() {
        for message in [
            r#"{}"#,
            r#"{"jsonMessage":{"message":{}},"binaryMessage":{"message":""}}"#,
            r#"{"jsonMessage":{"message":[1]}}"#,
            r#"{"jsonMessage":{"message":null}}"#,
            r#"{"jsonMessage":{}}"#,
            r#"{"binaryMessage":{}}"#,
            r#"{"binaryMessage":{"message":"a"}}"#,
        ] {
            let request = format!(r#"{{"topic":"t","publishMessage":{message}}}"#);
            let error = publish(&request).unwrap_err();
            assert_eq!(error.code, crate::ErrorCode::InvalidArguments, "{message}");
        }
    }
}
