use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { max_bytes: 10, keep_qos0_offline: false, max_retries: Some(2) };

fn message(topic: &str, bytes: usize, qos: QoS) -> Publish {
    Publish::new(topic, vec![0; bytes]).with_qos(qos)
}

fn spool(limits: Limits) -> Spool {
    Spool::new(limits, Vec::new())
}

/// The topics of all that can be taken now.
fn topics(spool: &mut Spool) -> Vec<String> {
    std::iter::from_fn(|| spool.take(0).0).map(|s| s.message.topic.to_string()).collect()
}

#[test]
fn messages_leave_in_order_and_unanswered_ones_again_before_the_later() {
    let mut spool = spool(LIMITS);
    for topic in ["a", "b", "c"] {
        spool.push(message(topic, 1, QoS::AtLeastOnce), true, 0).unwrap();
    }
    let first = spool.take(0).0.unwrap();
    let second = spool.take(0).0.unwrap();
    assert_eq!(spool.settle(second.id, Outcome::Unanswered), Settled::WaitsAgain);
    assert_eq!(spool.take(0).0, None, "what was sent with it is settled first");
    assert_eq!(spool.settle(first.id, Outcome::Unanswered), Settled::WaitsAgain);
    assert_eq!(topics(&mut spool), ["a", "b", "c"]);
}

#[test]
fn components_7_oldest_qos0_messages_make_room_and_qos1_never_does() {
    let mut spool = spool(Limits { keep_qos0_offline: true, ..LIMITS });
    spool.push(message("a", 4, QoS::AtMostOnce), false, 0).unwrap();
    spool.push(message("b", 4, QoS::AtLeastOnce), false, 0).unwrap();
    spool.push(message("c", 2, QoS::AtMostOnce), false, 0).unwrap();
    let (_, dropped) = spool.push(message("d", 4, QoS::AtLeastOnce), false, 0).unwrap();
    assert_eq!(dropped, [0]);
    let full = spool.push(message("e", 5, QoS::AtLeastOnce), true, 0).unwrap_err();
    assert_eq!(full.to_string(), "Message spool is full. Message could not be added.");
    assert_eq!(topics(&mut spool), ["b", "c", "d"]);
}

#[test]
fn components_7_refusals_have_the_texts_of_the_java_nucleus() {
    let mut spool = spool(LIMITS);
    let offline = spool.push(message("a", 1, QoS::AtMostOnce), false, 0).unwrap_err();
    assert_eq!(offline.to_string(), "Device is offline. Dropping QoS 0 message.");
    let large = spool.push(message("a", 11, QoS::AtLeastOnce), true, 0).unwrap_err();
    assert_eq!(large.to_string(), "Message is larger than the size of message spool.");
}

#[test]
fn components_7_a_lost_connection_drops_qos0_unless_it_is_kept() {
    for (keeps, left) in [(false, vec!["b"]), (true, vec!["a", "b"])] {
        let mut spool = spool(Limits { keep_qos0_offline: keeps, ..LIMITS });
        spool.push(message("a", 1, QoS::AtMostOnce), true, 0).unwrap();
        spool.push(message("b", 1, QoS::AtLeastOnce), true, 0).unwrap();
        assert_eq!(spool.disconnected().is_empty(), keeps);
        assert_eq!(topics(&mut spool), left);
    }
}

#[test]
fn components_7_retries_are_counted_and_a_refusal_ends_at_once() {
    let mut spool = spool(LIMITS);
    spool.push(message("a", 1, QoS::AtLeastOnce), true, 0).unwrap();
    spool.push(message("b", 1, QoS::AtLeastOnce), true, 0).unwrap();
    for retry in 0..3 {
        let a = spool.take(0).0.unwrap();
        assert_eq!((&*a.message.topic, a.retries), ("a", retry));
        let settled = spool.settle(a.id, Outcome::Unanswered);
        assert_eq!(matches!(settled, Settled::GivenUp(_)), retry == 2);
    }
    let b = spool.take(0).0.unwrap();
    assert!(matches!(spool.settle(b.id, Outcome::Refused), Settled::GivenUp(_)));
    assert_eq!((spool.bytes, spool.take(0).0), (0, None));
}

#[test]
fn components_7_the_time_in_the_spool_counts_for_the_expiry() {
    let mut spool = spool(LIMITS);
    for (topic, expiry) in [("a", 5), ("b", 20)] {
        let mut message = message(topic, 1, QoS::AtLeastOnce);
        message.properties.message_expiry_s = Some(expiry);
        spool.push(message, true, 1_000).unwrap();
    }
    let (next, expired) = spool.take(8_999);
    assert_eq!(expired, [0]);
    assert_eq!(next.unwrap().message.properties.message_expiry_s, Some(13));
    assert_eq!(spool.bytes, 1);
}

