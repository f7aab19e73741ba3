//! Sessions that outlive connections, and wills.

use std::time::Duration;

use marram_broker::{Broker, Settings};
use marram_mqtt::packet::{Connect, Disconnect, Will};
use marram_mqtt::{Packet, Publish, QoS, ReasonCode, Version};

use crate::raw::{Raw, connect, eventually, listen, qos_1};
use crate::rules::{Rules, broker};

async fn leave(mut raw: Raw, broker: &Broker<Rules>, client_id: &str) {
    raw.send(Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS))).await;
    eventually(false, || broker.is_connected(client_id)).await;
}

#[tokio::test]
async fn rec_a_persistent_session_keeps_subscriptions_and_queues_qos_1() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    for version in [Version::V5, Version::V311] {
        let mut raw = Raw::connected(address, "core", version).await;
        raw.subscribe("a/#", QoS::AtLeastOnce).await;
        leave(raw, &broker, "core").await;
        broker.publish(qos_1("a/1", "first"));
        broker.publish(Publish::new("a/2", "not queued"));
        broker.publish(qos_1("a/3", "second"));
        let mut raw = Raw::dial(address, version).await;
        assert!(raw.open(connect("core", version)).await.session_present);
        for expected in ["first", "second"] {
            let packet = raw.message().await;
            assert_eq!(packet.publish.payload, expected);
            raw.acknowledge(&packet).await;
        }
        raw.expect_nothing().await;
        drop(raw);
        let mut clean = Raw::dial(address, version).await;
        let clean_start =
            Connect { clean_start: true, session_expiry_s: 0, ..connect("core", version) };
        assert!(!clean.open(clean_start).await.session_present);
        broker.publish(qos_1("a/1", "x"));
        clean.expect_nothing().await;
        leave(clean, &broker, "core").await;
    }
    assert_eq!(broker.statistics().sessions, 0);
}

#[tokio::test]
async fn unacknowledged_messages_come_again_with_dup() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("a", QoS::AtLeastOnce).await;
    broker.publish(qos_1("a", "x"));
    let first = raw.message().await;
    assert!(!first.dup);
    drop(raw);
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let again = raw.message().await;
    assert!(again.dup);
    assert_eq!((again.packet_id, again.publish), (first.packet_id, first.publish));
}

#[tokio::test]
async fn a_connection_whose_session_ends_with_it_leaves_nothing_to_its_successor() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let short = Connect { session_expiry_s: 0, ..connect("core", Version::V5) };
    let mut first = Raw::connected_as(address, short.clone()).await;
    first.subscribe("a", QoS::AtLeastOnce).await;
    let mut second = Raw::dial(address, Version::V5).await;
    assert!(!second.open(short).await.session_present);
    assert_eq!(first.disconnected().await, ReasonCode::SESSION_TAKEN_OVER);
    assert_eq!(broker.statistics().subscriptions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_its_time_is_over() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::pipe(&broker, Version::V5);
    raw.open(Connect { session_expiry_s: 30, ..connect("core", Version::V5) }).await;
    raw.subscribe("a", QoS::AtLeastOnce).await;
    leave(raw, &broker, "core").await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(broker.statistics().sessions, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let statistics = broker.statistics();
    assert_eq!((statistics.sessions, statistics.subscriptions), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_resumed_in_time_does_not_end() {
    let (broker, _) = broker(Settings::default());
    for _ in 0..3 {
        let mut raw = Raw::pipe(&broker, Version::V5);
        raw.open(Connect { session_expiry_s: 30, ..connect("core", Version::V5) }).await;
        leave(raw, &broker, "core").await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert_eq!(broker.statistics().sessions, 1);
}

fn with_will(client_id: &str, delay_s: u32) -> Connect {
    let will = Some(Will { publish: qos_1("wills", client_id), delay_s });
    Connect { will, ..connect(client_id, Version::V5) }
}

#[tokio::test]
async fn a_will_is_published_when_the_connection_breaks_and_only_then() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut watcher = Raw::connected(address, "watcher", Version::V5).await;
    watcher.subscribe("wills", QoS::AtMostOnce).await;
    leave(Raw::connected_as(address, with_will("polite", 0)).await, &broker, "polite").await;
    drop(Raw::connected_as(address, with_will("broken", 0)).await);
    assert_eq!(watcher.text().await.1, "broken");
    let mut asked = Raw::connected_as(address, with_will("asked", 0)).await;
    asked.send(Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL))).await;
    assert_eq!(watcher.text().await.1, "asked");
    let _first = Raw::connected_as(address, with_will("twice", 0)).await;
    let _second = Raw::connected_as(address, with_will("twice", 0)).await;
    assert_eq!(watcher.text().await.1, "twice", "taken over");
    watcher.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_delayed_will_waits_for_the_client_to_come_back() {
    let (broker, _) = broker(Settings::default());
    let mut watcher = Raw::pipe(&broker, Version::V5);
    watcher.open(Connect { keep_alive_s: 1000, ..connect("watcher", Version::V5) }).await;
    watcher.subscribe("wills", QoS::AtMostOnce).await;
    let mut raw = Raw::pipe(&broker, Version::V5);
    raw.open(with_will("core", 10)).await;
    drop(raw);
    eventually(false, || broker.is_connected("core")).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let mut raw = Raw::pipe(&broker, Version::V5);
    raw.open(with_will("core", 10)).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    watcher.expect_nothing().await;
    let broken = tokio::time::Instant::now();
    drop(raw);
    assert_eq!(watcher.text().await.1, "core");
    assert_eq!(broken.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn messages_queued_for_a_client_are_authorised_again_when_it_comes_back() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("#", QoS::AtLeastOnce).await;
    leave(raw, &broker, "core").await;
    broker.publish(qos_1("a/secret", "no"));
    broker.publish(qos_1("a/open", "yes"));
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    assert_eq!(raw.text().await.1, "yes");
}

/// Connections of few clients replace each other, publish, subscribe and vanish on several
/// threads. Whatever the order of locks and tasks, all comes to rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_take_overs_come_to_rest() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let flapping = (0..8).map(|task| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for round in 0..40 {
                let client_id = format!("core#{}", (task + round) % 3);
                let mut raw = Raw::dial(address, Version::V5).await;
                let mut request = with_will(&client_id, round % 2);
                request.session_expiry_s = 60 * (round % 3);
                request.clean_start = round % 5 == 0;
                // A successor may have cut this connection before it is used.
                if raw.try_open(request).await.is_none() {
                    continue;
                }
                raw.try_flood(round).await;
                broker.reply(&client_id, qos_1("$aws/answers", "x"));
                broker.publish(qos_1("a/b", "x"));
            }
        })
    });
    for task in flapping.collect::<Vec<_>>() {
        tokio::time::timeout(Duration::from_secs(40), task).await.expect("no deadlock").unwrap();
    }
    eventually(0, || broker.statistics().connections).await;
    let clean_start = Connect { clean_start: true, ..connect("core#0", Version::V5) };
    let mut raw = Raw::connected_as(address, clean_start).await;
    raw.subscribe("c", QoS::AtMostOnce).await;
    broker.shutdown(Duration::from_secs(10)).await;
    assert!(broker.statistics().sessions <= 3);
}
