use proptest::prelude::*;

use super::*;

const LIMITS: OutboxLimits = OutboxLimits { max_messages: 3, max_bytes: 1000 };

fn delivery(text: &str, qos: QoS, now: Instant, expiry_s: Option<u32>) -> Delivery {
    let mut publish = Publish::new("t", text.to_owned()).with_qos(QoS::AtLeastOnce);
    publish.properties.message_expiry_s = expiry_s;
    Delivery {
        message: Arc::new(Message::new(publish, now)),
        qos,
        retain: false,
        subscription_ids: Vec::new(),
    }
}

fn qos_1(text: &str) -> Delivery {
    delivery(text, QoS::AtLeastOnce, Instant::now(), None)
}

fn qos_0(text: &str) -> Delivery {
    delivery(text, QoS::AtMostOnce, Instant::now(), None)
}

fn attached(window: u16) -> Outbox {
    let mut outbox = Outbox::default();
    outbox.attach(NonZeroU16::new(window).unwrap());
    outbox
}

/// Payload, id and DUP of the next packet.
fn next(outbox: &mut Outbox) -> Option<(String, Option<u16>, bool)> {
    let packet = outbox.next(Instant::now())?;
    let text = String::from_utf8(packet.publish.payload.to_vec()).unwrap();
    Some((text, packet.packet_id.map(NonZeroU16::get), packet.dup))
}

fn sent(text: &str, id: u16, dup: bool) -> Option<(String, Option<u16>, bool)> {
    Some((text.to_owned(), Some(id), dup))
}

#[test]
fn sends_no_more_qos_1_than_the_receive_maximum() {
    let mut outbox = attached(2);
    for text in ["a", "b", "c"] {
        assert_eq!(outbox.push(qos_1(text), &LIMITS), Pushed::Queued);
    }
    assert_eq!(next(&mut outbox), sent("a", 1, false));
    assert_eq!(next(&mut outbox), sent("b", 2, false));
    assert_eq!(next(&mut outbox), None);
    assert!(outbox.acknowledge(NonZeroU16::MIN));
    assert!(!outbox.acknowledge(NonZeroU16::MIN), "twice");
    assert_eq!(next(&mut outbox), sent("c", 3, false));
    assert_eq!((outbox.waiting(), outbox.unacknowledged()), (0, 2));
}

#[test]
fn resends_unacknowledged_messages_first_with_dup_and_their_ids() {
    let mut outbox = attached(10);
    for text in ["a", "b", "c"] {
        outbox.push(qos_1(text), &LIMITS);
    }
    assert_eq!(next(&mut outbox), sent("a", 1, false));
    assert_eq!(next(&mut outbox), sent("b", 2, false));
    outbox.detach();
    assert_eq!(next(&mut outbox), None, "no connection");
    outbox.attach(NonZeroU16::new(2).unwrap());
    assert_eq!(next(&mut outbox), sent("a", 1, true));
    assert!(outbox.acknowledge(NonZeroU16::MIN));
    assert_eq!(next(&mut outbox), sent("b", 2, true));
    assert_eq!(next(&mut outbox), sent("c", 3, false));
    assert_eq!(next(&mut outbox), None);
}

#[test]
fn a_smaller_window_also_holds_for_what_is_sent_again() {
    let mut outbox = attached(10);
    outbox.push(qos_1("a"), &LIMITS);
    outbox.push(qos_1("b"), &LIMITS);
    while next(&mut outbox).is_some() {}
    outbox.detach();
    outbox.attach(NonZeroU16::MIN);
    assert_eq!(next(&mut outbox), sent("a", 1, true));
    assert_eq!(next(&mut outbox), None);
    outbox.acknowledge(NonZeroU16::MIN);
    assert_eq!(next(&mut outbox), sent("b", 2, true));
}

#[test]
fn a_full_queue_drops_qos_0_and_reports_qos_1() {
    let mut outbox = attached(1);
    for text in ["a", "b", "c"] {
        outbox.push(qos_1(text), &LIMITS);
    }
    assert_eq!(outbox.push(qos_0("d"), &LIMITS), Pushed::Dropped);
    assert_eq!(outbox.push(qos_1("d"), &LIMITS), Pushed::Overflow);
    outbox.detach();
    assert_eq!(outbox.push(qos_1("d"), &LIMITS), Pushed::Dropped, "offline");
}

#[test]
fn bytes_are_bounded_too() {
    let mut outbox = attached(1);
    assert_eq!(outbox.push(qos_1(&"x".repeat(998)), &LIMITS), Pushed::Queued);
    assert_eq!(outbox.push(qos_1("x"), &LIMITS), Pushed::Overflow);
    assert!(next(&mut outbox).is_some());
    assert_eq!(outbox.push(qos_1("x"), &LIMITS), Pushed::Queued, "sent messages are not counted");
}

#[test]
fn without_connection_only_qos_1_is_kept() {
    let mut outbox = attached(10);
    outbox.push(qos_0("lost"), &LIMITS);
    outbox.push(qos_1("kept"), &LIMITS);
    outbox.detach();
    assert_eq!(outbox.push(qos_0("offline"), &LIMITS), Pushed::Dropped);
    outbox.attach(NonZeroU16::MAX);
    assert_eq!(next(&mut outbox), sent("kept", 1, false));
    assert_eq!(next(&mut outbox), None);
}

