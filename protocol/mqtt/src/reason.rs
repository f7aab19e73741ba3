//! MQTT 5 reason codes (MQTT 5 §2.4), used inside for both protocol versions.

use std::fmt;

/// One byte that says how an operation ended. Below 0x80 it succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReasonCode(pub u8);

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)+) => {
        impl ReasonCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)+

            /// The code's meaning in words; `unknown reason` for a code MQTT 5 does not define.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    _ => "unknown reason",
                }
            }
        }
    };
}

reason_codes! {
    /// Success; as a DISCONNECT, the normal end; as a SUBACK, QoS 0 granted.
    SUCCESS = 0x00, "success";
    /// SUBACK: QoS 1 granted.
    GRANTED_QOS_1 = 0x01, "granted QoS 1";
    /// DISCONNECT by a client that wants its will published.
    DISCONNECT_WITH_WILL = 0x04, "disconnect with will message";
    /// PUBACK: accepted, and nobody subscribes to the topic.
    NO_MATCHING_SUBSCRIBERS = 0x10, "no matching subscribers";
    /// UNSUBACK: there was no such subscription.
    NO_SUBSCRIPTION_EXISTED = 0x11, "no subscription existed";
    /// A failure without a more precise code.
    UNSPECIFIED_ERROR = 0x80, "unspecified error";
    /// Bytes that are not an MQTT packet.
    MALFORMED_PACKET = 0x81, "malformed packet";
    /// A packet that is not allowed here.
    PROTOCOL_ERROR = 0x82, "protocol error";
    /// Valid, but this implementation does not do it.
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83, "implementation specific error";
    /// CONNACK: the server does not speak this protocol version.
    UNSUPPORTED_PROTOCOL_VERSION = 0x84, "unsupported protocol version";
    /// CONNACK: the client id is not allowed.
    CLIENT_IDENTIFIER_NOT_VALID = 0x85, "client identifier not valid";
    /// CONNACK: user name or password wrong.
    BAD_USER_NAME_OR_PASSWORD = 0x86, "bad user name or password";
    /// The policies do not allow it.
    NOT_AUTHORIZED = 0x87, "not authorized";
    /// CONNACK: try again later.
    SERVER_UNAVAILABLE = 0x88, "server unavailable";
    /// Too much work at the moment.
    SERVER_BUSY = 0x89, "server busy";
    /// The server stops.
    SERVER_SHUTTING_DOWN = 0x8B, "server shutting down";
    /// CONNACK: the authentication method is not supported.
    BAD_AUTHENTICATION_METHOD = 0x8C, "bad authentication method";
    /// Nothing came within one and a half times the keep alive.
    KEEP_ALIVE_TIMEOUT = 0x8D, "keep alive timeout";
    /// Another connection uses the same client id.
    SESSION_TAKEN_OVER = 0x8E, "session taken over";
    /// The topic filter is not well formed or not allowed.
    TOPIC_FILTER_INVALID = 0x8F, "topic filter invalid";
    /// The topic name is not well formed or not allowed.
    TOPIC_NAME_INVALID = 0x90, "topic name invalid";
    /// More unacknowledged QoS 1 messages than the receiver allows.
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "receive maximum exceeded";
    /// A topic alias of 0, above the maximum, or never set.
    TOPIC_ALIAS_INVALID = 0x94, "topic alias invalid";
    /// Larger than the receiver's maximum packet size.
    PACKET_TOO_LARGE = 0x95, "packet too large";
    /// Messages come too fast.
    MESSAGE_RATE_TOO_HIGH = 0x96, "message rate too high";
    /// A bound of the receiver is reached.
    QUOTA_EXCEEDED = 0x97, "quota exceeded";
    /// Cut by the operator, for instance because the certificate was revoked.
    ADMINISTRATIVE_ACTION = 0x98, "administrative action";
    /// The payload is not what the payload format declares.
    PAYLOAD_FORMAT_INVALID = 0x99, "payload format invalid";
    /// QoS 2, which AWS IoT does not have.
    QOS_NOT_SUPPORTED = 0x9B, "QoS not supported";
    /// Connect elsewhere for the time being.
    USE_ANOTHER_SERVER = 0x9C, "use another server";
    /// Connect elsewhere from now on.
    SERVER_MOVED = 0x9D, "server moved";
    /// Shared subscriptions are not available here.
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E, "shared subscriptions not supported";
    /// The client connects too often.
    CONNECTION_RATE_EXCEEDED = 0x9F, "connection rate exceeded";
    /// The connection was as long as it may be.
    MAXIMUM_CONNECT_TIME = 0xA0, "maximum connect time";
}

impl ReasonCode {
    /// Whether the code reports a failure.
    pub fn is_error(self) -> bool {
        self.0 >= 0x80
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.text(), self.0)
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
