use bytes::Bytes;

use super::*;
use crate::packet::{Disconnect, Will};
use crate::publish::QoS;

const LIMITS: ConnectionLimits = ConnectionLimits {
    connect_timeout: Duration::from_secs(10),
    max_packet_size: 149_504,
    max_payload: 131_072,
    receive_maximum: NonZeroU16::MIN,
    topic_alias_maximum: 8,
    max_client_id: 128,
    topics: TopicLimits { max_bytes: 256, max_slashes: 7 },
    max_session_expiry_s: 600,
    max_keep_alive_s: 1200,
};

fn connect(version: Version) -> Connect {
    Connect {
        version,
        client_id: "core".into(),
        clean_start: false,
        keep_alive_s: 60,
        session_expiry_s: 300,
        receive_maximum: None,
        max_packet_size: None,
        topic_alias_maximum: 0,
        authentication_method: None,
        will: None,
        username: None,
        password: None,
    }
}

fn open(connect: &Connect, now: Instant) -> (ServerConnection, ServerLimits) {
    let mut machine = ServerConnection::new(LIMITS, now);
    let inbound = machine.receive(Packet::Connect(Box::new(connect.clone())), now);
    assert!(matches!(inbound, Inbound::Connect(_)), "{inbound:?}");
    let ack = machine.accept(connect, false, None, now);
    (machine, ack.limits)
}

fn publish(topic: &str, alias: Option<u16>) -> Packet {
    Packet::Publish(Box::new(PublishPacket {
        publish: Publish::new(topic.to_owned(), "x"),
        packet_id: None,
        dup: false,
        topic_alias: alias.and_then(NonZeroU16::new),
        subscription_ids: Vec::new(),
    }))
}

