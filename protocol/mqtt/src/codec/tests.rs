use std::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::packet::{
    ConnAck, Connect, Disconnect, PubAck, PublishPacket, RetainHandling, ServerLimits, SubAck,
    Subscribe, SubscribeOptions, Unsubscribe, Will,
};
use crate::publish::{Publish, PublishProperties, QoS};

const LIMIT: u32 = 200_000;

fn text() -> impl Strategy<Value = ByteString> {
    "[a-zA-Z0-9/$äµ]{1,20}".prop_map(ByteString::from)
}

fn packet_id() -> impl Strategy<Value = NonZeroU16> {
    (1..=u16::MAX).prop_filter_map("zero", NonZeroU16::new)
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)]
}

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn properties() -> impl Strategy<Value = PublishProperties> {
    (
        option::of(text()),
        option::of(bytes(20)),
        vec((text(), text()), 0..3),
        option::of(text()),
        any::<bool>(),
        option::of(1..u32::MAX),
    )
        .prop_map(|(response, correlation, user, content_type, utf8, expiry)| {
            PublishProperties {
                response_topic: response,
                correlation_data: correlation,
                user_properties: user,
                content_type,
                payload_format_utf8: utf8,
                message_expiry_s: expiry,
            }
        })
}

fn publish() -> impl Strategy<Value = Publish> {
    (text(), bytes(400), qos(), any::<bool>(), properties()).prop_map(
        |(topic, payload, qos, retain, properties)| Publish {
            topic,
            payload,
            qos,
            retain,
            properties,
        },
    )
}

fn publish_packet() -> impl Strategy<Value = PublishPacket> {
    let ids = vec((1..0x0FFF_FFFF_u32).prop_filter_map("zero", NonZeroU32::new), 0..3);
    (publish(), packet_id(), any::<bool>(), option::of(packet_id()), ids).prop_map(
        |(publish, packet_id, dup, topic_alias, subscription_ids)| PublishPacket {
            packet_id: (publish.qos == QoS::AtLeastOnce).then_some(packet_id),
            publish,
            dup,
            topic_alias,
            subscription_ids,
        },
    )
}

fn connect() -> impl Strategy<Value = Connect> {
    let will = (publish(), 0..1000_u32).prop_map(|(publish, delay_s)| Will { publish, delay_s });
    (
        (text(), any::<bool>(), any::<u16>(), any::<u32>()),
        (option::of(packet_id()), option::of(1..u32::MAX), any::<u16>()),
        (option::of(will), option::of(text()), option::of(bytes(10))),
    )
        .prop_map(|(head, limits, tail)| Connect {
            version: Version::V5,
            client_id: head.0,
            clean_start: head.1,
            keep_alive_s: head.2,
            session_expiry_s: head.3,
            receive_maximum: limits.0,
            max_packet_size: limits.1.and_then(NonZeroU32::new),
            topic_alias_maximum: limits.2,
            authentication_method: None,
            will: tail.0,
            // The codec sends a password only with a user name, as 3.1.1 demands.
            password: tail.1.as_ref().and(tail.2),
            username: tail.1,
        })
}

fn conn_ack() -> impl Strategy<Value = ConnAck> {
    (any::<bool>(), option::of(any::<u32>()), packet_id(), option::of(text()), any::<bool>())
        .prop_map(|(session_present, expiry, receive_maximum, assigned, flag)| ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            limits: ServerLimits {
                session_expiry_s: expiry,
                receive_maximum,
                max_packet_size: Some(149_504),
                assigned_client_id: assigned,
                topic_alias_maximum: 8,
                server_keep_alive_s: Some(1200),
                retain_available: flag,
                ..ServerLimits::default()
            },
        })
}