#[test]
fn empty_messages_are_bounded_too() {
    let mut spool = spool(Limits { keep_qos0_offline: true, ..LIMITS });
    for _ in 0..MAX_MESSAGES {
        spool.push(message("a", 0, QoS::AtLeastOnce), true, 0).unwrap();
    }
    assert_eq!(spool.push(message("a", 0, QoS::AtLeastOnce), true, 0), Err(Refuse::Full));
}

/// Sends all it may; what the server makes of it.
fn exchange(spool: &mut Spool, ends_connection: &str) -> (Vec<u64>, Vec<u64>) {
    let mut sent = Vec::new();
    while let (Some(next), _) = spool.take(0) {
        sent.push(next);
    }
    let cuts = sent.iter().any(|next| &*next.message.topic == ends_connection);
    let outcome = || if cuts { Outcome::Cut } else { Outcome::Acknowledged };
    let given_up = sent.iter().filter_map(|next| match spool.settle(next.id, outcome()) {
        Settled::GivenUp(spooled) => Some(spooled.id),
        Settled::Done | Settled::WaitsAgain => None,
    });
    let given_up = given_up.collect();
    (sent.into_iter().map(|next| next.id).collect(), given_up)
}

#[test]
fn components_7_the_message_that_ends_connections_is_found_and_the_others_flow_in_order() {
    let mut spool = spool(LIMITS);
    for topic in ["a", "bad", "c"] {
        spool.push(message(topic, 1, QoS::AtLeastOnce), true, 0).unwrap();
    }
    let connections: Vec<_> = (0..6).map(|_| exchange(&mut spool, "bad")).collect();
    let alone = |id: u64| (vec![id], Vec::new());
    let expected =
        [(vec![0, 1, 2], Vec::new()), alone(0), alone(1), alone(1), (vec![1], vec![1]), alone(2)];
    assert_eq!(connections, expected);
    assert!(!spool.has_suspects() && spool.bytes == 0);
}

#[test]
fn components_7_a_network_that_breaks_gives_no_message_up() {
    let mut spool = spool(Limits { max_retries: Some(1), ..LIMITS });
    spool.push(message("a", 1, QoS::AtLeastOnce), true, 0).unwrap();
    for _ in 0..10 {
        let id = spool.take(0).0.unwrap().id;
        assert_eq!(spool.settle(id, Outcome::Lost), Settled::WaitsAgain);
    }
    assert!(!spool.has_suspects());
}

#[test]
fn components_7_a_suspect_without_an_answer_holds_the_others_up_no_longer() {
    let mut spool = spool(Limits { max_retries: None, ..LIMITS });
    for topic in ["a", "b"] {
        spool.push(message(topic, 1, QoS::AtLeastOnce), true, 0).unwrap();
    }
    assert_eq!(spool.take(0).0.unwrap().id, 0);
    spool.settle(0, Outcome::Cut);
    assert_eq!(spool.take(0).0.unwrap().id, 0);
    assert_eq!(spool.take(0).0, None, "a suspect is alone on its way");
    spool.settle(0, Outcome::Unanswered);
    let both = [spool.take(0).0.unwrap().id, spool.take(0).0.unwrap().id];
    assert_eq!(both, [0, 1]);
}

/// Sends the message that is next at `now_ms`, on a connection that has held.
fn send_next(spool: &mut Spool, now_ms: i64) -> Option<u64> {
    assert_eq!(spool.pause(now_ms, u64::MAX), None);
    let id = spool.take(now_ms).0?.id;
    spool.settle(id, Outcome::Acknowledged);
    Some(id)
}

