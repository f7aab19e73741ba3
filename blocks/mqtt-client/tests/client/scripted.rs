//! What the client does when the server is slow, silent or gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use marram_mqtt::packet::{ConnAck, Disconnect, ServerLimits};
use marram_mqtt::{Packet, Publish, QoS, ReasonCode};
use marram_mqtt_client::{Client, Event, Options, PublishError, SubscribeError};
use tokio::net::TcpListener;

use crate::cloud::{connected, eventually, next, options};
use crate::server::Listener;

fn message(text: &'static str) -> Publish {
    Publish::new("a", text).with_qos(QoS::AtLeastOnce)
}

#[tokio::test]
async fn an_unacknowledged_message_is_sent_again_with_dup_when_the_session_is_resumed() {
    let (listener, address) = Listener::start().await;
    let (client, _events) = Client::start(options(address, "core"));
    let publishing = tokio::spawn(async move { client.publish(message("x")).await });
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    let first = server.message().await;
    assert!(!first.dup);
    drop(server);
    let mut server = listener.welcome(true, ServerLimits::default()).await;
    let again = server.message().await;
    assert!(again.dup);
    assert_eq!((again.packet_id, &again.publish), (first.packet_id, &first.publish));
    server.acknowledge(&again).await;
    assert!(publishing.await.unwrap().is_ok());
}

#[tokio::test]
async fn no_more_messages_are_in_flight_than_the_server_allows() {
    let (listener, address) = Listener::start().await;
    let (client, _events) = Client::start(options(address, "core"));
    let receive_maximum = NonZeroU16::new(2).unwrap();
    let limits = ServerLimits { receive_maximum, ..ServerLimits::default() };
    let mut server = listener.welcome(false, limits).await;
    let publishing: Vec<_> = ["1", "2", "3"]
        .map(|text| {
            let client = client.clone();
            tokio::spawn(async move { client.publish(message(text)).await })
        })
        .into();
    let first = server.message().await;
    let second = server.message().await;
    server.acknowledge(&first).await;
    let third = server.message().await;
    server.acknowledge(&second).await;
    server.acknowledge(&third).await;
    for publish in publishing {
        assert!(publish.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn operations_without_server_time_out() {
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let operation_timeout = Duration::from_millis(200);
    let (client, mut events) =
        Client::start(Options { operation_timeout, ..options(address, "core") });
    let error = client.publish(message("x")).await.unwrap_err();
    let expected = PublishError::TimedOut { topic: "a".into(), after: operation_timeout };
    assert_eq!(error, expected);
    let error = client.subscribe("a", QoS::AtMostOnce).await.unwrap_err();
    assert!(matches!(error, SubscribeError::TimedOut { .. }), "{error}");
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(reason.contains(&address.to_string()) && reason.contains("refused"), "{reason}");
    assert!(!client.is_connected());
}

#[tokio::test]
async fn an_unacknowledged_message_times_out() {
    let (listener, address) = Listener::start().await;
    let operation_timeout = Duration::from_millis(200);
    let (client, _events) =
        Client::start(Options { operation_timeout, ..options(address, "core") });
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    let (result, packet) = tokio::join!(client.publish(message("x")), server.message());
    assert!(matches!(result, Err(PublishError::TimedOut { .. })), "{result:?}");
    server.acknowledge(&packet).await;
    let (result, packet) = tokio::join!(client.publish(message("y")), async {
        let packet = server.message().await;
        server.acknowledge(&packet).await;
        packet
    });
    assert_eq!(packet.publish.payload, "y");
    assert!(result.is_ok(), "the late acknowledgement was taken: {result:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_pings_is_left() {
    let (listener, address) = Listener::start().await;
    let (keep_alive, ping_timeout) = (Duration::from_secs(1), Duration::from_millis(100));
    let (_client, mut events) =
        Client::start(Options { keep_alive, ping_timeout, ..options(address, "core") });
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    assert_eq!(server.next().await, Packet::PingRequest);
    assert_eq!(server.receive().await, None);
    assert!(!connected(&mut events).await);
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(reason.contains("ping"), "{reason}");
    listener.welcome(false, ServerLimits::default()).await;
}

#[tokio::test]
async fn a_server_that_never_answers_connect_is_left() {
    let (listener, address) = Listener::start().await;
    let connect_timeout = Duration::from_millis(100);
    let (_client, mut events) =
        Client::start(Options { connect_timeout, ..options(address, "core") });
    let mut server = listener.accept().await;
    assert_eq!(server.receive().await, None);
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(reason.contains("did not accept"), "{reason}");
}

#[tokio::test]
async fn refusals_and_disconnects_are_reported_with_their_reason() {
    let (listener, address) = Listener::start().await;
    let (client, mut events) = Client::start(options(address, "core"));
    let mut server = listener.accept().await;
    let refusal = ConnAck {
        session_present: false,
        reason: ReasonCode::NOT_AUTHORIZED,
        limits: ServerLimits::default(),
    };
    server.send(Packet::ConnAck(Box::new(refusal))).await;
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(reason.contains("0x87"), "{reason}");
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    assert!(!connected(&mut events).await);
    assert!(client.is_connected());
    let taken_over = Disconnect::new(ReasonCode::SESSION_TAKEN_OVER);
    server.send(Packet::Disconnect(taken_over)).await;
    let Event::Disconnected { reason, .. } = next(&mut events).await else { panic!("no reason") };
    assert!(reason.contains("0x8E"), "{reason}");
}

#[tokio::test]
async fn stopping_waits_for_acknowledgements_then_disconnects() {
    let (listener, address) = Listener::start().await;
    let (client, _events) = Client::start(options(address, "core"));
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    let publisher = client.clone();
    let publishing = tokio::spawn(async move { publisher.publish(message("x")).await });
    let packet = server.message().await;
    let stopper = client.clone();
    let stopping = tokio::spawn(async move { stopper.stop(Duration::from_secs(10)).await });
    server.acknowledge(&packet).await;
    assert!(matches!(server.next().await, Packet::Disconnect(_)));
    assert_eq!(server.receive().await, None);
    assert!(publishing.await.unwrap().is_ok());
    stopping.await.unwrap();
    assert_eq!(client.publish(message("late")).await, Err(PublishError::Stopped));
}

#[tokio::test]
async fn stopping_gives_up_at_the_deadline() {
    let (listener, address) = Listener::start().await;
    let (client, _events) = Client::start(options(address, "core"));
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    let publisher = client.clone();
    let publishing = tokio::spawn(async move { publisher.publish(message("x")).await });
    server.message().await;
    client.stop(Duration::from_millis(100)).await;
    assert_eq!(publishing.await.unwrap(), Err(PublishError::Stopped));
    assert!(matches!(server.next().await, Packet::Disconnect(_)));
}

#[tokio::test]
async fn dropping_the_last_handle_disconnects() {
    let (listener, address) = Listener::start().await;
    let (client, events) = Client::start(options(address, "core"));
    let mut server = listener.welcome(false, ServerLimits::default()).await;
    eventually(true, || client.is_connected()).await;
    drop((client, events));
    assert!(matches!(server.next().await, Packet::Disconnect(_)));
    assert_eq!(server.receive().await, None);
}

#[tokio::test]
async fn a_client_that_cannot_connect_stops_at_once() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let (client, _events) = Client::start(options(address, "core"));
    tokio::time::timeout(Duration::from_secs(5), client.stop(Duration::from_secs(60)))
        .await
        .expect("no waiting without connection");
}
