//! The client against the broker.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use marram_broker::{Disconnect, DisconnectReason};
use marram_mqtt::{Publish, PublishProperties, QoS, ReasonCode, Version};
use marram_mqtt_client::{Event, Options, PublishError, SubscribeError};
use marram_tls::{Authority, ClientAuth, client_config, server_config};
use tokio_rustls::TlsAcceptor;

use crate::cloud::{Cloud, connected, eventually, message, next};

fn text(topic: &str, payload: &str) -> Publish {
    Publish::new(topic.to_owned(), payload.to_owned()).with_qos(QoS::AtLeastOnce)
}

#[tokio::test]
async fn publishes_and_receives_with_both_versions() {
    let cloud = Cloud::start().await;
    for version in [Version::V5, Version::V311] {
        let options = Options { version, ..cloud.options("core") };
        let (client, mut events) = cloud.client(options).await;
        assert_eq!(client.subscribe("a/+", QoS::AtLeastOnce).await, Ok(QoS::AtLeastOnce));
        assert_eq!(client.subscribe("b", QoS::AtMostOnce).await, Ok(QoS::AtMostOnce));
        let ack = client.publish(text("a/1", "one")).await.unwrap();
        assert_eq!(ack.reason, ReasonCode::SUCCESS);
        assert_eq!(message(&mut events).await.payload, "one");
        client.publish(Publish::new("b", "two")).await.unwrap();
        assert_eq!(message(&mut events).await.payload, "two");
        client.unsubscribe("b").await.unwrap();
        let ack = client.publish(text("b", "nobody")).await.unwrap();
        let expected = match version {
            Version::V5 => ReasonCode::NO_MATCHING_SUBSCRIBERS,
            Version::V311 => ReasonCode::SUCCESS,
        };
        assert_eq!(ack.reason, expected);
        client.stop(Duration::from_secs(5)).await;
        let ended = || cloud.rules.ends.lock().unwrap().pop();
        eventually(Some(Disconnect::ByClient), ended).await;
    }
}

#[tokio::test]
async fn properties_arrive() {
    let cloud = Cloud::start().await;
    let (client, mut events) = cloud.client(cloud.options("core")).await;
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let properties = PublishProperties {
        response_topic: Some("answers".into()),
        user_properties: vec![("k".into(), "v".into())],
        ..PublishProperties::default()
    };
    let publish = Publish { properties, ..text("a", "x") };
    client.publish(publish.clone()).await.unwrap();
    assert_eq!(message(&mut events).await, publish);
}

#[tokio::test]
async fn refusals_are_typed() {
    let cloud = Cloud::start().await;
    let (client, _events) = cloud.client(cloud.options("core")).await;
    let refused = client.publish(text("a/denied", "x")).await;
    let reason = ReasonCode::NOT_AUTHORIZED;
    assert_eq!(refused, Err(PublishError::Refused { topic: "a/denied".into(), reason }));
    let refused = client.subscribe("denied/#", QoS::AtMostOnce).await;
    assert_eq!(refused, Err(SubscribeError::Refused { filter: "denied/#".into(), reason }));
    let invalid = client.publish(text("a/#", "x")).await;
    assert_eq!(invalid, Err(PublishError::Invalid { topic: "a/#".into() }));
    let invalid = client.subscribe("a#", QoS::AtMostOnce).await;
    assert_eq!(invalid, Err(SubscribeError::Invalid { filter: "a#".into() }));
    client.publish(text("a", "still connected")).await.unwrap();
}

#[tokio::test]
async fn d36_a_message_above_the_brokers_maximum_fails_without_being_sent() {
    let cloud = Cloud::start().await;
    let (client, _events) = cloud.client(cloud.options("core")).await;
    let large = Publish::new("a", vec![0; 200_000]).with_qos(QoS::AtLeastOnce);
    let error = client.publish(large).await.unwrap_err();
    assert!(matches!(error, PublishError::TooLarge { max: 149_504, .. }), "{error}");
    client.publish(text("a", "still connected")).await.unwrap();
}