fn options() -> impl Strategy<Value = SubscribeOptions> {
    let handling = prop_oneof![
        Just(RetainHandling::Send),
        Just(RetainHandling::SendIfNew),
        Just(RetainHandling::DoNotSend)
    ];
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscribeOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

/// Packets that may follow a CONNECT, in either direction.
fn later_packet() -> impl Strategy<Value = Packet> {
    let suback_codes = prop_oneof![Just(0x00_u8), Just(0x01), Just(0x87), Just(0x8F)];
    prop_oneof![
        publish_packet().prop_map(|packet| Packet::Publish(Box::new(packet))),
        packet_id().prop_map(|packet_id| Packet::PubAck(PubAck {
            packet_id,
            reason: ReasonCode::NOT_AUTHORIZED
        })),
        (packet_id(), vec((text(), options()), 1..4)).prop_map(|(packet_id, filters)| {
            Packet::Subscribe(Subscribe {
                packet_id,
                subscription_id: NonZeroU32::new(u32::from(packet_id.get())),
                filters,
            })
        }),
        (packet_id(), vec(suback_codes.prop_map(ReasonCode), 1..4))
            .prop_map(|(packet_id, reasons)| Packet::SubAck(SubAck { packet_id, reasons })),
        (packet_id(), vec(text(), 1..4)).prop_map(|(packet_id, filters)| {
            Packet::Unsubscribe(Unsubscribe { packet_id, filters })
        }),
        conn_ack().prop_map(|ack| Packet::ConnAck(Box::new(ack))),
        option::of(any::<u32>()).prop_map(|session_expiry_s| Packet::Disconnect(Disconnect {
            reason: ReasonCode::SESSION_TAKEN_OVER,
            session_expiry_s,
            reason_string: Some("why".into()),
        })),
        Just(Packet::PingRequest),
        Just(Packet::PingResponse),
    ]
}

/// Feeds `bytes` in pieces of `step` and collects packets until the end or the first error.
fn decode_all(
    mut decoder: Decoder,
    bytes: &[u8],
    step: usize,
) -> (Vec<Packet>, Option<DecodePacket>) {
    let mut packets = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        decoder.buffer().put_slice(piece);
        loop {
            match decoder.decode() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
    }
    (packets, None)
}

fn encoded(version: Version, packets: &[Packet]) -> Vec<u8> {
    let mut encoder = Encoder::new(version, None);
    for packet in packets {
        encoder.encode(packet.clone()).unwrap();
    }
    encoder.pending().to_vec()
}

proptest! {
    #[test]
    fn v5_packets_survive_the_wire_in_any_pieces(
        first in connect(),
        later in vec(later_packet(), 0..5),
        step in 1..50_usize,
    ) {
        let mut packets = vec![Packet::Connect(Box::new(first))];
        packets.extend(later);
        let wire = encoded(Version::V5, &packets);
        prop_assert_eq!(decode_all(Decoder::server(LIMIT), &wire, step), (packets, None));
    }

    #[test]
    fn v311_keeps_what_it_can_say(message in publish_packet(), step in 1..50_usize) {
        let wire = encoded(Version::V311, &[Packet::Publish(Box::new(message.clone()))]);
        let mut expected = message;
        expected.publish.properties = PublishProperties::default();
        expected.topic_alias = None;
        expected.subscription_ids = Vec::new();
        let decoded = decode_all(Decoder::client(Version::V311, LIMIT), &wire, step);
        prop_assert_eq!(decoded, (vec![Packet::Publish(Box::new(expected))], None));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), step in 1..50_usize) {
        for version in [Version::V311, Version::V5] {
            decode_all(Decoder::client(version, LIMIT), &bytes, step);
        }
        decode_all(Decoder::server(LIMIT), &bytes, step);
    }

    #[test]
    fn damaged_packets_never_panic(
        packet in later_packet(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for version in [Version::V311, Version::V5] {
            let mut wire = encoded(version, std::slice::from_ref(&packet));
            for (at, byte) in &damage {
                let at = at.index(wire.len());
                wire[at] = *byte;
            }
            decode_all(Decoder::client(version, LIMIT), &wire, 7);
        }
    }
}

fn first_error(decoder: Decoder, bytes: &[u8]) -> DecodePacket {
    decode_all(decoder, bytes, usize::MAX).1.expect("an error")
}

#[test]
fn d36_an_oversized_packet_is_refused_by_its_header_alone() {
    // PUBLISH with a remaining length of 262143 bytes, of which none is there.
    let mut decoder = Decoder::client(Version::V5, 149_504);
    decoder.buffer().put_slice(&[0x30, 0xFF, 0xFF, 0x0F]);
    let error = decoder.decode().unwrap_err();
    assert_eq!(error, DecodePacket::TooLarge { size: 262_147, max: 149_504 });
    assert_eq!(error.reason(), ReasonCode::PACKET_TOO_LARGE);
}

#[test]
fn a_half_received_packet_reserves_nothing_for_the_rest() {
    let mut decoder = Decoder::client(Version::V5, 149_504);
    decoder.buffer().put_slice(&[0x30, 0x80, 0x80, 0x08, 0, 1]);
    assert_eq!(decoder.decode(), Ok(None));
    assert!(decoder.buffer().capacity() < 1024);
}

#[test]
fn an_idle_decoder_holds_no_memory() {
    let mut decoder = Decoder::client(Version::V5, LIMIT);
    decoder.buffer().put_slice(&[0xD0, 0x00]);
    assert_eq!(decoder.decode(), Ok(Some(Packet::PingResponse)));
    assert_eq!(decoder.decode(), Ok(None));
    assert_eq!(decoder.buffer().capacity(), 0);
}

#[test]
fn a_connection_starts_with_connect_of_a_known_version() {
    assert_eq!(first_error(Decoder::server(LIMIT), &[0xC0, 0]), DecodePacket::NotConnect(12));
    let level_6 = b"\x10\x0C\x00\x04MQTT\x06\x02\x00\x3C\x00\x00";
    let error = first_error(Decoder::server(LIMIT), level_6);
    assert_eq!(error, DecodePacket::UnsupportedVersion(6));
    let mqtt_3_1 = b"\x10\x0E\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x00";
    let error = first_error(Decoder::server(LIMIT), mqtt_3_1);
    assert_eq!(error.reason(), ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
    let other = b"\x10\x0C\x00\x04HTTP\x04\x02\x00\x3C\x00\x00";
    assert!(matches!(first_error(Decoder::server(LIMIT), other), DecodePacket::Malformed { .. }));
}

#[test]
fn qos_2_is_refused_by_name_but_granted_as_qos_1() {
    let publish = b"\x34\x07\x00\x01a\x00\x01\x00x";
    let error = first_error(Decoder::client(Version::V5, LIMIT), publish);
    assert_eq!(error, DecodePacket::QosTwo("PUBLISH"));
    assert_eq!(error.reason(), ReasonCode::QOS_NOT_SUPPORTED);
    let subscribe = b"\x82\x06\x00\x01\x00\x01a\x02";
    let (packets, _) = decode_all(Decoder::client(Version::V311, LIMIT), subscribe, 3);
    let [Packet::Subscribe(subscribe)] = packets.as_slice() else { panic!("{packets:?}") };
    assert_eq!(subscribe.filters[0].1.qos, QoS::AtLeastOnce);
}

#[test]
fn a_message_expiry_of_zero_is_malformed_and_not_a_crash() {
    let publish = b"\x30\x09\x00\x01a\x05\x02\x00\x00\x00\x00";
    let error = first_error(Decoder::client(Version::V5, LIMIT), publish);
    assert_eq!(error.reason(), ReasonCode::MALFORMED_PACKET);
}

#[test]
fn a_packet_that_cannot_be_sent_leaves_no_bytes() {
    let mut encoder = Encoder::new(Version::V5, Some(20));
    encoder.encode(Packet::PingRequest).unwrap();
    let large = |topic: ByteString| {
        Packet::Publish(Box::new(PublishPacket {
            publish: Publish::new(topic, vec![0; 20]),
            packet_id: None,
            dup: false,
            topic_alias: None,
            subscription_ids: Vec::new(),
        }))
    };
    let error = encoder.encode(large("a".into())).unwrap_err();
    assert_eq!(error, EncodePacket::TooLarge { size: 26, max: 20 });
    encoder.set_max_packet_size(None);
    let error = encoder.encode(large("a".repeat(70_000).into())).unwrap_err();
    assert!(matches!(error, EncodePacket::Invalid(_)), "{error}");
    assert_eq!(encoder.pending(), [0xC0, 0x00]);
    encoder.advance(2);
    assert!(encoder.pending().is_empty());
}

#[test]
fn d2_refusals_have_the_codes_of_their_version() {
    let refusal = Packet::ConnAck(Box::new(ConnAck {
        session_present: false,
        reason: ReasonCode::NOT_AUTHORIZED,
        limits: ServerLimits::default(),
    }));
    assert_eq!(encoded(Version::V311, std::slice::from_ref(&refusal)), [0x20, 2, 0, 5]);
    assert_eq!(encoded(Version::V5, &[refusal]), [0x20, 3, 0, 0x87, 0]);
}

#[test]
fn a_password_is_not_in_the_debug_text() {
    let mut decoder = Decoder::server(LIMIT);
    decoder
        .buffer()
        .put_slice(b"\x10\x1A\x00\x04MQTT\x04\xC2\x00\x3C\x00\x02c1\x00\x04user\x00\x04pass");
    let Ok(Some(packet)) = decoder.decode() else { panic!("no CONNECT") };
    let text = format!("{packet:?}");
    assert!(text.contains("user") && !text.contains("pass\""), "{text}");
}
