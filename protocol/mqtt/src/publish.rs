//! An application message: what a publisher hands over and a subscriber receives.

use bytes::Bytes;
use bytestring::ByteString;

/// Delivery guarantee. AWS IoT knows only the first two of MQTT's three, and so do we.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum QoS {
    /// QoS 0: sent once, never acknowledged.
    #[default]
    AtMostOnce,
    /// QoS 1: sent until acknowledged, so it may arrive twice.
    AtLeastOnce,
}

/// An application message without the fields that belong to one hop (packet id, DUP, alias).
///
/// Cloning is cheap: topic and payload are reference counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    /// Topic name, without wildcards.
    pub topic: ByteString,
    /// Application payload, not interpreted.
    pub payload: Bytes,
    /// Guarantee for this hop.
    pub qos: QoS,
    /// To the broker: keep as the topic's retained message. From the broker: this was retained.
    pub retain: bool,
    /// MQTT 5 properties that travel from publisher to subscriber unchanged; empty for 3.1.1.
    pub properties: PublishProperties,
}

/// The MQTT 5 PUBLISH properties that pass through a broker (MQTT 5 §3.3.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishProperties {
    /// Where the receiver shall answer.
    pub response_topic: Option<ByteString>,
    /// Opaque bytes that link an answer to its request.
    pub correlation_data: Option<Bytes>,
    /// Name and value pairs, in order; names may repeat.
    pub user_properties: Vec<(ByteString, ByteString)>,
    /// MIME type of the payload, not interpreted.
    pub content_type: Option<ByteString>,
    /// The publisher declares the payload to be UTF-8 text.
    pub payload_format_utf8: bool,
    /// Lifetime in seconds. A broker lowers it by the time the message waited.
    pub message_expiry_s: Option<u32>,
}

impl Publish {
    /// A QoS 0 message without properties.
    pub fn new(topic: impl Into<ByteString>, payload: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), ..Self::default() }
    }

    /// The same message with another guarantee.
    #[must_use]
    pub fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same message with the retain flag set.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }
}