#[test]
fn expiry_is_lowered_by_the_wait_and_ends_messages() {
    let start = Instant::now();
    let mut outbox = attached(10);
    outbox.push(delivery("short", QoS::AtLeastOnce, start, Some(5)), &LIMITS);
    outbox.push(delivery("long", QoS::AtLeastOnce, start, Some(60)), &LIMITS);
    let packet = outbox.next(start + Duration::from_millis(5500)).unwrap();
    assert_eq!(packet.publish.payload, "long");
    assert_eq!(packet.publish.properties.message_expiry_s, Some(55));
}

#[test]
fn what_comes_and_goes_between_two_savings_is_never_saved() {
    let mut outbox = attached(10);
    outbox.push(qos_1("quick"), &LIMITS);
    assert!(next(&mut outbox).is_some());
    assert!(outbox.acknowledge(NonZeroU16::MIN));
    outbox.push(qos_0("never saved"), &LIMITS);
    outbox.push(qos_1("slow"), &LIMITS);
    let positions = |unsaved: Vec<(u64, Delivery)>| unsaved.into_iter().map(|(at, _)| at).collect();
    let unsaved: Vec<u64> = positions(outbox.take_unsaved());
    assert_eq!(unsaved, [3]);
    assert!(outbox.take_unsaved().is_empty() && !outbox.has_settled());
    while next(&mut outbox).is_some() {}
    assert!(outbox.acknowledge(NonZeroU16::new(2).unwrap()));
    assert_eq!(outbox.take_settled(), [3]);
}

proptest! {
    /// A naive model keeps what is saved as a map; at each moment it is what the queue holds.
    #[test]
    fn what_is_saved_is_what_the_queue_holds(
        steps in proptest::collection::vec(0..8_u8, 1..200),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut outbox = attached(3);
        let mut disk = std::collections::BTreeMap::new();
        let mut open: VecDeque<NonZeroU16> = VecDeque::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                0 => { outbox.push(delivery(&number.to_string(), QoS::AtLeastOnce, now, None), &LIMITS); }
                1 => { outbox.push(delivery(&number.to_string(), QoS::AtLeastOnce, now, Some(1)), &LIMITS); }
                2 => { outbox.push(qos_0("0"), &LIMITS); }
                3 => open.extend(outbox.next(now).and_then(|packet| packet.packet_id)),
                4 => { open.pop_front().map(|id| outbox.acknowledge(id)); }
                5 => { outbox.detach(); outbox.attach(NonZeroU16::new(3).unwrap()); open.clear(); }
                6 => now += Duration::from_secs(1),
                _ => {
                    for (at, kept) in outbox.take_unsaved() {
                        prop_assert!(disk.insert(at, kept.message.publish.payload.clone()).is_none());
                    }
                    for at in outbox.take_settled() {
                        prop_assert!(disk.remove(&at).is_some());
                    }
                    let in_flight = outbox.unacknowledged.iter().map(|(_, entry)| entry);
                    let held: Vec<_> = in_flight
                        .chain(&outbox.waiting)
                        .filter(|entry| entry.delivery.qos == QoS::AtLeastOnce)
                        .map(|entry| (entry.position, entry.delivery.message.publish.payload.clone()))
                        .collect();
                    prop_assert_eq!(disk.clone().into_iter().collect::<Vec<_>>(), held);
                }
            }
        }
    }

    /// Whatever happens, each QoS 1 message is either acknowledged or still held, in order.
    #[test]
    fn qos_1_messages_are_never_lost_or_reordered(
        steps in proptest::collection::vec(0..5_u8, 1..200),
    ) {
        let limits = OutboxLimits { max_messages: usize::MAX, max_bytes: usize::MAX };
        let mut outbox = attached(3);
        let mut connected = true;
        let (mut pushed, mut first_sends) = (0_u32, Vec::new());
        let mut open: Vec<NonZeroU16> = Vec::new();
        for step in steps {
            match step {
                0 => {
                    outbox.push(qos_1(&pushed.to_string()), &limits);
                    pushed += 1;
                }
                1 if connected => {
                    if let Some(packet) = outbox.next(Instant::now()) {
                        if !packet.dup {
                            first_sends.push(packet.publish.payload.clone());
                        }
                        open.extend(packet.packet_id);
                        prop_assert!(open.len() <= 3, "window");
                    }
                }
                2 if connected && !open.is_empty() => {
                    let id = open.remove(0);
                    prop_assert!(outbox.acknowledge(id));
                }
                3 if connected => {
                    outbox.detach();
                    open.clear();
                    connected = false;
                }
                4 if !connected => {
                    outbox.attach(NonZeroU16::new(3).unwrap());
                    connected = true;
                }
                _ => {}
            }
        }
        let expected: Vec<String> = (0..first_sends.len()).map(|i| i.to_string()).collect();
        prop_assert_eq!(&first_sends, &expected);
        prop_assert_eq!(outbox.waiting(), pushed as usize - first_sends.len());
    }
}
