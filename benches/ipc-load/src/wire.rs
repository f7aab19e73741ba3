//! The bytes of one client, without its socket: the IPC's or MQTT's.
//!
//! The generator must not be what is measured: a message is made once and only framed for each
//! sending. Of what MQTT delivers just the fixed header is read, which favours the peer.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use marram_ipc::Operation;
use marram_ipc::client::{ClientConnection, Message};
use marram_mqtt::codec::Encoder;
use marram_mqtt::packet::{Connect, PublishPacket, Subscribe, SubscribeOptions};
use marram_mqtt::{Packet, Publish, Version};

/// A message for both services.
#[derive(Debug)]
pub(crate) struct Prepared {
    request: Vec<u8>,
    packet: Bytes,
}

impl Prepared {
    /// `bytes` bytes of payload to `topic`, for the IPC in a binary message.
    pub(crate) fn binary(topic: &str, bytes: usize) -> Result<Self> {
        let payload: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
        let message =
            format!(r#"{{"binaryMessage":{{"message":"{}"}}}}"#, STANDARD.encode(&payload));
        Self::new(topic, &message, payload)
    }

    /// A JSON object of about `bytes` bytes to `topic`.
    pub(crate) fn json(topic: &str, bytes: usize) -> Result<Self> {
        let member = r#""reading":12.5,"#;
        let members = member.repeat(bytes / member.len());
        let object = format!(r#"{{{members}"last":1}}"#);
        let message = format!(r#"{{"jsonMessage":{{"message":{object}}}}}"#);
        Self::new(topic, &message, object.into_bytes())
    }

    fn new(topic: &str, message: &str, payload: Vec<u8>) -> Result<Self> {
        let request = format!(r#"{{"topic":"{topic}","publishMessage":{message}}}"#).into_bytes();
        let publish = PublishPacket {
            publish: Publish::new(topic, payload),
            packet_id: None,
            dup: false,
            topic_alias: None,
            subscription_ids: Vec::new(),
        };
        Ok(Self { request, packet: encoded(Packet::Publish(Box::new(publish)))? })
    }
}

/// What has arrived.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Answers to CONNECT, to subscriptions and to requests.
    pub(crate) answers: u64,
    /// Messages of subscriptions.
    pub(crate) messages: u64,
}

/// One client's state.
#[derive(Debug)]
pub(crate) enum Wire {
    Ipc(ClientConnection),
    Mqtt(BytesMut),
}

impl Wire {
    /// Where received bytes are appended.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        match self {
            Self::Ipc(connection) => connection.input(),
            Self::Mqtt(input) => input,
        }
    }

    pub(crate) fn subscribe(&mut self, topic: &str) -> Result<Bytes> {
        match self {
            Self::Ipc(connection) => {
                let request = format!(r#"{{"topic":"{topic}"}}"#);
                let operation = Operation::SubscribeToTopic;
                Ok(connection.request_bytes(operation, request.as_bytes()).1.freeze())
            }
            Self::Mqtt(_) => {
                let filters = vec![(topic.into(), SubscribeOptions::default())];
                let packet_id = std::num::NonZeroU16::MIN;
                encoded(Packet::Subscribe(Subscribe { packet_id, subscription_id: None, filters }))
            }
        }
    }

    /// Appends a message to what will be sent.
    pub(crate) fn publish(&mut self, message: &Prepared, out: &mut BytesMut) {
        match self {
            Self::Ipc(connection) => {
                let operation = Operation::PublishToTopic;
                out.unsplit(connection.request_bytes(operation, &message.request).1);
            }
            Self::Mqtt(_) => out.extend_from_slice(&message.packet),
        }
    }

    /// Appends any request; only the IPC has them.
    pub(crate) fn request(&mut self, operation: Operation, payload: &[u8], out: &mut BytesMut) {
        if let Self::Ipc(connection) = self {
            out.unsplit(connection.request_bytes(operation, payload).1);
        }
    }

    /// Takes what is whole out of the input. An error that a server answers is ours, too.
    pub(crate) fn receive(&mut self) -> Result<Received> {
        match self {
            Self::Ipc(connection) => receive_ipc(connection),
            Self::Mqtt(input) => receive_mqtt(input),
        }
    }
}

fn receive_ipc(connection: &mut ClientConnection) -> Result<Received> {
    let mut received = Received::default();
    while let Some(message) = connection.next_message()? {
        match message {
            Message::ConnectAck { accepted: true } | Message::Response { .. } => {
                received.answers += 1;
            }
            Message::Event { .. } => received.messages += 1,
            Message::Error { code, message, .. } => bail!("the server answered {code}: {message}"),
            other => bail!("the server sent {other:?}"),
        }
    }
    Ok(received)
}

fn receive_mqtt(input: &mut BytesMut) -> Result<Received> {
    let mut received = Received::default();
    while let Some((kind, length)) = fixed_header(input) {
        if input.len() < length {
            break;
        }
        input.advance(length);
        match kind {
            2 | 9 => received.answers += 1,
            3 => received.messages += 1,
            other => bail!("the broker sent an MQTT packet of type {other}"),
        }
    }
    Ok(received)
}

/// Type and whole length of the packet at the start of `input` (MQTT 3.1.1 §2.2).
fn fixed_header(input: &[u8]) -> Option<(u8, usize)> {
    let (first, rest) = input.split_first()?;
    let mut length = 0;
    for (at, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((first >> 4, 2 + at + length));
        }
    }
    None
}

/// The MQTT client's first packet.
pub(crate) fn mqtt_connect(client_id: &str) -> Result<Bytes> {
    encoded(Packet::Connect(Box::new(Connect {
        version: Version::V311,
        client_id: client_id.into(),
        clean_start: true,
        keep_alive_s: 0,
        session_expiry_s: 0,
        receive_maximum: None,
        max_packet_size: None,
        topic_alias_maximum: 0,
        authentication_method: None,
        username: None,
        password: None,
        will: None,
    })))
}

fn encoded(packet: Packet) -> Result<Bytes> {
    let mut encoder = Encoder::new(Version::V311, None);
    encoder.encode(packet)?;
    Ok(Bytes::copy_from_slice(encoder.pending()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_packets_are_counted_over_any_fragmentation() {
        let packet = Prepared::binary("load/x", 300).unwrap().packet;
        let mut wire = Wire::Mqtt(BytesMut::new());
        let mut total = Received::default();
        for piece in [&[0x20, 2, 0, 0][..], &packet, &packet].concat().chunks(7) {
            wire.input().extend_from_slice(piece);
            let received = wire.receive().unwrap();
            total.answers += received.answers;
            total.messages += received.messages;
        }
        assert_eq!(total, Received { answers: 1, messages: 2 });
    }

    #[test]
    fn a_prepared_message_is_what_a_server_reads() {
        for message in [Prepared::binary("load/x", 64), Prepared::json("load/x", 64)] {
            let message = message.unwrap();
            let operation = Operation::PublishToTopic;
            let request: marram_ipc::shapes::PublishToTopicRequest<'_> =
                marram_ipc::shapes::parse(operation, &message.request).unwrap();
            assert_eq!(request.topic.as_deref(), Some("load/x"));
            request.publish_message.unwrap().body().unwrap();
        }
    }
}
