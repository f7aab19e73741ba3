//! When the device speaks, and of what.

use marram_model::shadow_topics::ReportedDetails;
use proptest::prelude::*;

use super::*;

const ARN: &str = "arn:aws:greengrass:eu-west-1:1:configuration:thinggroup/G:1";

fn component(name: &str, status: &str) -> ComponentReport {
    ComponentReport {
        component_name: name.to_owned(),
        version: Some("1.0.0".to_owned()),
        fleet_config_arns: vec![ARN.to_owned()],
        component_status_details: None,
        is_root: true,
        status: status.to_owned(),
    }
}

fn machine() -> StatusMachine {
    let device = DeviceDescription {
        nucleus_version: "2.17.0".to_owned(),
        platform: "linux".to_owned(),
        architecture: "amd64".to_owned(),
    };
    StatusMachine::new("core", device, 5)
}

/// A machine that has told of one running component at time 0.
fn launched() -> StatusMachine {
    let mut machine = machine();
    assert_eq!(machine.components(vec![component("a", "RUNNING")], 0), []);
    let first = machine.connected(0);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].known_trigger(), Some(Trigger::NucleusLaunch));
    assert_eq!(first[0].message_type, MessageType::Complete);
    assert_eq!(first[0].sequence_number, 5);
    machine
}

fn end() -> DeploymentEnd {
    let information = DeploymentInformation {
        status: Some("SUCCEEDED".to_owned()),
        status_details: Some(ReportedDetails::default()),
        fleet_configuration_arn_for_status: Some(ARN.to_owned()),
        deployment_id: Some("d".to_owned()),
        unchanged_root_components: Vec::new(),
    };
    DeploymentEnd { trigger: Trigger::ThingGroupDeployment, information }
}

fn names(message: &FleetStatus) -> Vec<&str> {
    message.components.iter().map(|c| c.component_name.as_str()).collect()
}

#[test]
fn change_is_told_three_seconds_after_the_message_before() {
    let mut machine = launched();
    let broken = vec![component("a", "BROKEN")];
    assert_eq!(machine.components(broken, 1_000), []);
    assert_eq!(machine.due_ms(), Some(3_000));
    assert_eq!(machine.tick(2_999), []);
    let told = machine.tick(3_000);
    assert_eq!(told[0].known_trigger(), Some(Trigger::ComponentStatusChange));
    assert_eq!(told[0].overall_device_status, OverallDeviceStatus::Unhealthy);
    assert_eq!((told[0].sequence_number, told[0].timestamp), (6, 3_000));
    assert_eq!((machine.due_ms(), machine.next_sequence()), (None, 7));
}

#[test]
fn passing_states_are_told_only_with_others() {
    let mut machine = launched();
    let starting = vec![component("a", "RUNNING"), component("b", "STARTING")];
    assert_eq!(machine.components(starting, 10_000), []);
    assert_eq!(machine.due_ms(), None);
    let errored = vec![component("a", "ERRORED"), component("b", "STARTING")];
    assert_eq!(names(&machine.components(errored, 10_000)[0]), ["a", "b"]);
}

#[test]
fn during_a_deployment_only_failures_are_told() {
    let mut machine = launched();
    machine.deployment_began();
    let all = vec![component("a", "ERRORED"), component("b", "RUNNING")];
    let told = machine.components(all.clone(), 10_000);
    assert_eq!(names(&told[0]), ["a"]);

    assert_eq!(machine.components(all.clone(), 20_000), []);
    let told = machine.deployment_ended(end(), all, 21_000);
    assert_eq!(names(&told[0]), ["b"]);
    let information = told[0].deployment_information.as_ref().unwrap();
    assert_eq!(information.unchanged_root_components, ["a"]);
}

#[test]
fn removed_component_is_told_with_no_deployment() {
    let mut machine = launched();
    machine.deployment_began();
    let told = machine.deployment_ended(end(), Vec::new(), 10_000);
    let removed = &told[0].components[0];
    assert_eq!((removed.component_name.as_str(), removed.is_root), ("a", false));
    assert!(removed.fleet_config_arns.is_empty());
}

#[test]
fn deployment_that_ended_offline_is_told_at_the_next_connection() {
    let mut machine = launched();
    machine.disconnected();
    machine.deployment_began();
    assert_eq!(machine.deployment_ended(end(), vec![component("b", "RUNNING")], 10_000), []);
    let told = machine.connected(20_000);
    assert_eq!(told.len(), 1, "nothing changed since that message");
    assert_eq!(told[0].known_trigger(), Some(Trigger::ThingGroupDeployment));
    assert_eq!(machine.connected(90_000)[0].known_trigger(), Some(Trigger::Reconnect));
}

#[test]
fn reconnection_soon_after_a_message_is_silent_unless_something_changed() {
    let mut machine = launched();
    machine.disconnected();
    assert_eq!(machine.connected(59_999), []);
    machine.disconnected();
    assert_eq!(machine.components(vec![component("a", "FINISHED")], 59_999), []);
    let told = machine.connected(59_999);
    assert_eq!(told[0].known_trigger(), Some(Trigger::Reconnect));
    assert_eq!(names(&told[0]), ["a"]);
}

#[test]
fn lost_messages_are_told_again() {
    let mut machine = machine();
    machine.components(vec![component("a", "RUNNING")], 0);
    let launch = machine.connected(0).remove(0);
    machine.lost(launch);
    machine.disconnected();
    assert_eq!(machine.connected(10)[0].known_trigger(), Some(Trigger::NucleusLaunch));

    machine.deployment_began();
    let ended = machine.deployment_ended(end(), Vec::new(), 20).remove(0);
    machine.lost(ended.clone());
    machine.disconnected();
    assert_eq!(machine.connected(30), [ended]);
}

#[test]
fn cadence_tells_everything() {
    let mut machine = launched();
    let told = machine.cadence(1_000_000);
    assert_eq!(told[0].message_type, MessageType::Complete);
    assert_eq!(names(&told[0]), ["a"]);
    machine.disconnected();
    assert_eq!(machine.cadence(2_000_000), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn chunks_hold_all_components_in_order_and_fit(lengths in prop::collection::vec(1..30_000_usize, 0..25)) {
        let mut machine = machine();
        let all: Vec<ComponentReport> = lengths
            .iter()
            .enumerate()
            .map(|(n, length)| component(&format!("c{n:03}{}", "x".repeat(*length)), "RUNNING"))
            .collect();
        machine.components(all.clone(), 0);
        let message = machine.connected(0).remove(0);
        let payloads = payloads(&message).unwrap();
        let mut seen = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            prop_assert!(payload.len() <= 128_000);
            let chunk: FleetStatus = serde_json::from_slice(payload).unwrap();
            prop_assert_eq!(chunk.sequence_number, message.sequence_number);
            match chunk.chunk_info {
                None => prop_assert_eq!(payloads.len(), 1),
                Some(info) => prop_assert_eq!(
                    (info.chunk_id, info.total_chunks),
                    (index as i64 + 1, payloads.len() as i64)
                ),
            }
            seen.extend(chunk.components);
        }
        prop_assert_eq!(seen, all);
    }
}
