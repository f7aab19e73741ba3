//! PublishToIoTCore and SubscribeToIoTCore.

use serde::{Deserialize, Serialize};

use crate::encoding::{Blob, DigitEnum};

/// Publishes a message to AWS IoT Core.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishToIoTCoreRequest {
    /// Where to; required.
    pub topic_name: Option<String>,
    /// `0` or `1`; required.
    pub qos: Option<DigitEnum>,
    /// What; required.
    pub payload: Option<Blob>,
    /// Keep it as the topic's retained message; default false.
    pub retain: Option<bool>,
    /// MQTT 5 user properties.
    pub user_properties: Option<Vec<UserProperty>>,
    /// MQTT 5 message expiry in seconds.
    pub message_expiry_interval_seconds: Option<u32>,
    /// MQTT 5 correlation data.
    pub correlation_data: Option<Blob>,
    /// MQTT 5 response topic.
    pub response_topic: Option<String>,
    /// `0` (bytes) or `1` (UTF-8); default `0`.
    pub payload_format: Option<DigitEnum>,
    /// MQTT 5 content type.
    pub content_type: Option<String>,
}

/// An MQTT 5 user property.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserProperty {
    /// Name; may repeat.
    #[serde(default)]
    pub key: String,
    /// Value.
    #[serde(default)]
    pub value: String,
}

/// Subscribes to messages from AWS IoT Core.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeToIoTCoreRequest {
    /// Topic filter; required.
    pub topic_name: Option<String>,
    /// `0` or `1`; required.
    pub qos: Option<DigitEnum>,
}

/// A message from AWS IoT Core. The first four members are always written: the C component SDK
/// ends the subscription without `payload`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IoTCoreMessage<'a> {
    /// The topic it was published to.
    pub topic_name: &'a str,
    /// Its payload, empty or not.
    pub payload: Blob,
    /// Whether it had been retained.
    pub retain: bool,
    /// `0` (bytes) or `1` (UTF-8).
    pub payload_format: &'static str,
    /// MQTT 5 user properties.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_properties: Vec<UserProperty>,
    /// MQTT 5 message expiry in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_expiry_interval_seconds: Option<u32>,
    /// MQTT 5 correlation data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_data: Option<Blob>,
    /// MQTT 5 response topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_topic: Option<&'a str>,
    /// MQTT 5 content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'a str>,
}

impl IoTCoreMessage<'_> {
    /// The event as compact JSON: the `IoTCoreMessage` union around this `MQTTMessage`.
    pub fn event(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Union<'a> {
            message: &'a IoTCoreMessage<'a>,
        }

        crate::encoding::to_json(&Union { message: self })
    }
}

/// Whether the device reaches AWS IoT Core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "UPPERCASE")]
pub enum IoTCoreConnectionStatusEvent {
    /// It does.
    Connected,
    /// It does not.
    Disconnected,
}

impl IoTCoreConnectionStatusEvent {
    /// The event as compact JSON, in its union.
    pub fn event(self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Union {
            connection_status_event: IoTCoreConnectionStatusEvent,
        }

        crate::encoding::to_json(&Union { connection_status_event: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipc_33_the_connection_status_is_a_word() {
        let event = IoTCoreConnectionStatusEvent::Disconnected.event();
        let expected = r#"{"connectionStatusEvent":{"status":"DISCONNECTED"}}"#;
        assert_eq!(String::from_utf8(event).unwrap(), expected);
    }

    #[test]
    fn i31_an_empty_payload_is_written() {
        let message = IoTCoreMessage {
            topic_name: "a/b",
            payload: Blob::default(),
            retain: false,
            payload_format: "0",
            user_properties: Vec::new(),
            message_expiry_interval_seconds: None,
            correlation_data: None,
            response_topic: None,
            content_type: None,
        };
        let event =
            r#"{"message":{"topicName":"a/b","payload":"","retain":false,"payloadFormat":"0"}}"#;
        assert_eq!(String::from_utf8(message.event()).unwrap(), event);
    }

    #[test]
    fn requests_take_null_as_absent_and_ignore_the_unknown() {
        let request: PublishToIoTCoreRequest = serde_json::from_str(
            r#"{"topicName":"t","qos":1,"payload":null,"retain":null,"subscriptionMode":"X"}"#,
        )
        .unwrap();
        assert_eq!(request.qos.unwrap().0, "1");
        assert!(request.payload.is_none() && request.retain.is_none());
    }
}
