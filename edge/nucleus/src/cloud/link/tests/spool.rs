//! Components' messages over lost connections, restarts and refusals.

use marram_mqtt_client::{PublishError, ReasonCode};

use super::*;
use crate::cloud::link::components::outcome_of;
use crate::cloud::spool::Outcome;

fn on_disk(port: u16) -> CloudSettings {
    let mut settings = settings(port);
    settings.mqtt.spool.is_on_disk = true;
    settings
}

fn message(name: &str) -> Publish {
    Publish::new(format!("{PREFIX}{name}"), "{}").with_qos(QoS::AtLeastOnce)
}

async fn free_port() -> u16 {
    TcpListener::bind((HOST, 0)).await.unwrap().local_addr().unwrap().port()
}

/// The component's topics that arrived, in order.
fn arrived(cloud: &Cloud) -> Vec<String> {
    let asked = cloud.asked.lock().unwrap();
    asked.iter().map(|(topic, _)| topic.clone()).filter(|t| t.starts_with("m/")).collect()
}

/// The documents of messages that were given up.
fn parked(device: &Device) -> Vec<Value> {
    let Ok(files) = device.folder.path().join("spool/parked").read_dir() else {
        return Vec::new();
    };
    let paths = files.map(|file| file.unwrap().path());
    let documents = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
    documents.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// Connects over what an earlier device kept, once its tasks have let go of it.
async fn connect_after(earlier: Device, settings: &CloudSettings) -> Device {
    let Device { folder, link, .. } = earlier;
    drop(link);
    let queue = folder.path().join("spool/queue");
    until("the folder is free", || marram_seglog::Queue::open(&queue).is_ok()).await;
    Device::connect_with(settings, folder)
}

#[tokio::test]
async fn components_7_messages_on_the_disk_outlive_the_nucleus_and_arrive_in_order() {
    let port = free_port().await;
    let names: Vec<String> = (0..20).map(|number| format!("m/{number:02}")).collect();
    let device = Device::connect_with(&on_disk(port), tempfile::tempdir().unwrap());
    let link: &dyn IotCore = &device.link;
    for name in &names {
        link.publish(message(name)).await.unwrap();
    }
    let (cloud, _) = Cloud::start_at(port, &[]).await;
    let device = connect_after(device, &on_disk(port)).await;
    until("all arrived", || arrived(&cloud).len() >= names.len()).await;
    let mut arrived = arrived(&cloud);
    arrived.dedup();
    assert_eq!(arrived, names);

    let link: &dyn IotCore = &device.link;
    link.publish(message("m/last")).await.unwrap();
    until("the last one arrived", || !cloud.asked("m/last").is_empty()).await;
}

#[tokio::test]
async fn components_7_a_message_that_the_server_refuses_is_parked_and_the_others_flow() {
    let (cloud, port) = Cloud::start(&[]).await;
    let device = Device::connect(port);
    let link: &dyn IotCore = &device.link;
    for name in ["m/before", "m/forbidden", "m/after"] {
        link.publish(message(name)).await.unwrap();
    }
    until("the others arrived", || !cloud.asked("m/after").is_empty()).await;
    assert_eq!(arrived(&cloud), ["m/before", "m/after"]);
    until("it is parked", || !parked(&device).is_empty()).await;
    let [parked] = parked(&device).try_into().unwrap();
    assert_eq!(parked["topic"], format!("{PREFIX}m/forbidden"));
    assert!(parked["reason"].as_str().unwrap().contains("refused"), "{parked}");
    assert!(device.link.is_connected(), "a refused message costs no connection");
}

#[tokio::test]
async fn components_7_a_message_that_ends_the_connection_of_mqtt_3_is_parked_once() {
    let (cloud, port) = Cloud::start(&[]).await;
    let mut settings = settings(port);
    settings.mqtt.version = MqttVersion::V311;
    let device = Device::connect_with(&settings, tempfile::tempdir().unwrap());
    let link: &dyn IotCore = &device.link;
    for name in ["m/before", "m/forbidden", "m/after"] {
        link.publish(message(name)).await.unwrap();
    }
    until("the others arrived", || !cloud.asked("m/after").is_empty()).await;
    let mut arrived = arrived(&cloud);
    arrived.dedup();
    assert_eq!(arrived, ["m/before", "m/after"]);
    let [parked] = parked(&device).try_into().unwrap();
    assert_eq!(parked["topic"], format!("{PREFIX}m/forbidden"));
    let reason = parked["reason"].as_str().unwrap();
    assert!(reason.contains("3 connections on which it was alone"), "{reason}");
    assert!(device.link.is_connected());
}

#[tokio::test]
async fn components_7_messages_of_qos_0_that_end_connections_are_refused_and_the_others_flow() {
    let (cloud, port) = Cloud::start(&[]).await;
    let device = Device::connect(port);
    let link: &dyn IotCore = &device.link;
    let end = Instant::now() + PATIENCE;
    let refused = loop {
        assert!(Instant::now() < end, "never refused");
        match link.publish(message("m/forbidden").with_qos(QoS::AtMostOnce)).await {
            Err(failed) if !failed.reason.contains("offline") => break failed,
            _ => sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(refused.reason.contains("has ended the connection"), "{refused}");
    link.publish(message("m/after")).await.unwrap();
    until("the other one arrived", || !cloud.asked("m/after").is_empty()).await;
    let [parked] = parked(&device).try_into().unwrap();
    assert_eq!(parked["topic"], format!("{PREFIX}m/forbidden"));
}

#[tokio::test]
async fn components_7_a_message_that_is_never_answered_is_given_up_after_its_retries() {
    let (_cloud, port) = Cloud::start(&[]).await;
    let mut settings = settings(port);
    settings.mqtt.spool.max_retries = Some(1);
    settings.mqtt.operation_timeout = Duration::from_millis(50);
    let device = Device::connect_with(&settings, tempfile::tempdir().unwrap());
    let link: &dyn IotCore = &device.link;
    link.publish(message("m/lost")).await.unwrap();
    until("it is given up", || !parked(&device).is_empty()).await;
}

#[test]
fn components_7_only_a_refusal_that_cannot_pass_ends_a_message() {
    let refused = |reason| Err(PublishError::Refused { topic: "t".into(), reason });
    for reason in [
        ReasonCode::UNSPECIFIED_ERROR,
        ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
        ReasonCode::QUOTA_EXCEEDED,
    ] {
        assert_eq!(outcome_of(&refused(reason)), Some(Outcome::Unanswered), "{reason}");
    }
    for code in [0x87, 0x90, 0x95, 0x99] {
        assert_eq!(outcome_of(&refused(ReasonCode(code))), Some(Outcome::Refused), "{code:#x}");
    }
    assert_eq!(outcome_of(&Ok(())), Some(Outcome::Acknowledged));
    assert_eq!(outcome_of(&Err(PublishError::Stopped)), None);
}
