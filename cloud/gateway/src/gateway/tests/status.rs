//! What devices report of themselves over MQTT.

use marram_broker::QoS;
use serde_json::{Value, json};

use super::plane::{Connection, Plane, request};

const HEALTH: &str = "$aws/things/core1/greengrassv2/health/json";
const TELEMETRY: &str = "$aws/things/core1/greengrass/health/json";

/// A connected device that would hear its own messages, if anybody forwarded them.
async fn start() -> (Plane, Connection) {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let core = plane.connect(&device, "core1").await;
    for topic in [HEALTH, TELEMETRY] {
        core.client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
    }
    (plane, core)
}

fn status(sequence_number: u64, message_type: &str, components: Value) -> Value {
    json!({
        "ggcVersion": "2.6.0", "platform": "linux", "architecture": "aarch64",
        "runtime": "aws_nucleus_lite", "thing": "core1", "sequenceNumber": sequence_number,
        "timestamp": 1_767_323_100_000_u64 + sequence_number, "messageType": message_type,
        "trigger": if message_type == "COMPLETE" { "NUCLEUS_LAUNCH" } else { "COMPONENT_STATUS_CHANGE" },
        "overallDeviceStatus": "HEALTHY", "components": components, "deploymentInformation": {},
    })
}

fn component(name: &str, version: &str, status: &str) -> Value {
    json!({
        "componentName": name, "version": version, "fleetConfigArns": [], "isRoot": true,
        "status": status,
    })
}

/// Names and states of the installed components, by name.
async fn installed(plane: &Plane) -> Vec<(String, String)> {
    let asked = request(json!({"coreDeviceThingName": "core1"}));
    let listed = plane.fleet.list_installed_components(asked).await.unwrap();
    let listed = listed.installed_components.into_iter();
    let mut listed: Vec<_> =
        listed.map(|component| (component.component_name, component.lifecycle_state)).collect();
    listed.sort();
    listed
}

fn running(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), "RUNNING".to_owned())).collect()
}

#[tokio::test]
async fn d22_a_complete_message_makes_a_core_device_with_its_components() {
    let (plane, mut core) = start().await;
    let components =
        json!([component("A", "1.0.0", "RUNNING"), component("B", "1.0.0", "RUNNING")]);
    core.publish(HEALTH, status(1, "COMPLETE", components)).await;
    let listed = plane.fleet.list_core_devices(request(json!({}))).await.unwrap();
    let [device] = &listed.core_devices[..] else { panic!("{listed:?}") };
    assert_eq!((&*device.core_device_thing_name, device.status.as_str()), ("core1", "HEALTHY"));
    assert_eq!(installed(&plane).await, running(&["A", "B"]));
    core.silence().await;
}

#[tokio::test]
async fn d25_a_component_that_nucleus_lite_uninstalled_is_gone() {
    let (plane, core) = start().await;
    let components =
        json!([component("A", "1.0.0", "RUNNING"), component("C", "1.0.0", "RUNNING")]);
    core.publish(HEALTH, status(1, "COMPLETE", components)).await;
    assert_eq!(installed(&plane).await, running(&["A", "C"]));
    let gone = json!([component("C", "", "UNINSTALLED")]);
    core.publish(HEALTH, status(2, "PARTIAL", gone)).await;
    assert_eq!(installed(&plane).await, running(&["A"]));
}

#[tokio::test]
async fn d26_telemetry_is_accepted_and_seen_by_nobody() {
    let (_plane, mut core) = start().await;
    let telemetry = json!({"Schema": "2022-06-30", "ADP": [{
        "TS": 1_767_323_100_000_u64, "NS": "SystemMetrics",
        "M": [{"N": "CpuUsage", "Sum": 15.4, "U": "Percent"}],
    }]});
    core.publish(TELEMETRY, telemetry).await;
    core.silence().await;
}
