//! Bounds: sizes, queues, slow clients.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::Bytes;
use marram_broker::Settings;
use marram_mqtt::packet::{Connect, SubAck, Subscribe, SubscribeOptions};
use marram_mqtt::session::outbox::OutboxLimits;
use marram_mqtt::{Packet, Publish, QoS, ReasonCode, Version};

use crate::raw::{Raw, connect, eventually, listen, publish_packet, qos_1};
use crate::rules::broker;

fn payload(size: usize) -> Bytes {
    Bytes::from(vec![b'x'; size])
}

#[tokio::test]
async fn d36_a_message_above_131072_bytes_ends_the_connection_and_is_no_hang() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut watcher = Raw::connected(address, "watcher", Version::V5).await;
    watcher.subscribe("a", QoS::AtMostOnce).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.publish(Publish::new("a", payload(131_072))).await;
    assert_eq!(watcher.message().await.publish.payload.len(), 131_072);
    raw.publish(Publish::new("a", payload(131_073))).await;
    assert_eq!(raw.disconnected().await, ReasonCode::PACKET_TOO_LARGE);
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.publish(Publish::new("a", payload(500_000))).await;
    assert_eq!(raw.disconnected().await, ReasonCode::PACKET_TOO_LARGE);
    let mut old = Raw::connected(address, "old", Version::V311).await;
    old.send(publish_packet(Publish::new("a", payload(200_000)), None)).await;
    assert_eq!(old.receive().await, None);
    watcher.expect_nothing().await;
}

#[tokio::test]
async fn a_message_above_the_receivers_maximum_is_skipped() {
    let (broker, _) = broker(Settings::default());
    let small = Connect { max_packet_size: NonZeroU32::new(100), ..connect("core", Version::V5) };
    let mut raw = Raw::connected_as(listen(&broker).await, small).await;
    raw.subscribe("a", QoS::AtLeastOnce).await;
    broker.publish(Publish::new("a", payload(200)).with_qos(QoS::AtLeastOnce));
    broker.publish(qos_1("a", "small"));
    assert_eq!(raw.text().await.1, "small");
    assert_eq!(broker.statistics().dropped, 1);
}

#[tokio::test]
async fn no_more_than_the_receive_maximum_is_unacknowledged() {
    let (broker, _) = broker(Settings::default());
    let receive_maximum = NonZeroU16::new(2);
    let narrow = Connect { receive_maximum, ..connect("core", Version::V5) };
    let mut raw = Raw::connected_as(listen(&broker).await, narrow).await;
    raw.subscribe("a", QoS::AtLeastOnce).await;
    for number in 0..3 {
        broker.publish(qos_1("a", &number.to_string()));
    }
    let first = raw.message().await;
    raw.message().await;
    raw.expect_nothing().await;
    raw.acknowledge(&first).await;
    assert_eq!(raw.text().await.1, "2");
}

fn small_queues() -> Settings {
    let queue = OutboxLimits { max_messages: 10, max_bytes: 10_000_000 };
    Settings { online_queue: queue, offline_queue: queue, ..Settings::default() }
}

#[tokio::test]
async fn a_client_that_does_not_acknowledge_is_cut_and_never_delays_the_publisher() {
    let (broker, _) = broker(small_queues());
    let address = listen(&broker).await;
    let receive_maximum = NonZeroU16::new(1);
    let mut slow =
        Raw::connected_as(address, Connect { receive_maximum, ..connect("slow", Version::V5) })
            .await;
    slow.subscribe("a", QoS::AtLeastOnce).await;
    let mut fast = Raw::connected(address, "fast", Version::V5).await;
    for number in 0..12 {
        assert!(fast.publish(qos_1("a", &number.to_string())).await.is_some());
    }
    assert_eq!(slow.text().await.1, "0");
    assert_eq!(slow.disconnected().await, ReasonCode::QUOTA_EXCEEDED);
}

