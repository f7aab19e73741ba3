//! The socket, the handshake and the rules of streams.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use marram_ipc::client::Message;
use marram_ipc::{IpcError, Operation};
use serde_json::json;
use tokio::time::Instant;

use super::client::Client;
use super::{Device, eventually};
use crate::ipc::{IpcServer, IpcSettings, StartIpc};

fn settings(device: &Device) -> IpcSettings {
    IpcSettings {
        socket_path: device.socket(),
        config: device.config.clone(),
        tokens: device.tokens.clone(),
        states: device.states.clone(),
        pausing: std::sync::Arc::new(super::lifecycle::Played),
        updates: Default::default(),
        validators: Default::default(),
        iot_core: None,
        cli: None,
        operations: Default::default(),
        telemetry: device.folder.path().join("telemetry"),
        clock: device.clock.shared(),
    }
}

#[tokio::test]
async fn socket_is_open_to_all_users_and_goes_with_the_server() {
    let device = Device::start();
    let mode = std::fs::metadata(device.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    let path = device.socket();
    device.server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn socket_of_a_dead_server_is_replaced_and_of_a_living_one_not() {
    let device = Device::start();
    let error = IpcServer::start(settings(&device)).unwrap_err();
    assert!(matches!(error, StartIpc::InUse { .. }), "{error}");

    let other = Device::start();
    let stale = other.folder.path().join("stale.socket");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let server = IpcServer::start(IpcSettings { socket_path: stale, ..settings(&other) }).unwrap();
    server.stop().await;

    let file = other.folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let error = IpcServer::start(IpcSettings { socket_path: file.clone(), ..settings(&other) })
        .unwrap_err();
    assert!(matches!(error, StartIpc::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");

    let long = other.folder.path().join("x".repeat(108));
    let error =
        IpcServer::start(IpcSettings { socket_path: long, ..settings(&other) }).unwrap_err();
    assert!(matches!(error, StartIpc::PathTooLong { .. }), "{error}");
}

#[tokio::test]
async fn f3_wrong_token_is_denied_and_the_client_can_read_so() {
    let device = Device::start();
    let mut client = Client::open(&device.socket()).await;
    let hello = client.connection.connect("WRONG");
    client.send(&hello).await;
    let sent = Instant::now();
    assert_eq!(client.message().await, Some(Message::ConnectAck { accepted: false }));
    client.assert_closed().await;
    assert!(sent.elapsed() >= Duration::from_millis(900), "closed after {:?}", sent.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_connect_is_dropped() {
    let device = Device::start();
    let mut socket = tokio::net::UnixStream::connect(device.socket()).await.unwrap();
    let began = Instant::now();
    let mut byte = [0];
    assert_eq!(tokio::io::AsyncReadExt::read(&mut socket, &mut byte).await.unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn f6_a_request_before_connect_is_a_protocol_error() {
    let device = Device::start();
    let mut client = Client::open(&device.socket()).await;
    let (_, request) = client.connection.request(Operation::SubscribeToTopic, &json!({}));
    client.send(&request).await;
    assert!(matches!(client.message().await, Some(Message::Failure { .. })));
    client.assert_closed().await;
}

#[tokio::test]
async fn f7_broken_bytes_close_the_connection_without_a_word() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let (_, mut request) = client.connection.request(Operation::SubscribeToTopic, &json!({}));
    let last = request.len() - 1;
    request[last] ^= 1;
    client.send(&request).await;
    client.assert_closed().await;
    assert_eq!(client.received.len(), 1, "only the acknowledgement");
}

#[tokio::test]
async fn f11_single_bytes_and_whole_batches_are_the_same() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let mut batch = Vec::new();
    for _ in 0..3 {
        let (_, frame) = client.connection.request(Operation::GetConfiguration, &json!({}));
        batch.extend_from_slice(&frame);
    }
    client.send(&batch).await;
    for stream in 1..=3 {
        client.answer(stream).await.unwrap();
    }
    let (stream, frame) = client.connection.request(Operation::GetConfiguration, &json!({}));
    for byte in frame {
        client.send(&[byte]).await;
    }
    client.answer(stream).await.unwrap();
}

#[tokio::test]
async fn f12_f13_a_bad_request_fails_only_its_stream() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let (stream, frame) = client.connection.request_bytes(Operation::SubscribeToTopic, b"{");
    client.send(&frame).await;
    assert_eq!(client.answer(stream).await.unwrap_err().0, "InvalidArgumentsError");
    let (stream, frame) = client.connection.request_bytes(Operation::UpdateState, b"{");
    client.send(&frame).await;
    assert_eq!(client.answer(stream).await.unwrap_err().0, "ServiceError");
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
}

#[tokio::test]
async fn operations_without_a_provider_are_not_supported() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    for operation in [Operation::GetThingShadow, Operation::SubscribeToCertificateUpdates] {
        let (code, message) = client.call(operation, json!({})).await.unwrap_err();
        assert_eq!(code, "ServiceError");
        assert_eq!(message, IpcError::unsupported(operation).message);
        assert!(message.ends_with(" is not supported by Greengrass"));
    }
}

#[tokio::test]
async fn f14_two_connections_of_one_token_are_independent() {
    let device = Device::start();
    let mut first = device.component("com.example.A", "*").await;
    let token = device.token("com.example.A");
    let mut second = Client::connect(&device.socket(), &token).await;
    let third = Client::connect(&device.socket(), &token).await;
    second.subscribe(Operation::SubscribeToTopic, json!({"topic": "t"})).await.unwrap();
    drop(third);
    let message = json!({"jsonMessage": {"message": {}}});
    let publish = json!({"topic": "t", "publishMessage": message});
    first.call(Operation::PublishToTopic, publish).await.unwrap();
    second.event().await;
}

#[tokio::test]
async fn ipc_1_2_a_connection_ends_with_the_token_that_opened_it() {
    let device = Device::start();
    for ends in [false, true] {
        let mut old = device.connect("com.example.A").await;
        let mut other = device.connect("com.example.B").await;
        device.issued.lock().unwrap().remove("com.example.A");
        let name = "com.example.A".parse().unwrap();
        if ends {
            device.tokens.revoke(&name);
        } else {
            device.tokens.issue(&name).unwrap();
        }
        old.assert_closed().await;
        let topic = json!({"topic": "t"});
        let error = other.call(Operation::SubscribeToTopic, topic).await.unwrap_err();
        assert_eq!(error.0, "UnauthorizedError", "the others stay connected");
    }
}

#[tokio::test]
async fn subscriptions_end_with_their_connection() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    client.subscribe(Operation::SubscribeToTopic, json!({"topic": "t"})).await.unwrap();
    let cloud = json!({"topicName": "t", "qos": "1"});
    client.subscribe(Operation::SubscribeToIoTCore, cloud).await.unwrap();
    assert_eq!(device.cloud.filters(), ["t"]);
    drop(client);
    eventually("the cloud subscription ends", || device.cloud.filters().is_empty()).await;
    assert!(device.server.shared.pubsub.is_empty());
}

#[tokio::test]
async fn stopping_ends_every_connection() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    client.subscribe(Operation::SubscribeToTopic, json!({"topic": "t"})).await.unwrap();
    let shared = device.server.shared.clone();
    device.server.stop().await;
    client.assert_closed().await;
    assert!(shared.pubsub.is_empty());
}

#[tokio::test]
async fn l44_states_are_reported_and_unknown_ones_refused() {
    let device = Device::start();
    let mut client = device.component("com.example.A", "*").await;
    let update = Operation::UpdateState;
    assert_eq!(client.call(update, json!({"state": "RUNNING"})).await.unwrap(), json!({}));
    let (name, state) = device.states.0.lock().unwrap()[0].clone();
    assert_eq!(name, "com.example.A");
    assert_eq!(state, marram_ipc::shapes::ReportedLifecycleState::Running);
    for wrong in [json!({}), json!({"state": "BROKEN"}), json!({"state": null})] {
        assert_eq!(client.call(update, wrong).await.unwrap_err().0, "ServiceError");
    }
    let mut gone = device.component("com.example.Gone", "*").await;
    let (code, message) = gone.call(update, json!({"state": "ERRORED"})).await.unwrap_err();
    assert_eq!(code, "ResourceNotFoundError");
    assert_eq!(message, "Component with given name not found");
}
