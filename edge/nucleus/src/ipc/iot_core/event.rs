//! A message from the cloud as the event that components get.

use bytes::Bytes;
use marram_ipc::encoding::Blob;
use marram_ipc::shapes::{IoTCoreMessage, UserProperty};
use marram_mqtt::Publish;

/// The event for `message`, the same for all streams.
pub(super) fn message_event(message: &Publish) -> Bytes {
    let properties = &message.properties;
    IoTCoreMessage {
        topic_name: &message.topic,
        payload: Blob(message.payload.clone()),
        retain: message.retain,
        payload_format: if properties.payload_format_utf8 { "1" } else { "0" },
        user_properties: properties
            .user_properties
            .iter()
            .map(|(key, value)| UserProperty { key: key.to_string(), value: value.to_string() })
            .collect(),
        message_expiry_interval_seconds: properties.message_expiry_s,
        correlation_data: properties.correlation_data.clone().map(Blob),
        response_topic: properties.response_topic.as_deref(),
        content_type: properties.content_type.as_deref(),
    }
    .event()
    .into()
}
