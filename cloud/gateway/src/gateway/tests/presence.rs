//! Who comes and goes, as other clients see it.

use marram_broker::{Publish, QoS};

use super::plane::{NOW_MS, PATIENCE, Plane};

#[tokio::test]
async fn presence_events_tell_who_came_and_how_it_went() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut watcher = plane.connect(&device, "watcher").await;
    watcher.client.subscribe("$aws/events/presence/+/core1", QoS::AtLeastOnce).await.unwrap();

    let core = plane.connect(&device, "core1").await;
    let (topic, came) = watcher.message().await;
    assert_eq!(topic, "$aws/events/presence/connected/core1");
    assert_eq!((&came["clientId"], &came["eventType"]), (&"core1".into(), &"connected".into()));
    assert_eq!((&came["timestamp"], &came["ipAddress"]), (&NOW_MS.into(), &"127.0.0.1".into()));
    assert_eq!(came["principalIdentifier"], *device.certificate_id);

    let second = plane.connect(&device, "core1").await;
    let mut events = [watcher.message().await.1, watcher.message().await.1];
    events.sort_by_key(|event| event["eventType"].to_string());
    assert_eq!(events[1]["disconnectReason"], "DUPLICATE_CLIENTID");
    assert_eq!(events[1]["clientInitiatedDisconnect"], false);
    assert_eq!(events[1]["sessionIdentifier"], came["sessionIdentifier"]);
    assert_eq!(events[1]["versionNumber"], came["versionNumber"]);
    assert_ne!(events[0]["sessionIdentifier"], came["sessionIdentifier"]);
    assert!(events[0]["versionNumber"].as_u64() > came["versionNumber"].as_u64());
    drop(core);

    second.client.stop(PATIENCE).await;
    let (topic, went) = watcher.message().await;
    assert_eq!(topic, "$aws/events/presence/disconnected/core1");
    assert_eq!(went["disconnectReason"], "CLIENT_INITIATED_DISCONNECT");
    assert_eq!(went["clientInitiatedDisconnect"], true);
}

#[tokio::test]
async fn nobody_forges_events_or_answers_of_the_service() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    for topic in [
        "$aws/events/presence/connected/core2",
        "$aws/things/core2/shadow/update/accepted",
        "$SYS/broker/version",
    ] {
        core.client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let forged = Publish::new(topic, "{}").with_qos(QoS::AtLeastOnce);
        let refused = core.client.publish(forged).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("0x90"), "{topic}: {refused}");
    }
    core.silence().await;
}