#[test]
fn components_7_a_topic_for_which_the_server_ends_connections_is_refused_for_a_while() {
    let mut spool = spool(Limits { keep_qos0_offline: true, ..LIMITS });
    for topic in ["bad", "good", "bad", "good", "bad", "good", "bad", "good"] {
        spool.push(message(topic, 1, QoS::AtMostOnce), true, 0).unwrap();
    }
    let mut now_ms = 0;
    let mut sent = Vec::new();
    let found = loop {
        let is_suspect = spool.waiting.front().is_some_and(|first| spool.is_suspect(first));
        let waits = spool.pause(now_ms, 400).is_some();
        assert!(waits || !is_suspect, "the connection has to hold first");
        while let Some(ms) = spool.pause(now_ms, u64::MAX) {
            now_ms += i64::try_from(ms).unwrap();
        }
        let next = spool.take(now_ms).0.expect("a message");
        spool.settle(next.id, Outcome::Acknowledged);
        sent.push(next.id);
        now_ms += 100;
        if &*next.message.topic == "bad"
            && let Some(found) = spool.cut(now_ms)
        {
            break found;
        }
    };
    let (bad, dropped) = found;
    assert_eq!((&*bad.message.topic, bad.id), ("bad", 6));
    assert_eq!((sent, dropped), ((0..=6).collect(), Vec::new()));
    let bad = || message("bad", 1, QoS::AtMostOnce);
    assert_eq!(spool.push(bad(), true, now_ms), Err(Refuse::EndsConnections));
    spool.push(bad().with_qos(QoS::AtLeastOnce), true, now_ms).unwrap();
    spool.push(bad(), true, now_ms + 600_000).unwrap();
}

#[test]
fn components_7_a_topic_whose_message_is_taken_is_cleared() {
    let mut spool = spool(Limits { keep_qos0_offline: true, ..LIMITS });
    for topic in ["a", "a", "b"] {
        spool.push(message(topic, 1, QoS::AtMostOnce), true, 0).unwrap();
    }
    assert_eq!(send_next(&mut spool, 0), Some(0));
    assert_eq!(spool.cut(1), None);
    assert_eq!(send_next(&mut spool, 10), Some(1));
    assert_eq!(spool.pause(1010, u64::MAX), Some(1000), "the server may still answer by a cut");
    assert_eq!(spool.take(1010).0, None);
    assert_eq!(send_next(&mut spool, 2010), Some(2));
    assert_eq!(spool.cut(5000), None);
    assert_eq!(spool.pause(5000, 0), None, "what was sent long before is not suspected");
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize, bool, bool),
    Take,
    Settle(usize, u8),
    Disconnected,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..6, any::<bool>(), any::<bool>()).prop_map(|(b, q, o)| Step::Push(b, q, o)),
        4 => Just(Step::Take),
        4 => (0_usize..4, 0_u8..5).prop_map(|(at, outcome)| Step::Settle(at, outcome)),
        1 => Just(Step::Disconnected),
    ]
}

proptest! {
    /// Against a naive account of every message: each ends once, the bytes are those of what is
    /// left and within the limit, and of two QoS 1 messages the one accepted first is first sent
    /// first.
    #[test]
    fn every_history_keeps_the_account(steps in prop::collection::vec(step(), 0..80)) {
        let mut spool = spool(Limits { max_retries: None, ..LIMITS });
        let mut left: BTreeMap<u64, usize> = BTreeMap::new();
        let mut sent: Vec<u64> = Vec::new();
        let mut first_sent: Vec<u64> = Vec::new();
        for step in steps {
            match step {
                Step::Push(bytes, is_qos0, is_online) => {
                    let qos = if is_qos0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                    if let Ok((id, dropped)) = spool.push(message("t", bytes, qos), is_online, 0) {
                        for id in dropped {
                            prop_assert!(left.remove(&id).is_some() && !sent.contains(&id));
                        }
                        left.insert(id, bytes);
                    }
                }
                Step::Take => {
                    if let (Some(next), _) = spool.take(0) {
                        prop_assert!(left.contains_key(&next.id) && !sent.contains(&next.id));
                        prop_assert!(sent.is_empty() || !spool.has_suspects(), "sent alone");
                        sent.push(next.id);
                        if !first_sent.contains(&next.id) {
                            first_sent.push(next.id);
                        }
                    }
                }
                Step::Settle(at, outcome) if at < sent.len() => {
                    let id = sent.remove(at);
                    let outcome = match outcome {
                        0 => Outcome::Acknowledged,
                        1 => Outcome::Refused,
                        2 => Outcome::Cut,
                        3 => Outcome::Lost,
                        _ => Outcome::Unanswered,
                    };
                    if spool.settle(id, outcome) != Settled::WaitsAgain {
                        prop_assert!(left.remove(&id).is_some());
                    }
                }
                Step::Settle(..) => {}
                Step::Disconnected => {
                    for id in spool.disconnected() {
                        prop_assert!(left.remove(&id).is_some() && !sent.contains(&id));
                    }
                }
            }
            prop_assert_eq!(spool.bytes, left.values().sum::<usize>());
            prop_assert!(spool.bytes <= LIMITS.max_bytes);
            prop_assert!(first_sent.is_sorted());
        }
    }
}
