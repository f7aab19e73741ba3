//! What devices find again after a restart of the cloud.

use std::time::Duration;

use marram_broker::{Publish, QoS};
use marram_mqtt_client::Options;
use serde_json::json;

use super::plane::{Connection, PATIENCE, Plane};

fn hour(options: Options) -> Options {
    Options { clean_start_first: false, session_expiry: Duration::from_secs(3600), ..options }
}

#[tokio::test]
async fn rec_a_session_its_subscriptions_and_its_queue_survive_a_restart() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = Connection::start(hour(plane.options(&device, "core1")));
    core.connected().await;
    core.client.subscribe("things/+".to_owned(), QoS::AtLeastOnce).await.unwrap();
    core.client.stop(PATIENCE).await;
    let other = plane.connect(&device, "core1#2").await;
    other.publish("things/a", json!({"n": 1})).await;
    let plane = plane.restarted().await;

    let other = plane.connect(&device, "core1#2").await;
    other.publish("things/b", json!({"n": 2})).await;
    let mut core = Connection::start(hour(plane.options(&device, "core1")));
    assert!(core.connected_with_session().await);
    assert_eq!(core.message().await, ("things/a".to_owned(), json!({"n": 1})));
    assert_eq!(core.message().await, ("things/b".to_owned(), json!({"n": 2})));
    core.client.stop(PATIENCE).await;

    let plane = plane.restarted().await;
    let mut core = Connection::start(hour(plane.options(&device, "core1")));
    assert!(core.connected_with_session().await);
    core.silence().await;
}

#[tokio::test]
async fn retained_messages_survive_a_restart_and_cleared_ones_do_not_return() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let core = plane.connect(&device, "core1").await;
    for topic in ["kept/a", "kept/b"] {
        let retained = Publish::new(topic, "7").with_qos(QoS::AtLeastOnce).retained();
        core.client.publish(retained).await.unwrap();
    }
    let cleared = Publish::new("kept/b", "").with_qos(QoS::AtLeastOnce).retained();
    core.client.publish(cleared).await.unwrap();
    let plane = plane.restarted().await;
    let mut core = plane.connect(&device, "core1").await;
    core.client.subscribe("kept/#".to_owned(), QoS::AtLeastOnce).await.unwrap();
    assert_eq!(core.message().await, ("kept/a".to_owned(), json!(7)));
    core.silence().await;
}