#[tokio::test]
async fn qos_0_for_a_client_that_does_not_read_is_dropped_and_counted() {
    let (broker, _) = broker(small_queues());
    let address = listen(&broker).await;
    let mut slow = Raw::connected(address, "slow", Version::V5).await;
    slow.subscribe("a", QoS::AtMostOnce).await;
    let mut fast = Raw::connected(address, "fast", Version::V5).await;
    // More than the sockets' buffers take.
    for _ in 0..200 {
        fast.publish(Publish::new("a", payload(100_000))).await;
    }
    fast.expect_nothing().await;
    assert!(broker.statistics().dropped > 0);
    assert!(broker.is_connected("slow"));
    slow.message().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_dropped_after_the_write_timeout() {
    let (broker, rules) = broker(Settings::default());
    let mut raw = Raw::pipe(&broker, Version::V5);
    raw.open(Connect { keep_alive_s: 1000, ..connect("core", Version::V5) }).await;
    raw.subscribe("a", QoS::AtMostOnce).await;
    let started = tokio::time::Instant::now();
    // The pipe holds 1024 bytes.
    broker.publish(Publish::new("a", payload(5000)));
    eventually(true, || rules.noted("core disconnected ConnectionLost")).await;
    assert_eq!(started.elapsed().as_secs(), Settings::default().write_timeout.as_secs());
}

#[tokio::test]
async fn the_offline_queue_is_bounded() {
    let (broker, _) = broker(small_queues());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("a", QoS::AtLeastOnce).await;
    drop(raw);
    eventually(false, || broker.is_connected("core")).await;
    for number in 0..15 {
        broker.publish(qos_1("a", &number.to_string()));
    }
    assert_eq!(broker.statistics().dropped, 5);
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    for number in 0..10 {
        assert_eq!(raw.text().await.1, number.to_string());
    }
    raw.expect_nothing().await;
}

#[tokio::test]
async fn the_number_of_subscriptions_is_bounded() {
    let (broker, _) = broker(Settings { max_subscriptions: 2, ..Settings::default() });
    let mut raw = Raw::connected(listen(&broker).await, "core", Version::V5).await;
    for filter in ["a", "b", "a"] {
        assert_eq!(raw.subscribe(filter, QoS::AtMostOnce).await, ReasonCode::SUCCESS);
    }
    assert_eq!(raw.subscribe("c", QoS::AtMostOnce).await, ReasonCode::QUOTA_EXCEEDED);
}

#[tokio::test]
async fn both_sides_may_flood_each_other_without_deadlock() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("a", QoS::AtMostOnce).await;
    let flood = async {
        for _ in 0..100 {
            raw.publish(Publish::new("a", payload(100_000))).await;
        }
        for _ in 0..10 {
            raw.message().await;
        }
    };
    // The client writes 10 MB, all of which comes back, before it reads anything.
    let finished = tokio::time::timeout(Duration::from_secs(20), flood).await;
    assert!(finished.is_ok(), "deadlock");
}

#[tokio::test]
async fn a_client_that_never_reads_costs_others_nothing() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut deaf = Raw::connected(address, "deaf", Version::V5).await;
    deaf.subscribe("all/#", QoS::AtLeastOnce).await;
    let mut subscriber = Raw::connected(address, "sub", Version::V5).await;
    subscriber.subscribe("all/#", QoS::AtLeastOnce).await;
    let mut publisher = Raw::connected(address, "pub", Version::V5).await;
    let text = "x".repeat(10_000);
    for number in 0..1000 {
        let sent = publisher.publish(qos_1(&format!("all/{number}"), &text)).await;
        assert_eq!(sent, Some(ReasonCode::SUCCESS));
        let message = subscriber.message().await;
        assert_eq!(*message.publish.topic, *format!("all/{number}"));
        subscriber.acknowledge(&message).await;
    }
    let Settings { online_queue, .. } = Settings::default();
    assert!(10_000 * 1000 > 2 * online_queue.max_bytes, "more than is kept for a slow client");
    eventually(false, || broker.is_connected("deaf")).await;
}

#[tokio::test]
async fn connections_without_connect_are_bounded_and_the_oldest_goes_first() {
    let (broker, _) = broker(Settings { max_connecting: 10, ..Settings::default() });
    let address = listen(&broker).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Raw::dial(address, Version::V5).await);
    }
    eventually((10, 90), || {
        let statistics = broker.statistics();
        (statistics.connecting, statistics.sent_away)
    })
    .await;
    assert_eq!(silent[0].receive().await, None);
    Raw::connected(address, "core", Version::V5).await.expect_nothing().await;
}

