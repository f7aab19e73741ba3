//! A server's view of one connection: which packets are allowed when, and how long silence may
//! last.
//!
//! The machine never decides about authorisation or routing. It turns packets into [`Inbound`]
//! requests that are well formed by MQTT's rules, and everything else into
//! [`Inbound::Violation`], after which the connection must end.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use bytestring::ByteString;

use crate::packet::{
    ConnAck, Connect, Packet, PacketId, PublishPacket, ServerLimits, Subscribe, Unsubscribe,
    Version,
};
use crate::publish::Publish;
use crate::reason::ReasonCode;
use crate::topic::{self, TopicLimits};

#[cfg(test)]
mod tests;

/// What a server allows each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// How long a client may take until its CONNECT is complete.
    pub connect_timeout: Duration,
    /// Largest packet in bytes, announced in CONNACK.
    pub max_packet_size: u32,
    /// Largest PUBLISH payload in bytes. AWS IoT: 131072.
    pub max_payload: usize,
    /// Most unacknowledged QoS 1 messages of the client, announced in CONNACK.
    pub receive_maximum: NonZeroU16,
    /// Highest topic alias of the client, announced in CONNACK.
    pub topic_alias_maximum: u16,
    /// Longest client id in bytes. AWS IoT: 128.
    pub max_client_id: usize,
    /// Bounds of topics. Filters are the caller's to check: each has an answer of its own.
    pub topics: TopicLimits,
    /// Longest life of a session after its connection, in seconds.
    pub max_session_expiry_s: u32,
    /// Longest keep alive in seconds; a client without keep alive gets this one.
    pub max_keep_alive_s: u16,
}

/// A request of the client that obeys MQTT's rules.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Decide, then call [`ServerConnection::accept`] or send [`ServerConnection::refuse`].
    Connect(Box<Connect>),
    /// Authorise, route, and for QoS 1 acknowledge `packet_id`.
    Publish {
        /// The message, topic alias resolved.
        publish: Publish,
        /// Set for QoS 1.
        packet_id: Option<PacketId>,
    },
    /// The client has the message `packet_id`.
    Acknowledged(PacketId),
    /// Answer with a SUBACK. Filters are not yet validated: each gets its own code.
    Subscribe(Subscribe),
    /// Answer with an UNSUBACK.
    Unsubscribe(Unsubscribe),
    /// Answer with PINGRESP.
    Ping,
    /// The client ends the connection.
    Disconnect {
        /// Whether the will shall be published all the same.
        publish_will: bool,
    },
    /// The client broke a rule: end the connection, in MQTT 5 with this reason.
    Violation(ReasonCode),
}

/// One connection. See the [module](self).
#[derive(Debug)]
pub struct ServerConnection {
    limits: ConnectionLimits,
    phase: Phase,
    last_received: Instant,
    /// Topics by alias, grown on first use.
    aliases: Vec<ByteString>,
    version: Version,
    /// QoS 1 messages of the client that are not answered yet.
    unanswered: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    AwaitingConnect,
    Deciding,
    Open { silence: Duration, session_expiry_s: u32 },
}

impl ServerConnection {
    /// A connection opened at `now`.
    pub fn new(limits: ConnectionLimits, now: Instant) -> Self {
        Self {
            limits,
            phase: Phase::AwaitingConnect,
            last_received: now,
            aliases: Vec::new(),
            version: Version::V311,
            unanswered: 0,
        }
    }

    /// Takes one packet.
    pub fn receive(&mut self, packet: Packet, now: Instant) -> Inbound {
        match (self.phase, packet) {
            (Phase::AwaitingConnect, Packet::Connect(connect)) => self.connect(connect),
            (Phase::Open { .. }, packet) => {
                self.last_received = now;
                self.receive_open(packet)
            }
            _ => Inbound::Violation(ReasonCode::PROTOCOL_ERROR),
        }
    }

