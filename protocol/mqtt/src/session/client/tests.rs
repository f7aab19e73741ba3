use proptest::prelude::*;

use super::*;
use crate::codec::Decoder;
use crate::packet::{PublishPacket, ServerLimits, SubAck};

type Session = ClientSession<&'static str>;

fn settings() -> ClientSettings {
    ClientSettings {
        client_id: "core".into(),
        version: Version::V5,
        keep_alive_s: 60,
        ping_timeout: Duration::from_secs(30),
        session_expiry_s: 3600,
        clean_start_first: true,
        max_in_flight: NonZeroU16::new(2).unwrap(),
        receive_maximum: NonZeroU16::new(100).unwrap(),
        max_packet_size: 200_000,
    }
}

/// The packets the session wants to send.
fn sent(session: &mut Session) -> Vec<Packet> {
    let mut decoder = Decoder::client(Version::V5, 1_000_000);
    let pending = session.output().pending().to_vec();
    session.output().advance(pending.len());
    decoder.buffer().extend_from_slice(&pending);
    std::iter::from_fn(|| decoder.decode().unwrap()).collect()
}

fn actions(session: &mut Session) -> Vec<Action<&'static str>> {
    std::iter::from_fn(|| session.next_action()).collect()
}

fn accept(session: &mut Session, session_present: bool, limits: ServerLimits, now: Instant) {
    session.opened(now);
    let packets = sent(session);
    assert!(matches!(packets.as_slice(), [Packet::Connect(_)]), "{packets:?}");
    let ack = ConnAck { session_present, reason: ReasonCode::SUCCESS, limits };
    session.receive(Packet::ConnAck(Box::new(ack)), now);
}

fn connected(now: Instant) -> Session {
    let mut session = Session::new(settings(), now);
    accept(&mut session, false, ServerLimits::default(), now);
    assert_eq!(actions(&mut session), [Action::Connected { session_present: false }]);
    session
}

fn message(text: &'static str) -> Publish {
    Publish::new("a", text).with_qos(QoS::AtLeastOnce)
}

/// Payload, id and DUP of sent messages.
fn publishes(packets: Vec<Packet>) -> Vec<(String, u16, bool)> {
    let messages = packets.into_iter().filter_map(|packet| match packet {
        Packet::Publish(packet) => Some(*packet),
        _ => None,
    });
    messages
        .map(|PublishPacket { publish, packet_id, dup, .. }| {
            let text = String::from_utf8(publish.payload.to_vec()).unwrap();
            (text, packet_id.map_or(0, NonZeroU16::get), dup)
        })
        .collect()
}

fn pub_ack(id: u16, reason: ReasonCode) -> Packet {
    Packet::PubAck(PubAck { packet_id: NonZeroU16::new(id).unwrap(), reason })
}

fn sub_ack(id: u16, reasons: &[ReasonCode]) -> Packet {
    Packet::SubAck(SubAck { packet_id: NonZeroU16::new(id).unwrap(), reasons: reasons.to_vec() })
}

#[test]
fn only_the_first_connection_starts_clean() {
    let now = Instant::now();
    let mut session = Session::new(settings(), now);
    let clean_start = |session: &mut Session| {
        session.opened(now);
        match sent(session).as_slice() {
            [Packet::Connect(connect)] => connect.clean_start,
            other => panic!("{other:?}"),
        }
    };
    assert!(clean_start(&mut session));
    session.lost();
    assert!(clean_start(&mut session), "the first was never accepted");
    session.lost();
    accept(&mut session, false, ServerLimits::default(), now);
    session.lost();
    assert!(!clean_start(&mut session));
}

#[test]
fn acknowledgements_end_operations_with_their_code() {
    let now = Instant::now();
    let later = now + Duration::from_secs(30);
    let mut session = connected(now);
    session.publish("one", message("1"), later, now);
    session.publish("two", message("2"), later, now);
    session.publish("three", message("3"), later, now);
    let first: Vec<_> = publishes(sent(&mut session)).into_iter().map(|(text, ..)| text).collect();
    assert_eq!(first, ["1", "2"], "the window is two");
    session.receive(pub_ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS), now);
    session.receive(pub_ack(2, ReasonCode::NOT_AUTHORIZED), now);
    assert_eq!(
        actions(&mut session),
        [
            Action::Done("one", Ok(ReasonCode::NO_MATCHING_SUBSCRIBERS)),
            Action::Done("two", Err(Failure::Refused(ReasonCode::NOT_AUTHORIZED))),
        ]
    );
    assert_eq!(publishes(sent(&mut session)), [("3".to_owned(), 3, false)]);
    session.receive(pub_ack(9, ReasonCode::SUCCESS), now);
    assert_eq!(actions(&mut session), [], "an unknown id is nothing");
}