#[tokio::test]
async fn topics_and_filters_are_as_long_and_as_deep_as_aws_allows() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let (deep, long) = ("a/b/c/d/e/f/g/h/i", "x".repeat(257));
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let group = format!("$share/{}/a", "g".repeat(510));
    for filter in [deep, &long, "+/+/+/+/+/+/+/+/+", "$share/g/a/b/c/d/e/f/g/h/i", &group] {
        let refused = raw.subscribe(filter, QoS::AtMostOnce).await;
        assert_eq!(refused, ReasonCode::TOPIC_FILTER_INVALID, "{filter}");
    }
    for filter in [&deep[..15], "$aws/things/a/b/c/d/e/f/g/h/i", "$share/g/a/b/c/d/e/f/g/h"] {
        assert_eq!(raw.subscribe(filter, QoS::AtMostOnce).await, ReasonCode::SUCCESS, "{filter}");
    }
    for topic in [deep, &long] {
        let mut raw = Raw::connected(address, "other", Version::V5).await;
        raw.send(publish_packet(qos_1(topic, ""), NonZeroU16::new(1))).await;
        assert_eq!(raw.disconnected().await, ReasonCode::TOPIC_NAME_INVALID, "{topic}");
    }
}

#[tokio::test]
async fn one_subscribe_has_at_most_eight_filters() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::connected(listen(&broker).await, "core", Version::V5).await;
    let filters = (0..10).map(|n| (format!("a/{n}").into(), SubscribeOptions::default()));
    let subscribe =
        Subscribe { packet_id: NonZeroU16::MIN, subscription_id: None, filters: filters.collect() };
    raw.send(Packet::Subscribe(subscribe)).await;
    let Packet::SubAck(SubAck { reasons, .. }) = raw.next().await else { panic!("no SUBACK") };
    let refused = reasons.iter().filter(|reason| **reason == ReasonCode::QUOTA_EXCEEDED).count();
    assert_eq!((reasons.len(), refused), (10, 2));
    assert_eq!(broker.statistics().subscriptions, 8);
}

#[tokio::test]
async fn more_retained_messages_than_a_queue_takes_do_not_end_the_connection() {
    let (broker, _) = broker(small_queues());
    let address = listen(&broker).await;
    let mut publisher = Raw::connected(address, "pub", Version::V5).await;
    for number in 0..20 {
        publisher.publish(qos_1(&format!("kept/{number}"), "x").retained()).await;
    }
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("kept/+", QoS::AtLeastOnce).await;
    for _ in 0..10 {
        raw.message().await;
    }
    raw.expect_nothing().await;
    assert_eq!(broker.statistics().dropped, 10);
}

#[tokio::test]
async fn topics_to_a_client_that_takes_aliases_are_sent_once() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let wanting = Connect { topic_alias_maximum: 1, ..connect("core", Version::V5) };
    let mut raw = Raw::connected_as(address, wanting).await;
    raw.subscribe("a/+", QoS::AtMostOnce).await;
    let mut seen = Vec::new();
    for topic in ["a/1", "a/1", "a/2", "a/1"] {
        broker.publish(Publish::new(topic, ""));
        let packet = raw.message().await;
        seen.push((packet.publish.topic.to_string(), packet.topic_alias.map(NonZeroU16::get)));
    }
    let expected = [("a/1", Some(1)), ("", Some(1)), ("a/2", None), ("", Some(1))];
    assert_eq!(seen, expected.map(|(topic, alias)| (topic.to_owned(), alias)));
}

#[tokio::test]
async fn all_sessions_without_connection_have_one_budget() {
    let (broker, _) = broker(Settings { max_held_bytes: 50_000, ..Settings::default() });
    let address = listen(&broker).await;
    for number in 0..20 {
        let mut raw = Raw::connected(address, &format!("core{number}"), Version::V5).await;
        raw.subscribe("a", QoS::AtLeastOnce).await;
    }
    eventually(0, || broker.statistics().connections).await;
    broker.publish(qos_1("a", &"x".repeat(10_000)));
    assert_eq!(broker.statistics().dropped, 15);
    // What is fetched makes room again.
    let mut raw = Raw::connected(address, "core0", Version::V5).await;
    let message = raw.message().await;
    raw.acknowledge(&message).await;
    raw.expect_nothing().await;
    broker.publish(qos_1("a", "small"));
    assert_eq!(raw.text().await.1, "small");
    assert_eq!(broker.statistics().dropped, 15);
}
