//! CONNECT, CONNACK and the ways a connection ends.

use std::time::Duration;

use marram_broker::{DisconnectReason, Settings};
use marram_mqtt::packet::{Connect, Will};
use marram_mqtt::{Packet, Publish, QoS, ReasonCode, Version};
use tokio::io::AsyncWriteExt;

use crate::raw::{Raw, connect, eventually, listen};
use crate::rules::broker;

#[tokio::test]
async fn rec_conn_ack_announces_aws_values() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::dial(listen(&broker).await, Version::V5).await;
    let ack = raw.open(connect("core", Version::V5)).await;
    assert_eq!(ack.limits.max_qos, QoS::AtLeastOnce);
    assert_eq!(ack.limits.max_packet_size, Some(149_504));
    assert_eq!(ack.limits.receive_maximum.get(), 100);
    assert_eq!(ack.limits.topic_alias_maximum, 8);
    assert!(ack.limits.retain_available && ack.limits.shared_subscriptions);
    assert_eq!(ack.limits.server_keep_alive_s, None);
}

#[tokio::test]
async fn d2_connect_is_refused_with_the_code_of_the_version() {
    let (broker, rules) = broker(Settings::default());
    let address = listen(&broker).await;
    for (version, reason) in
        [(Version::V5, ReasonCode::NOT_AUTHORIZED), (Version::V311, ReasonCode::NOT_AUTHORIZED)]
    {
        let mut raw = Raw::dial(address, version).await;
        assert_eq!(raw.open(connect("refused", version)).await.reason, reason);
        assert_eq!(raw.receive().await, None);
        let mut raw = Raw::dial(address, version).await;
        assert_eq!(raw.open(connect("core#2", version)).await.reason, ReasonCode::SUCCESS);
    }
    assert!(!rules.noted("refused connected"));
}

#[tokio::test]
async fn d3_the_older_connection_of_a_client_is_told_and_closed() {
    let (broker, rules) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut first = Raw::connected(address, "core", Version::V5).await;
    let mut second = Raw::dial(address, Version::V5).await;
    assert!(second.open(connect("core", Version::V5)).await.session_present);
    assert_eq!(first.disconnected().await, ReasonCode::SESSION_TAKEN_OVER);
    second.expect_nothing().await;
    assert!(broker.is_connected("core"));
    let ended = "core disconnected ByBroker(session taken over (0x8E))";
    eventually(true, || rules.noted(ended)).await;
    let mut third = Raw::connected(address, "core", Version::V311).await;
    assert_eq!(second.disconnected().await, ReasonCode::SESSION_TAKEN_OVER);
    third.expect_nothing().await;
}

#[tokio::test]
async fn a_will_nobody_may_publish_refuses_the_connect() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::dial(listen(&broker).await, Version::V5).await;
    let will = Some(Will { publish: Publish::new("a/denied", "gone"), delay_s: 0 });
    let ack = raw.open(Connect { will, ..connect("core", Version::V5) }).await;
    assert_eq!(ack.reason, ReasonCode::NOT_AUTHORIZED);
}

#[tokio::test]
async fn a_client_without_id_gets_one() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::dial(listen(&broker).await, Version::V5).await;
    let ack = raw.open(Connect { clean_start: true, ..connect("", Version::V5) }).await;
    let id = ack.limits.assigned_client_id.expect("an id");
    assert!(broker.is_connected(&id));
}

#[tokio::test]
async fn unknown_protocol_levels_get_code_1() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::dial(listen(&broker).await, Version::V311).await;
    raw.stream.write_all(b"\x10\x0E\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x00").await.unwrap();
    let Packet::ConnAck(ack) = raw.next().await else { panic!("no CONNACK") };
    assert_eq!(ack.reason, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
    assert_eq!(raw.receive().await, None);
}

#[tokio::test]
async fn bytes_that_are_not_mqtt_end_the_connection() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::dial(listen(&broker).await, Version::V5).await;
    raw.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(raw.receive().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_connects_is_dropped() {
    let (broker, _) = broker(Settings::default());
    let started = tokio::time::Instant::now();
    let mut raw = Raw::pipe(&broker, Version::V5);
    assert_eq!(raw.receive().await, None);
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection_after_one_and_a_half_keep_alives() {
    let (broker, _) = broker(Settings::default());
    let started = tokio::time::Instant::now();
    let mut raw = Raw::pipe(&broker, Version::V5);
    raw.open(Connect { keep_alive_s: 10, ..connect("core", Version::V5) }).await;
    assert_eq!(raw.disconnected().await, ReasonCode::KEEP_ALIVE_TIMEOUT);
    assert_eq!(started.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn the_owner_can_cut_connections() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut one = Raw::connected(address, "one", Version::V5).await;
    let mut two = Raw::connected(address, "two", Version::V5).await;
    broker.disconnect("one", DisconnectReason::AdministrativeAction);
    assert_eq!(one.disconnected().await, ReasonCode::ADMINISTRATIVE_ACTION);
    two.expect_nothing().await;
    broker.disconnect_if(|identity| identity == "two", DisconnectReason::NotAuthorized);
    assert_eq!(two.disconnected().await, ReasonCode::NOT_AUTHORIZED);
}

#[tokio::test]
async fn shutdown_tells_clients_and_refuses_new_ones() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let shutdown = broker.shutdown(Duration::from_secs(10));
    let (reason, ()) = tokio::join!(raw.disconnected(), async {
        let started = std::time::Instant::now();
        shutdown.await;
        assert!(started.elapsed() < Duration::from_secs(5), "waits for connections only");
    });
    assert_eq!(reason, ReasonCode::SERVER_SHUTTING_DOWN);
    let mut late = Raw::dial(address, Version::V5).await;
    let ack = late.open(connect("late", Version::V5)).await;
    assert_eq!(ack.reason, ReasonCode::SERVER_UNAVAILABLE);
}