#[test]
fn a_resumed_session_gets_unacknowledged_messages_again_with_dup() {
    let now = Instant::now();
    let later = now + Duration::from_secs(30);
    let mut session = connected(now);
    session.publish("one", message("1"), later, now);
    assert_eq!(publishes(sent(&mut session)), [("1".to_owned(), 1, false)]);
    session.lost();
    session.publish("two", message("2"), later, now);
    accept(&mut session, true, ServerLimits::default(), now);
    let packets = publishes(sent(&mut session));
    assert_eq!(packets[0], ("1".to_owned(), 1, true));
    assert_eq!((packets[1].0.as_str(), packets[1].2), ("2", false));
}

#[test]
fn a_lost_session_gets_messages_and_subscriptions_anew() {
    let now = Instant::now();
    let later = now + Duration::from_secs(30);
    let mut session = connected(now);
    session.subscribe("sub", "a/#".into(), QoS::AtLeastOnce, later, now);
    session.receive(sub_ack(1, &[ReasonCode::GRANTED_QOS_1]), now);
    assert_eq!(actions(&mut session), [Action::Done("sub", Ok(ReasonCode::GRANTED_QOS_1))]);
    session.publish("one", message("1"), later, now);
    sent(&mut session);
    session.lost();
    accept(&mut session, false, ServerLimits::default(), now);
    let packets = sent(&mut session);
    let Packet::Subscribe(renewal) = &packets[0] else { panic!("{packets:?}") };
    assert_eq!(renewal.filters[0].0, "a/#");
    let id = renewal.packet_id.get();
    assert!(matches!(publishes(packets).as_slice(), [(text, _, false)] if text == "1"));
    actions(&mut session);
    session.receive(sub_ack(id, &[ReasonCode::NOT_AUTHORIZED]), now);
    let refused =
        Action::RenewalRefused { filter: "a/#".into(), reason: ReasonCode::NOT_AUTHORIZED };
    assert_eq!(actions(&mut session), [refused]);
}

#[test]
fn a_message_for_one_connection_ends_with_it() {
    let now = Instant::now();
    let later = now + Duration::from_secs(30);
    let ends = |disconnect: Option<ReasonCode>| {
        let mut session = connected(now);
        for (token, text) in [("one", "1"), ("two", "2"), ("three", "3")] {
            session.publish_once(token, message(text), later, now);
        }
        assert_eq!(publishes(sent(&mut session)).len(), 2, "the window is two");
        if let Some(reason) = disconnect {
            session.receive(Packet::Disconnect(Disconnect::new(reason)), now);
        }
        session.lost();
        let mut ends = Vec::new();
        for action in actions(&mut session) {
            match action {
                Action::Done(token, Err(failure)) => ends.push((token, failure)),
                Action::Close(_) => {}
                other => panic!("{other:?}"),
            }
        }
        accept(&mut session, true, ServerLimits::default(), now);
        assert_eq!(sent(&mut session), [], "sent on one connection only");
        ends
    };
    let all = |end: Failure| [("one", end.clone()), ("two", end), ("three", Failure::Lost)];
    assert_eq!(ends(None), all(Failure::Cut(None)));
    let reason = ReasonCode::NOT_AUTHORIZED;
    assert_eq!(ends(Some(reason)), all(Failure::Cut(Some(reason))));
    assert_eq!(ends(Some(ReasonCode::SESSION_TAKEN_OVER)), all(Failure::Lost));
}

#[test]
fn a_message_for_one_connection_needs_one() {
    let now = Instant::now();
    let mut session = Session::new(settings(), now);
    session.publish_once("one", message("1"), now + Duration::from_secs(30), now);
    assert_eq!(actions(&mut session), [Action::Done("one", Err(Failure::Lost))]);
}

#[test]
fn what_the_server_lacks_is_not_asked_of_it() {
    let now = Instant::now();
    let later = now + Duration::from_secs(30);
    let limits = ServerLimits {
        max_qos: QoS::AtMostOnce,
        retain_available: false,
        wildcard_subscriptions: false,
        shared_subscriptions: false,
        ..ServerLimits::default()
    };
    let mut session = Session::new(settings(), now);
    accept(&mut session, false, limits, now);
    actions(&mut session);
    session.publish("qos", message("1"), later, now);
    let retained = Publish { retain: true, ..Publish::new("a", "2") };
    session.publish("retain", retained, later, now);
    session.subscribe("wildcards", "a/+".into(), QoS::AtMostOnce, later, now);
    session.subscribe("shared", "$share/g/a".into(), QoS::AtMostOnce, later, now);
    let lacking = |token, feature| Action::Done(token, Err(Failure::NotOffered(feature)));
    assert_eq!(
        actions(&mut session),
        [
            lacking("qos", Feature::QoS1),
            lacking("retain", Feature::Retain),
            lacking("wildcards", Feature::Wildcards),
            lacking("shared", Feature::Shared),
        ]
    );
    assert_eq!(sent(&mut session), []);
    session.publish("plain", Publish::new("a", "3"), later, now);
    session.subscribe("name", "a/b".into(), QoS::AtLeastOnce, later, now);
    assert_eq!(sent(&mut session).len(), 2, "the rest is sent");
}

