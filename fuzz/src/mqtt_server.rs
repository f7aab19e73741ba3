//! A client's bytes, through the server's connection machine and its outbox: each message that
//! comes in goes back out to the same client.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marram_mqtt::codec::{Decoder, Encoder};
use marram_mqtt::session::outbox::{Delivery, Message, Outbox, OutboxLimits};
use marram_mqtt::session::server::{ConnectionLimits, Inbound, ServerConnection};
use marram_mqtt::topic::TopicLimits;
use marram_mqtt::{ByteString, Packet, QoS, Version};

const LIMITS: OutboxLimits = OutboxLimits { max_messages: 8, max_bytes: 4096 };
const MAX_PACKET: u32 = 16 * 1024;

pub(crate) fn run(data: &[u8]) {
    let mut now = Instant::now();
    let mut decoder = Decoder::server(MAX_PACKET);
    decoder.buffer().extend_from_slice(data);
    let mut client = Client {
        connection: ServerConnection::new(limits(), now),
        outbox: Outbox::default(),
        encoder: Encoder::new(Version::V311, None),
        window: 0,
    };
    while let Ok(Some(packet)) = decoder.decode() {
        now += Duration::from_millis(100);
        if !client.take(packet, now) {
            break;
        }
        assert!(client.outbox.waiting() <= LIMITS.max_messages, "the outbox has a bound");
        assert!(client.outbox.unacknowledged() <= client.window, "the client's window");
        assert!(client.connection.deadline() >= now, "a deadline after each packet");
    }
    client.outbox.detach();
}

fn limits() -> ConnectionLimits {
    ConnectionLimits {
        connect_timeout: Duration::from_secs(10),
        max_packet_size: MAX_PACKET,
        max_payload: 8 * 1024,
        receive_maximum: NonZeroU16::MIN.saturating_add(9),
        topic_alias_maximum: 8,
        max_client_id: 128,
        topics: TopicLimits { max_bytes: 256, max_slashes: 7 },
        max_session_expiry_s: 3600,
        max_keep_alive_s: 1200,
    }
}

struct Client {
    connection: ServerConnection,
    outbox: Outbox,
    encoder: Encoder,
    window: usize,
}

impl Client {
    /// Takes one packet; false at the end of the connection.
    fn take(&mut self, packet: Packet, now: Instant) -> bool {
        match self.connection.receive(packet, now) {
            Inbound::Connect(connect) => {
                let window = connect.receive_maximum.unwrap_or(NonZeroU16::MAX);
                let assigned = connect.client_id.is_empty().then(|| ByteString::from("made"));
                let answer = self.connection.accept(&connect, false, assigned, now);
                self.encoder =
                    Encoder::new(connect.version, connect.max_packet_size.map(|n| n.get()));
                self.outbox.attach(window);
                self.window = usize::from(window.get());
                let _ = self.encoder.encode(Packet::ConnAck(Box::new(answer)));
            }
            Inbound::Publish { publish, .. } => {
                let qos = publish.qos;
                let message = Arc::new(Message::new(publish, now));
                let delivery =
                    Delivery { message, qos, retain: false, subscription_ids: Vec::new() };
                let before = self.outbox.waiting();
                self.outbox.push(delivery, &LIMITS);
                assert!(self.outbox.waiting() <= before + 1);
                self.send(now);
            }
            Inbound::Acknowledged(id) => {
                let before = self.outbox.unacknowledged();
                let was_known = self.outbox.acknowledge(id);
                assert_eq!(self.outbox.unacknowledged(), before - usize::from(was_known));
                self.send(now);
            }
            Inbound::Violation(reason) => {
                assert!(reason.is_error(), "{reason}");
                return false;
            }
            Inbound::Disconnect { .. } => return false,
            Inbound::Subscribe(_) | Inbound::Unsubscribe(_) | Inbound::Ping => {}
        }
        true
    }

    fn send(&mut self, now: Instant) {
        while let Some(packet) = self.outbox.next(now) {
            assert_eq!(packet.packet_id.is_some(), packet.publish.qos == QoS::AtLeastOnce);
            // A packet that is too large for this client is left out.
            let _ = self.encoder.encode(Packet::Publish(Box::new(packet)));
        }
    }
}
