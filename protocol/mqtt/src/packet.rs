//! MQTT control packets, one set of types for both protocol versions.
//!
//! What 3.1.1 cannot say is empty or at its MQTT 5 default.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::publish::{Publish, QoS};
use crate::reason::ReasonCode;

/// Protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    V311,
    /// MQTT 5 (protocol level 5).
    V5,
}

/// Packet identifier of a packet that expects an acknowledgement; never 0.
pub type PacketId = NonZeroU16;

/// A control packet, either version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// First packet of a client.
    Connect(Box<Connect>),
    /// The server's answer to CONNECT.
    ConnAck(Box<ConnAck>),
    /// An application message on one hop.
    Publish(Box<PublishPacket>),
    /// Acknowledges a QoS 1 PUBLISH.
    PubAck(PubAck),
    /// Asks for subscriptions.
    Subscribe(Subscribe),
    /// Answers SUBSCRIBE, one code per filter.
    SubAck(SubAck),
    /// Ends subscriptions.
    Unsubscribe(Unsubscribe),
    /// Answers UNSUBSCRIBE; `reasons` is empty in 3.1.1.
    UnsubAck(SubAck),
    /// Keeps the connection alive.
    PingRequest,
    /// Answers a PINGREQ.
    PingResponse,
    /// Announces the end of the connection.
    Disconnect(Disconnect),
    /// MQTT 5 extended authentication, which neither side here uses.
    Auth,
}

/// CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// Version the client speaks.
    pub version: Version,
    /// Client id; empty asks the server to make one.
    pub client_id: ByteString,
    /// Start without an old session.
    pub clean_start: bool,
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive_s: u16,
    /// Seconds the session outlives the connection. In 3.1.1 it is derived from the clean session
    /// flag: 0 when clean, `u32::MAX` (for ever) otherwise.
    pub session_expiry_s: u32,
    /// Most unacknowledged QoS 1 messages this client takes; `None` is MQTT's default of 65535.
    pub receive_maximum: Option<NonZeroU16>,
    /// Largest packet this client takes, in bytes.
    pub max_packet_size: Option<NonZeroU32>,
    /// Highest topic alias this client takes; 0 for none.
    pub topic_alias_maximum: u16,
    /// Whether the client asked for an authentication exchange (MQTT 5 Authentication Method).
    pub authentication_method: Option<ByteString>,
    /// Message to publish when the connection breaks.
    pub will: Option<Will>,
    /// User name; AWS device SDKs put their metrics here.
    pub username: Option<ByteString>,
    /// Password.
    pub password: Option<Bytes>,
}

/// The message a server publishes when a connection breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// The message itself.
    pub publish: Publish,
    /// Seconds to wait for the client to come back before publishing.
    pub delay_s: u32,
}

/// CONNACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
    /// The server still holds the client's session.
    pub session_present: bool,
    /// Success, or why not.
    pub reason: ReasonCode,
    /// What the server allows; ignored in 3.1.1.
    pub limits: ServerLimits,
}

/// What a server tells an MQTT 5 client about itself (MQTT 5 §3.2.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Session expiry the server uses instead of the requested one, in seconds.
    pub session_expiry_s: Option<u32>,
    /// Most unacknowledged QoS 1 messages the server takes.
    pub receive_maximum: NonZeroU16,
    /// Highest QoS the server takes.
    pub max_qos: QoS,
    /// Largest packet the server takes, in bytes.
    pub max_packet_size: Option<u32>,
    /// Client id the server made for a client without one.
    pub assigned_client_id: Option<ByteString>,
    /// Highest topic alias the server takes.
    pub topic_alias_maximum: u16,
    /// Keep alive the client must use instead of its own, in seconds.
    pub server_keep_alive_s: Option<u16>,
    /// Whether retained messages exist.
    pub retain_available: bool,
    /// Whether filters with `+` or `#` work.
    pub wildcard_subscriptions: bool,
    /// Whether `$share/…` filters work.
    pub shared_subscriptions: bool,
    /// Text for people.
    pub reason_string: Option<ByteString>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            session_expiry_s: None,
            receive_maximum: NonZeroU16::MAX,
            max_qos: QoS::AtLeastOnce,
            max_packet_size: None,
            assigned_client_id: None,
            topic_alias_maximum: 0,
            server_keep_alive_s: None,
            retain_available: true,
            wildcard_subscriptions: true,
            shared_subscriptions: true,
            reason_string: None,
        }
    }
}

/// PUBLISH: the message plus what belongs to this hop only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishPacket {
    /// The message. Its topic may be empty when `topic_alias` stands for it.
    pub publish: Publish,
    /// Set exactly when the QoS is 1.
    pub packet_id: Option<PacketId>,
    /// Sent before without an acknowledgement.
    pub dup: bool,
    /// Topic alias to set or to use.
    pub topic_alias: Option<NonZeroU16>,
    /// Identifiers of the subscriptions that matched (server to client only).
    pub subscription_ids: Vec<NonZeroU32>,
}

/// PUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PubAck {
    /// The acknowledged PUBLISH.
    pub packet_id: PacketId,
    /// Always success in 3.1.1, which has no codes.
    pub reason: ReasonCode,
}

/// SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Links the SUBACK.
    pub packet_id: PacketId,
    /// Identifier to send with each matching message.
    pub subscription_id: Option<NonZeroU32>,
    /// Filters with their options, at least one.
    pub filters: Vec<(ByteString, SubscribeOptions)>,
}

/// Options of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubscribeOptions {
    /// Highest QoS to deliver with; a request for QoS 2 is read as QoS 1.
    pub qos: QoS,
    /// Do not send the subscriber its own messages.
    pub no_local: bool,
    /// Keep the publisher's retain flag on delivery.
    pub retain_as_published: bool,
    /// Whether to send retained messages now.
    pub retain_handling: RetainHandling,
}

/// When a SUBSCRIBE is answered with retained messages (MQTT 5 §3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetainHandling {
    /// At each SUBSCRIBE.
    #[default]
    Send,
    /// Only when the subscription did not exist.
    SendIfNew,
    /// Never.
    DoNotSend,
}

/// SUBACK and UNSUBACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubAck {
    /// The answered request.
    pub packet_id: PacketId,
    /// One code per filter, in the request's order.
    pub reasons: Vec<ReasonCode>,
}

/// UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Links the UNSUBACK.
    pub packet_id: PacketId,
    /// Filters to end, at least one.
    pub filters: Vec<ByteString>,
}

/// DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Why; always success in 3.1.1.
    pub reason: ReasonCode,
    /// New session expiry in seconds, from a client.
    pub session_expiry_s: Option<u32>,
    /// Text for people.
    pub reason_string: Option<ByteString>,
}

impl Disconnect {
    /// A DISCONNECT with just a reason.
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, session_expiry_s: None, reason_string: None }
    }
}

impl Packet {
    /// The packet's name in the MQTT standard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::ConnAck(_) => "CONNACK",
            Self::Publish(_) => "PUBLISH",
            Self::PubAck(_) => "PUBACK",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::SubAck(_) => "SUBACK",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::UnsubAck(_) => "UNSUBACK",
            Self::PingRequest => "PINGREQ",
            Self::PingResponse => "PINGRESP",
            Self::Disconnect(_) => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("keep_alive_s", &self.keep_alive_s)
            .field("session_expiry_s", &self.session_expiry_s)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "<redacted>"))
            .finish_non_exhaustive()
    }
}