fn topic_of(inbound: Inbound) -> Result<String, ReasonCode> {
    match inbound {
        Inbound::Publish { publish, .. } => Ok(publish.topic.to_string()),
        Inbound::Violation(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn conn_ack_announces_the_limits_and_only_the_changed_times() {
    let now = Instant::now();
    let (_, limits) = open(&connect(Version::V5), now);
    assert_eq!(limits.max_packet_size, Some(149_504));
    assert_eq!(limits.max_qos, QoS::AtLeastOnce);
    assert_eq!(limits.topic_alias_maximum, 8);
    assert_eq!((limits.session_expiry_s, limits.server_keep_alive_s), (None, None));
    let long = Connect { session_expiry_s: 604_800, keep_alive_s: 0, ..connect(Version::V5) };
    let (machine, limits) = open(&long, now);
    assert_eq!((limits.session_expiry_s, limits.server_keep_alive_s), (Some(600), Some(1200)));
    assert_eq!(machine.session_expiry_s(), 600);
}

#[test]
fn silence_may_last_one_and_a_half_keep_alives() {
    let now = Instant::now();
    let (mut machine, _) = open(&connect(Version::V5), now);
    assert_eq!(machine.deadline(), now + Duration::from_secs(90));
    let later = now + Duration::from_secs(50);
    assert_eq!(machine.receive(Packet::PingRequest, later), Inbound::Ping);
    assert_eq!(machine.deadline(), later + Duration::from_secs(90));
}

#[test]
fn a_311_client_keeps_its_own_long_keep_alive() {
    let now = Instant::now();
    let long = Connect { keep_alive_s: 2000, ..connect(Version::V311) };
    let (machine, _) = open(&long, now);
    assert_eq!(machine.deadline(), now + Duration::from_secs(3000));
}

#[test]
fn the_connect_has_a_deadline_and_comes_once() {
    let now = Instant::now();
    let mut machine = ServerConnection::new(LIMITS, now);
    assert_eq!(machine.deadline(), now + Duration::from_secs(10));
    let first = machine.receive(Packet::PingRequest, now);
    assert_eq!(first, Inbound::Violation(ReasonCode::PROTOCOL_ERROR));
    let (mut machine, _) = open(&connect(Version::V5), now);
    let second = machine.receive(Packet::Connect(Box::new(connect(Version::V5))), now);
    assert_eq!(second, Inbound::Violation(ReasonCode::PROTOCOL_ERROR));
}

#[test]
fn extended_authentication_and_bad_wills_are_refused() {
    let now = Instant::now();
    let refused = |connect: Connect| match ServerConnection::new(LIMITS, now)
        .receive(Packet::Connect(Box::new(connect)), now)
    {
        Inbound::Violation(reason) => reason,
        other => panic!("{other:?}"),
    };
    let scram = Connect { authentication_method: Some("SCRAM".into()), ..connect(Version::V5) };
    assert_eq!(refused(scram), ReasonCode::BAD_AUTHENTICATION_METHOD);
    let with_will =
        |publish| Connect { will: Some(Will { publish, delay_s: 0 }), ..connect(Version::V5) };
    let wildcard = with_will(Publish::new("a/#", "x"));
    assert_eq!(refused(wildcard), ReasonCode::TOPIC_NAME_INVALID);
    let large = with_will(Publish::new("a", vec![0; 131_073]));
    assert_eq!(refused(large), ReasonCode::PACKET_TOO_LARGE);
}

#[test]
fn topic_aliases_are_set_used_and_bounded() {
    let now = Instant::now();
    let (mut machine, _) = open(&connect(Version::V5), now);
    let mut send = |topic, alias| topic_of(machine.receive(publish(topic, alias), now));
    assert_eq!(send("", Some(3)), Err(ReasonCode::PROTOCOL_ERROR));
    assert_eq!(send("a/b", Some(3)), Ok("a/b".to_owned()));
    assert_eq!(send("", Some(3)), Ok("a/b".to_owned()));
    assert_eq!(send("c", Some(3)), Ok("c".to_owned()));
    assert_eq!(send("", Some(3)), Ok("c".to_owned()));
    assert_eq!(send("", Some(1)), Err(ReasonCode::PROTOCOL_ERROR));
    assert_eq!(send("a", Some(9)), Err(ReasonCode::TOPIC_ALIAS_INVALID));
    assert_eq!(send("", None), Err(ReasonCode::TOPIC_NAME_INVALID));
    assert_eq!(send("a/+", None), Err(ReasonCode::TOPIC_NAME_INVALID));
}

#[test]
fn d36_a_payload_above_131072_bytes_is_a_violation() {
    let now = Instant::now();
    let (mut machine, _) = open(&connect(Version::V5), now);
    let mut send = |size| {
        let packet = PublishPacket {
            publish: Publish::new("a", Bytes::from(vec![0; size])),
            packet_id: None,
            dup: false,
            topic_alias: None,
            subscription_ids: Vec::new(),
        };
        topic_of(machine.receive(Packet::Publish(Box::new(packet)), now))
    };
    assert_eq!(send(131_072), Ok("a".to_owned()));
    assert_eq!(send(131_073), Err(ReasonCode::PACKET_TOO_LARGE));
}

#[test]
fn disconnect_may_shorten_or_lengthen_the_session_but_not_revive_it() {
    let now = Instant::now();
    let bye = |session_expiry_s| {
        Packet::Disconnect(Disconnect {
            session_expiry_s,
            ..Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL)
        })
    };
    let (mut machine, _) = open(&connect(Version::V5), now);
    let inbound = machine.receive(bye(Some(0)), now);
    assert_eq!(inbound, Inbound::Disconnect { publish_will: true });
    assert_eq!(machine.session_expiry_s(), 0);
    let short = Connect { session_expiry_s: 0, ..connect(Version::V5) };
    let (mut machine, _) = open(&short, now);
    let inbound = machine.receive(bye(Some(10)), now);
    assert_eq!(inbound, Inbound::Violation(ReasonCode::PROTOCOL_ERROR));
}
