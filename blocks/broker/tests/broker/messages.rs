//! Publishing, subscribing, retained messages, reserved topics.

use bytes::Bytes;
use marram_broker::Settings;
use marram_mqtt::packet::{PublishPacket, SubAck, Subscribe, SubscribeOptions, Unsubscribe};
use marram_mqtt::{Packet, Publish, PublishProperties, QoS, ReasonCode, Version};
use std::num::{NonZeroU16, NonZeroU32};
use tokio::io::AsyncWriteExt;

use crate::raw::{Raw, listen, publish_packet, qos_1};
use crate::rules::broker;

#[tokio::test]
async fn messages_reach_matching_subscribers_of_both_versions_once() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut old = Raw::connected(address, "old", Version::V311).await;
    let mut new = Raw::connected(address, "new", Version::V5).await;
    assert_eq!(old.subscribe("a/+", QoS::AtMostOnce).await, ReasonCode::SUCCESS);
    assert_eq!(new.subscribe("a/#", QoS::AtLeastOnce).await, ReasonCode::GRANTED_QOS_1);
    assert_eq!(new.subscribe("a/b", QoS::AtMostOnce).await, ReasonCode::SUCCESS);
    let mut sender = Raw::connected(address, "sender", Version::V5).await;
    assert_eq!(sender.publish(qos_1("a/b", "x")).await, Some(ReasonCode::SUCCESS));
    let packet = old.message().await;
    assert_eq!((packet.publish.qos, packet.packet_id), (QoS::AtMostOnce, None));
    let packet = new.message().await;
    assert_eq!(packet.publish.qos, QoS::AtLeastOnce, "the highest of both subscriptions");
    new.acknowledge(&packet).await;
    new.expect_nothing().await;
    old.expect_nothing().await;
    let alone = sender.publish(qos_1("nobody/here", "x")).await;
    assert_eq!(alone, Some(ReasonCode::NO_MATCHING_SUBSCRIBERS));
}

#[tokio::test]
async fn mqtt_5_properties_pass_through() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let filters = vec![("a".into(), SubscribeOptions::default())];
    let subscription_id = NonZeroU32::new(77);
    let subscribe = Subscribe { packet_id: NonZeroU16::MIN, subscription_id, filters };
    raw.send(Packet::Subscribe(subscribe)).await;
    assert!(matches!(raw.next().await, Packet::SubAck(_)));
    let properties = PublishProperties {
        response_topic: Some("answers".into()),
        correlation_data: Some(Bytes::from_static(&[0, 1, 2])),
        user_properties: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
        content_type: Some("text/plain".into()),
        payload_format_utf8: true,
        message_expiry_s: Some(3600),
    };
    let publish = Publish { properties: properties.clone(), ..Publish::new("a", "x") };
    raw.publish(publish).await;
    let packet = raw.message().await;
    assert_eq!(packet.publish.properties, properties);
    assert_eq!(packet.subscription_ids, [NonZeroU32::new(77).unwrap()]);
}

#[tokio::test]
async fn qos_2_ends_the_connection_and_is_granted_as_qos_1() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.stream.write_all(b"\x82\x07\x00\x01\x00\x00\x01a\x02").await.unwrap();
    let Packet::SubAck(SubAck { reasons, .. }) = raw.next().await else { panic!("no SUBACK") };
    assert_eq!(reasons, [ReasonCode::GRANTED_QOS_1]);
    raw.stream.write_all(b"\x34\x07\x00\x01a\x00\x01\x00x").await.unwrap();
    assert_eq!(raw.disconnected().await, ReasonCode::QOS_NOT_SUPPORTED);
}

#[tokio::test]
async fn rec_an_unauthorised_publish_is_answered_as_its_version_and_qos_can() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let refused = raw.publish(qos_1("a/denied", "x")).await;
    assert_eq!(refused, Some(ReasonCode::NOT_AUTHORIZED));
    raw.publish(Publish::new("a/denied", "x")).await;
    assert_eq!(raw.disconnected().await, ReasonCode::NOT_AUTHORIZED);
    let mut old = Raw::connected(address, "old", Version::V311).await;
    old.send(publish_packet(qos_1("a/denied", "x"), Some(NonZeroU16::MIN))).await;
    assert_eq!(old.receive().await, None);
}

#[tokio::test]
async fn rec_each_filter_of_a_subscribe_gets_its_own_answer() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    for (version, refused, invalid) in [
        (Version::V5, ReasonCode::NOT_AUTHORIZED, ReasonCode::TOPIC_FILTER_INVALID),
        (Version::V311, ReasonCode::UNSPECIFIED_ERROR, ReasonCode::UNSPECIFIED_ERROR),
    ] {
        let mut raw = Raw::connected(address, "core", version).await;
        let filters = ["a", "denied/#", "b#", "$share/g/denied", "$share/g/b"];
        let filters = filters.map(|filter| (filter.into(), SubscribeOptions::default())).to_vec();
        let packet_id = NonZeroU16::MIN;
        let subscribe = Subscribe { packet_id, subscription_id: None, filters };
        raw.send(Packet::Subscribe(subscribe)).await;
        let Packet::SubAck(SubAck { reasons, .. }) = raw.next().await else { panic!("no SUBACK") };
        let granted = ReasonCode::SUCCESS;
        assert_eq!(reasons, [granted, refused, invalid, refused, granted]);
    }
}