#[test]
fn a_present_session_is_not_subscribed_again() {
    let now = Instant::now();
    let mut session = connected(now);
    session.subscribe("sub", "a".into(), QoS::AtMostOnce, now + Duration::from_secs(30), now);
    session.receive(sub_ack(1, &[ReasonCode::SUCCESS]), now);
    session.lost();
    sent(&mut session);
    accept(&mut session, true, ServerLimits::default(), now);
    assert_eq!(sent(&mut session), []);
}

#[test]
fn an_operation_without_connection_times_out() {
    let now = Instant::now();
    let mut session = Session::new(settings(), now);
    let deadline = now + Duration::from_secs(30);
    session.publish("one", message("1"), deadline, now);
    session.subscribe("sub", "a".into(), QoS::AtMostOnce, deadline, now);
    assert_eq!(session.next_tick(), Some(deadline));
    session.tick(deadline, true);
    let timed_out = |token| Action::Done(token, Err(Failure::TimedOut));
    assert_eq!(actions(&mut session), [timed_out("one"), timed_out("sub")]);
    assert!(session.is_idle());
    accept(&mut session, false, ServerLimits::default(), deadline);
    assert_eq!(sent(&mut session), [], "what was given up is not sent");
}

#[test]
fn a_message_given_up_in_flight_is_not_sent_again() {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(30);
    let mut session = connected(now);
    session.publish("one", message("1"), deadline, now);
    sent(&mut session);
    session.tick(deadline, true);
    assert_eq!(actions(&mut session), [Action::Done("one", Err(Failure::TimedOut))]);
    session.lost();
    accept(&mut session, true, ServerLimits::default(), deadline);
    assert_eq!(sent(&mut session), []);
}

#[test]
fn a_packet_above_the_servers_maximum_fails_alone() {
    let now = Instant::now();
    let later = now + Duration::from_secs(30);
    let mut session = Session::new(settings(), now);
    let limits = ServerLimits { max_packet_size: Some(100), ..ServerLimits::default() };
    accept(&mut session, false, limits, now);
    actions(&mut session);
    session.publish("large", Publish::new("a", vec![0; 200]), later, now);
    session.publish("small", Publish::new("a", "x"), later, now);
    let actions = actions(&mut session);
    let [Action::Done("large", Err(Failure::TooLarge { max: 100, .. })), small] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!(*small, Action::Done("small", Ok(ReasonCode::SUCCESS)));
    assert_eq!(sent(&mut session).len(), 1);
}

#[test]
fn pings_when_idle_and_closes_without_answer() {
    let now = Instant::now();
    let mut session = connected(now);
    let ping = now + Duration::from_secs(60);
    assert_eq!(session.next_tick(), Some(ping));
    session.tick(ping - Duration::from_millis(1), true);
    assert_eq!(sent(&mut session), []);
    session.tick(ping, true);
    assert_eq!(sent(&mut session), [Packet::PingRequest]);
    session.receive(Packet::PingResponse, ping);
    session.tick(ping + Duration::from_secs(30), true);
    assert_eq!(actions(&mut session), []);
    let again = ping + Duration::from_secs(60);
    session.tick(again, true);
    session.tick(again + Duration::from_secs(29), false);
    session.tick(again + Duration::from_secs(31), true);
    assert_eq!(actions(&mut session), [], "the answer could not be read meanwhile");
    session.tick(again + Duration::from_secs(59), true);
    let reason = CloseReason::PingTimeout(Duration::from_secs(30));
    assert_eq!(actions(&mut session), [Action::Close(reason)]);
}

#[test]
fn a_received_qos_1_message_is_acknowledged_once_delivered() {
    let now = Instant::now();
    let mut session = connected(now);
    let packet_id = NonZeroU16::new(7).unwrap();
    let packet = PublishPacket {
        publish: message("hello"),
        packet_id: Some(packet_id),
        dup: false,
        topic_alias: None,
        subscription_ids: Vec::new(),
    };
    session.receive(Packet::Publish(Box::new(packet)), now);
    assert_eq!(actions(&mut session), [Action::Deliver(message("hello"), Some(packet_id))]);
    assert_eq!(sent(&mut session), []);
    session.delivered(packet_id, now);
    assert_eq!(sent(&mut session), [pub_ack(7, ReasonCode::SUCCESS)]);
}