    /// Opens the connection for `connect` and says what to answer.
    ///
    /// `assigned_client_id` is the id made for a client without one.
    pub fn accept(
        &mut self,
        connect: &Connect,
        session_present: bool,
        assigned_client_id: Option<ByteString>,
        now: Instant,
    ) -> ConnAck {
        let limits = &self.limits;
        let session_expiry_s = connect.session_expiry_s.min(limits.max_session_expiry_s);
        let keep_alive_s = match connect.keep_alive_s {
            0 => limits.max_keep_alive_s,
            requested => requested.min(limits.max_keep_alive_s),
        };
        // MQTT 5 §3.1.2.10: the server closes after one and a half times the keep alive. Only
        // MQTT 5 can tell the client of another keep alive; a 3.1.1 client keeps its own.
        let silence = match (connect.version, connect.keep_alive_s) {
            (Version::V5, _) | (Version::V311, 0) => Duration::from_secs(u64::from(keep_alive_s)),
            (Version::V311, requested) => Duration::from_secs(u64::from(requested)),
        } * 3
            / 2;
        self.phase = Phase::Open { silence, session_expiry_s };
        self.version = connect.version;
        self.last_received = now;
        ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            limits: ServerLimits {
                session_expiry_s: (session_expiry_s != connect.session_expiry_s)
                    .then_some(session_expiry_s),
                receive_maximum: limits.receive_maximum,
                max_packet_size: Some(limits.max_packet_size),
                assigned_client_id,
                topic_alias_maximum: limits.topic_alias_maximum,
                server_keep_alive_s: (keep_alive_s != connect.keep_alive_s).then_some(keep_alive_s),
                ..ServerLimits::default()
            },
        }
    }

    /// A QoS 1 message of the client was answered, or will never be.
    pub fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// The answer to a CONNECT that is not accepted.
    pub fn refuse(reason: ReasonCode) -> ConnAck {
        ConnAck { session_present: false, reason, limits: ServerLimits::default() }
    }

    /// Seconds the session shall live after this connection.
    pub fn session_expiry_s(&self) -> u32 {
        match self.phase {
            Phase::Open { session_expiry_s, .. } => session_expiry_s,
            Phase::AwaitingConnect | Phase::Deciding => 0,
        }
    }

    /// When the client has been silent for too long, unless it sends something before.
    pub fn deadline(&self) -> Instant {
        match self.phase {
            Phase::AwaitingConnect | Phase::Deciding => {
                self.last_received + self.limits.connect_timeout
            }
            Phase::Open { silence, .. } => self.last_received + silence,
        }
    }

    fn connect(&mut self, connect: Box<Connect>) -> Inbound {
        self.phase = Phase::Deciding;
        if connect.authentication_method.is_some() {
            return Inbound::Violation(ReasonCode::BAD_AUTHENTICATION_METHOD);
        }
        let client_id = &connect.client_id;
        if client_id.len() > self.limits.max_client_id || client_id.contains('\0') {
            return Inbound::Violation(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        if let Some(will) = &connect.will {
            if !self.is_valid_name(&will.publish.topic) {
                return Inbound::Violation(ReasonCode::TOPIC_NAME_INVALID);
            }
            if will.publish.payload.len() > self.limits.max_payload {
                return Inbound::Violation(ReasonCode::PACKET_TOO_LARGE);
            }
        }
        Inbound::Connect(connect)
    }

    fn receive_open(&mut self, packet: Packet) -> Inbound {
        match packet {
            Packet::Publish(publish) => self.publish(*publish).unwrap_or_else(Inbound::Violation),
            Packet::PubAck(ack) => Inbound::Acknowledged(ack.packet_id),
            Packet::Subscribe(subscribe) => Inbound::Subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => Inbound::Unsubscribe(unsubscribe),
            Packet::PingRequest => Inbound::Ping,
            Packet::Disconnect(disconnect) => self.disconnect(
                disconnect.session_expiry_s,
                disconnect.reason == ReasonCode::DISCONNECT_WITH_WILL,
            ),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResponse
            | Packet::Auth => Inbound::Violation(ReasonCode::PROTOCOL_ERROR),
        }
    }

    fn publish(&mut self, packet: PublishPacket) -> Result<Inbound, ReasonCode> {
        let PublishPacket { mut publish, packet_id, topic_alias, subscription_ids, .. } = packet;
        if !subscription_ids.is_empty() {
            return Err(ReasonCode::PROTOCOL_ERROR);
        }
        if packet_id.is_some() {
            // MQTT 5 §3.3.4; 3.1.1 has no such limit, so its clients wait for room instead.
            if self.version == Version::V5 && self.unanswered >= self.limits.receive_maximum.get() {
                return Err(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
            }
            self.unanswered = self.unanswered.saturating_add(1);
        }
        if let Some(alias) = topic_alias {
            publish.topic = self.resolve_alias(alias, publish.topic)?;
        }
        if publish.payload.len() > self.limits.max_payload {
            return Err(ReasonCode::PACKET_TOO_LARGE);
        }
        let response_topic = publish.properties.response_topic.as_ref();
        if !self.is_valid_name(&publish.topic)
            || response_topic.is_some_and(|response| !topic::is_valid_name(response))
        {
            return Err(ReasonCode::TOPIC_NAME_INVALID);
        }
        Ok(Inbound::Publish { publish, packet_id })
    }

    fn is_valid_name(&self, topic: &str) -> bool {
        topic::is_valid_name(topic) && self.limits.topics.allow(topic)
    }

    /// The topic an alias stands for, after an optional new assignment (MQTT 5 §3.3.2.3.4).
    fn resolve_alias(
        &mut self,
        alias: NonZeroU16,
        topic: ByteString,
    ) -> Result<ByteString, ReasonCode> {
        if alias.get() > self.limits.topic_alias_maximum {
            return Err(ReasonCode::TOPIC_ALIAS_INVALID);
        }
        let index = usize::from(alias.get() - 1);
        if topic.is_empty() {
            let known = self.aliases.get(index).filter(|topic| !topic.is_empty());
            return known.cloned().ok_or(ReasonCode::PROTOCOL_ERROR);
        }
        if self.aliases.len() <= index {
            self.aliases.resize(index + 1, ByteString::new());
        }
        self.aliases[index] = topic.clone();
        Ok(topic)
    }

    fn disconnect(&mut self, new_expiry_s: Option<u32>, publish_will: bool) -> Inbound {
        if let (Phase::Open { session_expiry_s, .. }, Some(new)) = (&mut self.phase, new_expiry_s) {
            // MQTT 5 §3.14.2.2.2: a session that was to end with the connection stays so.
            if *session_expiry_s == 0 && new > 0 {
                return Inbound::Violation(ReasonCode::PROTOCOL_ERROR);
            }
            *session_expiry_s = new.min(self.limits.max_session_expiry_s);
        }
        Inbound::Disconnect { publish_will }
    }
}