#[tokio::test]
async fn unsubscribe_tells_whether_there_was_a_subscription() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("a", QoS::AtMostOnce).await;
    let filters = vec!["a".into(), "b".into()];
    raw.send(Packet::Unsubscribe(Unsubscribe { packet_id: NonZeroU16::MIN, filters })).await;
    let Packet::UnsubAck(SubAck { reasons, .. }) = raw.next().await else { panic!("no UNSUBACK") };
    assert_eq!(reasons, [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED]);
    raw.publish(Publish::new("a", "x")).await;
    raw.expect_nothing().await;
    assert_eq!(broker.statistics().subscriptions, 0);
}

#[tokio::test]
async fn each_delivery_is_authorised() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("#", QoS::AtLeastOnce).await;
    raw.publish(Publish::new("a/secret", "no")).await;
    broker.publish(Publish::new("b/secret", "no"));
    broker.reply("core", Publish::new("c/secret", "no"));
    broker.publish(Publish::new("a/open", "yes"));
    assert_eq!(raw.text().await, ("a/open".to_owned(), "yes".to_owned()));
}

#[tokio::test]
async fn no_local_keeps_a_client_from_its_own_messages() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let options = SubscribeOptions { no_local: true, ..SubscribeOptions::default() };
    raw.subscribe_with("a", options).await;
    raw.publish(Publish::new("a", "own")).await;
    broker.publish(Publish::new("a", "other"));
    assert_eq!(raw.text().await.1, "other");
}

const GET: &str = "$aws/things/T/jobs/$next/namespace-aws-gg-deployment/get";

#[tokio::test]
async fn d4_get_without_subscription_is_answered_on_the_connection() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    for version in [Version::V5, Version::V311] {
        let mut raw = Raw::connected(address, "core", version).await;
        raw.publish(Publish::new(GET, "{\"clientToken\":\"x\"}")).await;
        assert_eq!(raw.text().await.0, format!("{GET}/accepted"));
        raw.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_subscribed_requester_is_answered_once_and_others_see_it_too() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    let mut other = Raw::connected(address, "other", Version::V5).await;
    raw.subscribe(&format!("{GET}/+"), QoS::AtLeastOnce).await;
    raw.subscribe("$aws/things/T/jobs/#", QoS::AtLeastOnce).await;
    other.subscribe("$aws/things/+/jobs/#", QoS::AtMostOnce).await;
    other.subscribe("#", QoS::AtMostOnce).await;
    raw.send(publish_packet(Publish::new(GET, "{}"), None)).await;
    let answer = raw.message().await;
    raw.acknowledge(&answer).await;
    raw.expect_nothing().await;
    assert_eq!(other.text().await.0, format!("{GET}/accepted"), "the request itself is consumed");
    other.expect_nothing().await;
}

#[tokio::test]
async fn other_reserved_topics_are_forwarded_but_not_to_wildcards_at_the_first_level() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.subscribe("#", QoS::AtMostOnce).await;
    raw.subscribe("+/rules/r", QoS::AtMostOnce).await;
    raw.publish(Publish::new("$aws/rules/r", "1")).await;
    raw.expect_nothing().await;
    raw.subscribe("$aws/rules/+", QoS::AtMostOnce).await;
    raw.publish(Publish::new("$aws/rules/r", "2")).await;
    assert_eq!(raw.text().await.1, "2");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_fails_the_publication() {
    let (broker, _) = broker(Settings::default());
    let mut raw = Raw::pipe(&broker, Version::V5);
    let connect = crate::raw::connect("core", Version::V5);
    raw.open(marram_mqtt::packet::Connect { keep_alive_s: 1000, ..connect }).await;
    raw.send(publish_packet(qos_1("$aws/slow/x", "1"), Some(NonZeroU16::MIN))).await;
    let Packet::PubAck(ack) = raw.next().await else { panic!("no PUBACK") };
    assert_eq!(ack.reason, ReasonCode::UNSPECIFIED_ERROR);
}

#[tokio::test]
async fn retained_messages_greet_new_subscriptions() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut raw = Raw::connected(address, "core", Version::V5).await;
    raw.publish(qos_1("state/lamp", "on").retained()).await;
    raw.publish(qos_1("state/secret", "no").retained()).await;
    raw.publish(qos_1("state/door", "open").retained()).await;
    raw.publish(qos_1("state/door", "").retained()).await;
    raw.send(Packet::Subscribe(Subscribe {
        packet_id: NonZeroU16::MIN,
        subscription_id: None,
        filters: vec![("state/+".into(), SubscribeOptions::default())],
    }))
    .await;
    let mut packets = [raw.next().await, raw.next().await];
    packets.sort_by_key(Packet::name);
    let [Packet::Publish(packet), Packet::SubAck(_)] = &packets else { panic!("{packets:?}") };
    let PublishPacket { publish, .. } = &**packet;
    assert_eq!((&*publish.topic, publish.retain), ("state/lamp", true));
    raw.publish(Publish::new("state/lamp", "off").retained()).await;
    let packet = raw.message().await;
    assert!(!packet.publish.retain, "a live message is not marked as retained");
}

#[tokio::test]
async fn a_shared_subscription_gets_each_message_once() {
    let (broker, _) = broker(Settings::default());
    let address = listen(&broker).await;
    let mut workers = Vec::new();
    for id in ["one", "two"] {
        let mut worker = Raw::connected(address, id, Version::V5).await;
        worker.subscribe("$share/workers/jobs/+", QoS::AtMostOnce).await;
        workers.push(worker);
    }
    for number in 0..4 {
        broker.publish(Publish::new("jobs/x", number.to_string()));
    }
    let mut seen = Vec::new();
    for worker in &mut workers {
        seen.push(worker.text().await.1);
        seen.push(worker.text().await.1);
        worker.expect_nothing().await;
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3"]);
}