#[tokio::test]
async fn d36_a_payload_the_broker_disconnects_for_is_not_sent_again() {
    let cloud = Cloud::start().await;
    let (client, mut events) = cloud.client(cloud.options("core")).await;
    // Within the broker's packet size, above its payload size.
    let large = Publish::new("a", vec![0; 140_000]).with_qos(QoS::AtLeastOnce);
    let reason = ReasonCode::PACKET_TOO_LARGE;
    let refused = Err(PublishError::Refused { topic: "a".into(), reason });
    assert_eq!(client.publish(large).await, refused);
    assert!(connected(&mut events).await);
    client.publish(text("a", "connected again")).await.unwrap();
    assert_eq!(cloud.rules.ends.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cut_connection_is_resumed_with_what_came_meanwhile() {
    let cloud = Cloud::start().await;
    let (client, mut events) = cloud.client(cloud.options("core")).await;
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    cloud.broker.disconnect("core", DisconnectReason::AdministrativeAction);
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(reason.contains("0x98"), "{reason}");
    cloud.broker.publish(text("a", "meanwhile"));
    assert!(connected(&mut events).await, "session present");
    assert_eq!(message(&mut events).await.payload, "meanwhile");
    client.publish(text("a", "after")).await.unwrap();
    assert_eq!(message(&mut events).await.payload, "after");
}

#[tokio::test]
async fn subscriptions_are_renewed_when_the_broker_has_lost_the_session() {
    let cloud = Cloud::start().await;
    let (client, mut events) = cloud.client(cloud.options("core")).await;
    for number in 0..20 {
        client.subscribe(format!("topics/{number}"), QoS::AtLeastOnce).await.unwrap();
    }
    client.unsubscribe("topics/0").await.unwrap();
    let address = cloud.stop().await;
    let publishing = {
        let client = client.clone();
        tokio::spawn(async move { client.publish(text("topics/19", "x")).await })
    };
    let cloud = Cloud::start_on(address, None).await;
    assert!(!connected(&mut events).await);
    publishing.await.unwrap().unwrap();
    eventually(19, || cloud.broker.statistics().subscriptions).await;
    cloud.broker.publish(text("topics/7", "renewed"));
    loop {
        // Whether the subscription to topics/19 came before the message is not said.
        let publish = message(&mut events).await;
        if publish.payload == "renewed" {
            break;
        }
    }
}

#[tokio::test]
async fn a_slow_application_slows_the_broker_and_loses_nothing() {
    let cloud = Cloud::start().await;
    let (_client, mut events) = {
        let options = cloud.options("slow");
        let (client, events) = cloud.client(options).await;
        client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
        (client, events)
    };
    let options = Options { max_in_flight: NonZeroU16::new(100).unwrap(), ..cloud.options("fast") };
    let (sender, _sender_events) = cloud.client(options).await;
    for number in 0..500 {
        sender.publish(text("a", &number.to_string())).await.unwrap();
    }
    for number in 0..500 {
        assert_eq!(message(&mut events).await.payload, number.to_string());
    }
}

#[tokio::test]
async fn many_publishers_share_one_connection() {
    let cloud = Cloud::start().await;
    let (client, _events) = cloud.client(cloud.options("core")).await;
    let publishing: Vec<_> = (0..300)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.publish(text("a", &number.to_string())).await })
        })
        .collect();
    for publish in publishing {
        publish.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn connects_by_name() {
    let cloud = Cloud::start().await;
    let options = Options { host: "localhost".to_owned(), ..cloud.options("core") };
    cloud.client(options).await;
}

#[tokio::test]
async fn d1_speaks_tls_with_a_client_certificate_and_no_alpn() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path()).unwrap();
    let server = authority.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let alpn: &[&[u8]] = &[b"x-amzn-mqtt-ca", b"http/1.1"];
    let server = server_config(&server, ClientAuth::AnyCertificate, alpn).unwrap();
    let local = ([127, 0, 0, 1], 0).into();
    let cloud = Cloud::start_on(local, Some(TlsAcceptor::from(server))).await;

    let identity = authority.issue_client("core").unwrap();
    let roots = authority.certificate_pem();
    let tls = Some(Arc::new(client_config(roots, Some(&identity), &[]).unwrap()));
    let (client, mut events) = cloud.client(Options { tls, ..cloud.options("core") }).await;
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    let large = vec![b'x'; 100_000];
    client.publish(Publish::new("a", large.clone()).with_qos(QoS::AtLeastOnce)).await.unwrap();
    assert_eq!(message(&mut events).await.payload, large);
    let der = marram_tls::certificate_der(&identity.certificate_pem).unwrap();
    assert_eq!(*cloud.rules.certificates.lock().unwrap(), [der]);

    let other = tempfile::tempdir().unwrap();
    let stranger = Authority::open(other.path()).unwrap();
    let tls = Some(Arc::new(client_config(stranger.certificate_pem(), None, &[]).unwrap()));
    let options = Options { tls, ..cloud.options("other") };
    let (_client, mut events) = marram_mqtt_client::Client::start(options);
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(
        reason.contains("TLS handshake") && reason.contains("invalid peer certificate"),
        "{reason}"
    );
}
