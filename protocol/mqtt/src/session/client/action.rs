//! What a client session asks its shell to do.

use std::time::Duration;

use bytestring::ByteString;

use crate::packet::PacketId;
use crate::publish::Publish;
use crate::reason::ReasonCode;

/// How an operation ended: the acknowledgement's code, below 0x80, or why there is none.
pub type Outcome = Result<ReasonCode, Failure>;

/// Why an operation was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server refused with this code.
    Refused(ReasonCode),
    /// No answer in time. The server may have done it all the same.
    TimedOut,
    /// The packet is larger than the server takes.
    TooLarge {
        /// Size of the packet in bytes.
        size: usize,
        /// The server's maximum.
        max: u32,
    },
    /// The topic, the filter or a property cannot be sent in MQTT.
    Invalid,
    /// The server said when it accepted the connection that it does not have this.
    NotOffered(Feature),
    /// The server ended the connection while a message for one connection waited for its
    /// acknowledgement: perhaps because of it. With the code of its DISCONNECT, if it sent one.
    Cut(Option<ReasonCode>),
    /// The connection of a message for one connection ended for a reason that is not the
    /// message's, or before it was sent.
    Lost,
    /// The session was stopped.
    Stopped,
}

/// What a server may lack (MQTT 5, 3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Feature {
    /// Messages with QoS 1.
    #[error("messages with QoS 1")]
    QoS1,
    /// Retained messages.
    #[error("retained messages")]
    Retain,
    /// Filters with `+` or `#`.
    #[error("wildcard subscriptions")]
    Wildcards,
    /// Filters that begin with `$share/`.
    #[error("shared subscriptions")]
    Shared,
}

/// What the shell has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<T> {
    /// The operation is over.
    Done(T, Outcome),
    /// Hand a received message to the application, then call
    /// [`delivered`](super::ClientSession::delivered) with the id, if there is one.
    Deliver(Publish, Option<PacketId>),
    /// The server accepted the connection.
    Connected {
        /// It still held the session.
        session_present: bool,
    },
    /// The server does not renew a subscription it has lost.
    RenewalRefused {
        /// The subscription's filter.
        filter: ByteString,
        /// Why.
        reason: ReasonCode,
    },
    /// Close the stream, then call [`lost`](super::ClientSession::lost).
    Close(CloseReason),
}

/// Why a connection must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The server did not accept the connection.
    #[error("the server refused the connection: {0}")]
    Refused(ReasonCode),
    /// The server ended the connection.
    #[error("the server disconnected: {0}")]
    Disconnected(ReasonCode),
    /// The server did not answer a ping.
    #[error("the server did not answer a ping within {0:?}")]
    PingTimeout(Duration),
    /// The server sent a packet that is not allowed here.
    #[error("the server broke the protocol with {0}")]
    Protocol(&'static str),
}
