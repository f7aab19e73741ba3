//! The client's session machine between an application and a server that says anything.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use marram_mqtt::codec::Decoder;
use marram_mqtt::packet::{ConnAck, PubAck, ServerLimits, SubAck};
use marram_mqtt::session::client::{Action, ClientSession, ClientSettings};
use marram_mqtt::{ByteString, Packet, Publish, QoS, ReasonCode, Version};

#[derive(Debug, Arbitrary)]
enum Step {
    Open,
    Lose,
    Accept {
        present: bool,
    },
    Publish {
        at_least_once: bool,
        is_once: bool,
        bytes: u8,
    },
    Subscribe(u8),
    Unsubscribe(u8),
    PubAck {
        id: u8,
        reason: u8,
    },
    SubAck {
        id: u8,
        reason: u8,
    },
    UnsubAck {
        id: u8,
    },
    /// What a server sent, as bytes.
    Bytes(Vec<u8>),
    Wait {
        ms: u16,
        reading: bool,
    },
    /// So many bytes have left.
    Sent(u16),
    Stop,
}

#[derive(Debug, Arbitrary)]
struct Input {
    is_v5: bool,
    clean: bool,
    in_flight: u8,
    steps: Vec<Step>,
}

pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary(&mut Unstructured::new(data)) else { return };
    let version = if input.is_v5 { Version::V5 } else { Version::V311 };
    let mut now = Instant::now();
    let mut session = ClientSession::new(settings(version, &input), now);
    let mut open = Open::default();
    for (token, step) in input.steps.iter().enumerate() {
        step.apply(&mut session, token, version, &mut now, &mut open);
        session.pump(now);
        open.take(&mut session, now);
    }
    session.stop(now);
    let _ = session.lost();
    now += Duration::from_secs(3600);
    session.tick(now, true);
    open.take(&mut session, now);
    assert!(open.asked == open.done, "{} of {} operations ended", open.done, open.asked);
}

fn settings(version: Version, input: &Input) -> ClientSettings {
    ClientSettings {
        client_id: ByteString::from("device"),
        version,
        keep_alive_s: 60,
        ping_timeout: Duration::from_secs(30),
        session_expiry_s: if input.clean { 0 } else { 3600 },
        clean_start_first: input.clean,
        max_in_flight: NonZeroU16::MIN.saturating_add(u16::from(input.in_flight)),
        receive_maximum: NonZeroU16::MIN.saturating_add(9),
        max_packet_size: 16 * 1024,
    }
}

/// Operations that were asked for, and those that are over.
#[derive(Debug, Default)]
struct Open {
    asked: usize,
    done: usize,
}

impl Open {
    fn take(&mut self, session: &mut ClientSession<usize>, now: Instant) {
        while let Some(action) = session.next_action() {
            match action {
                Action::Done(..) => self.done += 1,
                Action::Deliver(_, Some(id)) => session.delivered(id, now),
                Action::Close(_) => drop(session.lost()),
                Action::Deliver(_, None)
                | Action::Connected { .. }
                | Action::RenewalRefused { .. } => {}
            }
        }
        assert!(self.done <= self.asked, "an operation ended twice");
    }
}

impl Step {
    fn apply(
        &self,
        session: &mut ClientSession<usize>,
        token: usize,
        version: Version,
        now: &mut Instant,
        open: &mut Open,
    ) {
        let deadline = *now + Duration::from_secs(30);
        match self {
            Self::Open => session.opened(*now),
            Self::Lose => drop(session.lost()),
            Self::Accept { present } => session.receive(accepted(*present), *now),
            Self::Publish { at_least_once, is_once, bytes } => {
                let qos = if *at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let publish = Publish::new("t", vec![0; usize::from(*bytes)]).with_qos(qos);
                open.asked += 1;
                match is_once {
                    true => session.publish_once(token, publish, deadline, *now),
                    false => session.publish(token, publish, deadline, *now),
                }
            }
            Self::Subscribe(topic) => {
                open.asked += 1;
                session.subscribe(token, filter(*topic), QoS::AtLeastOnce, deadline, *now);
            }
            Self::Unsubscribe(topic) => {
                open.asked += 1;
                session.unsubscribe(token, filter(*topic), deadline, *now);
            }
            Self::PubAck { id, reason } => {
                let ack = PubAck { packet_id: packet_id(*id), reason: ReasonCode(*reason) };
                session.receive(Packet::PubAck(ack), *now);
            }
            Self::SubAck { id, reason } => {
                let ack = SubAck { packet_id: packet_id(*id), reasons: vec![ReasonCode(*reason)] };
                session.receive(Packet::SubAck(ack), *now);
            }
            Self::UnsubAck { id } => {
                let ack = SubAck { packet_id: packet_id(*id), reasons: Vec::new() };
                session.receive(Packet::UnsubAck(ack), *now);
            }
            Self::Bytes(bytes) => {
                let mut decoder = Decoder::client(version, 16 * 1024);
                decoder.buffer().extend_from_slice(bytes);
                while let Ok(Some(packet)) = decoder.decode() {
                    session.receive(packet, *now);
                    open.take(session, *now);
                }
            }
            Self::Wait { ms, reading } => {
                *now += Duration::from_millis(u64::from(*ms));
                session.tick(*now, *reading);
            }
            Self::Sent(count) => {
                let output = session.output();
                let count = usize::from(*count).min(output.pending().len());
                output.advance(count);
            }
            Self::Stop => session.stop(*now),
        }
    }
}

fn accepted(session_present: bool) -> Packet {
    let reason = ReasonCode::SUCCESS;
    Packet::ConnAck(Box::new(ConnAck { session_present, reason, limits: ServerLimits::default() }))
}

fn filter(topic: u8) -> ByteString {
    ByteString::from(format!("f/{}", topic % 4))
}

fn packet_id(id: u8) -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(u16::from(id % 16))
}