#[test]
fn refusals_and_disconnects_close_with_their_reason() {
    let now = Instant::now();
    let mut session = Session::new(settings(), now);
    session.opened(now);
    let refusal = ConnAck {
        session_present: false,
        reason: ReasonCode::NOT_AUTHORIZED,
        limits: ServerLimits::default(),
    };
    session.receive(Packet::ConnAck(Box::new(refusal)), now);
    let closed = Action::Close(CloseReason::Refused(ReasonCode::NOT_AUTHORIZED));
    assert_eq!(actions(&mut session), [closed]);
    let mut session = connected(now);
    let taken_over = Disconnect::new(ReasonCode::SESSION_TAKEN_OVER);
    session.receive(Packet::Disconnect(taken_over), now);
    let closed = Action::Close(CloseReason::Disconnected(ReasonCode::SESSION_TAKEN_OVER));
    assert_eq!(actions(&mut session), [closed]);
}

#[test]
fn stop_sends_disconnect_and_ends_operations() {
    let now = Instant::now();
    let mut session = connected(now);
    session.publish("one", message("1"), now + Duration::from_secs(30), now);
    session.stop(now);
    let packets = sent(&mut session);
    assert!(matches!(packets.last(), Some(Packet::Disconnect(_))), "{packets:?}");
    assert_eq!(actions(&mut session), [Action::Done("one", Err(Failure::Stopped))]);
}

#[test]
fn names_and_filters_that_cannot_be_sent_fail_at_once() {
    let now = Instant::now();
    let mut session = Session::new(settings(), now);
    session.publish("one", Publish::new("a/+", "x"), now, now);
    session.subscribe("two", "a#".into(), QoS::AtMostOnce, now, now);
    let invalid = |token| Action::Done(token, Err(Failure::Invalid));
    assert_eq!(actions(&mut session), [invalid("one"), invalid("two")]);
}

proptest! {
    /// Whatever the network does, each operation ends exactly once and the window holds.
    #[test]
    fn each_operation_ends_exactly_once(steps in proptest::collection::vec(0..9_u8, 1..200)) {
        let mut now = Instant::now();
        let mut session: ClientSession<usize> = ClientSession::new(settings(), now);
        let mut started = 0;
        let mut ended = Vec::new();
        let mut open: Vec<PacketId> = Vec::new();
        let mut is_open = false;
        for step in steps {
            let deadline = now + Duration::from_secs(30);
            match step {
                0 | 1 => {
                    let qos = if step == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                    session.publish(started, Publish::new("a", "x").with_qos(qos), deadline, now);
                    started += 1;
                }
                8 => {
                    let once = Publish::new("a", "x").with_qos(QoS::AtLeastOnce);
                    session.publish_once(started, once, deadline, now);
                    started += 1;
                }
                2 => {
                    session.subscribe(started, "a/#".into(), QoS::AtLeastOnce, deadline, now);
                    started += 1;
                }
                3 => {
                    session.lost();
                    is_open = false;
                    open.clear();
                }
                4 | 5 if !is_open => {
                    session.opened(now);
                    let (reason, limits) = (ReasonCode::SUCCESS, ServerLimits::default());
                    let ack = ConnAck { session_present: step == 4, reason, limits };
                    session.receive(Packet::ConnAck(Box::new(ack)), now);
                    is_open = true;
                }
                6 if !open.is_empty() => {
                    let ack = PubAck { packet_id: open.remove(0), reason: ReasonCode::SUCCESS };
                    session.receive(Packet::PubAck(ack), now);
                }
                7 => {
                    now += Duration::from_secs(11);
                    session.tick(now, true);
                }
                _ => {}
            }
            let mut decoder = Decoder::client(Version::V5, 1_000_000);
            let pending = session.output().pending().to_vec();
            session.output().advance(pending.len());
            decoder.buffer().extend_from_slice(&pending);
            while let Some(packet) = decoder.decode().unwrap() {
                match packet {
                    Packet::Publish(packet) => open.extend(packet.packet_id),
                    Packet::Subscribe(request) => {
                        let reasons = vec![ReasonCode::GRANTED_QOS_1; request.filters.len()];
                        let ack = SubAck { packet_id: request.packet_id, reasons };
                        session.receive(Packet::SubAck(ack), now);
                    }
                    _ => {}
                }
            }
            prop_assert!(open.len() <= 2, "window");
            while let Some(action) = session.next_action() {
                match action {
                    Action::Done(token, _) => ended.push(token),
                    Action::Close(_) => {
                        session.lost();
                        is_open = false;
                        open.clear();
                    }
                    _ => {}
                }
            }
        }
        session.stop(now);
        while let Some(action) = session.next_action() {
            if let Action::Done(token, _) = action {
                ended.push(token);
            }
        }
        ended.sort_unstable();
        prop_assert_eq!(ended, (0..started).collect::<Vec<_>>());
    }
}
