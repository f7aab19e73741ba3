//! One connection, and what the broker answers to it.

use marram_broker::Disconnect;
use marram_mqtt::packet::{ConnAck, ServerLimits};
use marram_mqtt::{Packet, Publish, QoS, ReasonCode, Version};
use marram_mqtt_client::transport::OpenStream;
use marram_mqtt_client::{Options, Probe, probe};
use std::time::Duration;
use tokio::net::TcpListener;

use crate::cloud::{Cloud, eventually, options};
use crate::server::Listener;

#[tokio::test]
async fn a_probe_is_accepted_and_says_good_bye_in_both_versions() {
    let cloud = Cloud::start().await;
    for version in [Version::V5, Version::V311] {
        let options = Options { version, ..cloud.options("core") };
        assert_eq!(probe(&options).await.unwrap().reason, ReasonCode::SUCCESS);
        let ended = || cloud.rules.ends.lock().unwrap().pop();
        eventually(Some(Disconnect::ByClient), ended).await;
    }
}

#[tokio::test]
async fn a_probe_leaves_the_messages_of_a_session() {
    let cloud = Cloud::start().await;
    let kept = Options { clean_start_first: false, ..cloud.options("core") };
    let (client, events) = cloud.client(kept.clone()).await;
    client.subscribe("a", QoS::AtLeastOnce).await.unwrap();
    client.stop(Duration::from_secs(5)).await;
    drop(events);
    let (other, _events) = cloud.client(cloud.options("other")).await;
    other.publish(Publish::new("a", "kept").with_qos(QoS::AtLeastOnce)).await.unwrap();
    assert!(probe(&kept).await.unwrap().session_present);
    let (_client, mut events) = marram_mqtt_client::Client::start(kept);
    assert_eq!(crate::cloud::message(&mut events).await.payload, "kept");
}

#[tokio::test]
async fn a_refusal_has_its_code() {
    let (listener, address) = Listener::start().await;
    let refused = tokio::spawn(async move {
        let mut server = listener.accept().await;
        let reason = ReasonCode::NOT_AUTHORIZED;
        let limits = ServerLimits::default();
        let answer = ConnAck { session_present: false, reason, limits };
        server.send(Packet::ConnAck(Box::new(answer))).await;
        server
    });
    let error = probe(&options(address, "core")).await.unwrap_err();
    assert!(matches!(error, Probe::Refused(ReasonCode::NOT_AUTHORIZED)), "{error}");
    drop(refused.await.unwrap());
}

#[tokio::test]
async fn a_silent_server_a_closed_port_and_an_early_end_are_told_apart() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let hurried =
        Options { connect_timeout: Duration::from_millis(50), ..options(address, "core") };
    assert!(matches!(probe(&hurried).await.unwrap_err(), Probe::Deadline(_)));
    let patient = options(address, "core");
    let ends = async {
        // The first connection is the hurried one's.
        let _ = silent.accept().await.unwrap();
        let (stream, _) = silent.accept().await.unwrap();
        drop(stream);
    };
    let (error, ()) = tokio::join!(probe(&patient), ends);
    assert!(matches!(error.unwrap_err(), Probe::Closed(_)));
    drop(silent);
    let error = probe(&patient).await.unwrap_err();
    assert!(matches!(error, Probe::Open(OpenStream::Connect { .. })), "{error}");
    let unknown = Options { host: "no.such.invalid".to_owned(), ..patient };
    let error = probe(&unknown).await.unwrap_err();
    assert!(matches!(error, Probe::Open(OpenStream::Resolve { .. })), "{error}");
}
