use std::time::Duration;

use serde_json::json;

use super::*;
use crate::testing::{NOW_MS, TestFleet, request};

async fn fleet_of(things: &[&str]) -> TestFleet {
    let t = TestFleet::start().await;
    for thing in things {
        t.add_thing(thing).await;
    }
    t
}

fn entries(core: &str, things: &[&str]) -> ClientDevicesRequest {
    let entries: Vec<_> = things.iter().map(|thing| json!({ "thingName": thing })).collect();
    request(json!({ "coreDeviceThingName": core, "entries": entries }))
}

async fn listed(t: &TestFleet, core: &str) -> Vec<(String, i64)> {
    let ask = request(json!({ "coreDeviceThingName": core }));
    let answer = t.fleet.list_client_devices(ask).await.unwrap();
    let row = |row: AssociatedClientDevice| (row.thing_name, row.association_timestamp.0);
    answer.associated_client_devices.into_iter().map(row).collect()
}

#[tokio::test]
async fn a18_associations_fail_only_for_things_that_are_missing() {
    let t = fleet_of(&["core", "a", "b"]).await;
    let ask = entries("core", &["a", "missing"]);
    let errors = t.fleet.associate_client_devices(ask).await.unwrap().error_entries;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].thing_name, "missing");
    assert_eq!(errors[0].code, "ResourceNotFoundException");
    t.clock.advance(Duration::from_secs(1));
    // The first time stays.
    t.fleet.associate_client_devices(entries("core", &["a", "b"])).await.unwrap();
    let both = [("a".to_owned(), NOW_MS), ("b".to_owned(), NOW_MS + 1000)];
    assert_eq!(listed(&t, "core").await, both);

    let ask = entries("core", &["a", "missing"]);
    let errors = t.fleet.disassociate_client_devices(ask).await.unwrap().error_entries;
    assert_eq!(errors[0].thing_name, "missing");
    assert_eq!(listed(&t, "core").await, both[1..]);
}

#[tokio::test]
async fn what_cannot_be_a_batch_is_refused() {
    let t = fleet_of(&["core"]).await;
    let error = t.fleet.associate_client_devices(entries("nobody", &["core"])).await.unwrap_err();
    assert_eq!((error.code, error.status), ("ResourceNotFoundException", 404));
    let many = vec!["x"; 101];
    for things in [&[][..], &many, &[""]] {
        let error = t.fleet.associate_client_devices(entries("core", things)).await.unwrap_err();
        assert_eq!(error.code, "ValidationException", "{}", things.len());
    }
}

#[tokio::test]
async fn a19_new_addresses_have_a_version_which_the_devices_shadow_tells() {
    let t = fleet_of(&["core"]).await;
    let ask = || request(json!({ "thingName": "core" }));
    assert!(t.fleet.get_connectivity_info(ask()).await.unwrap().connectivity_info.is_empty());
    let addresses = json!([
        { "Id": "1", "HostAddress": "192.168.1.10", "PortNumber": 8883, "Metadata": "" }
    ]);
    let update = |addresses| request(json!({ "thingName": "core", "ConnectivityInfo": addresses }));
    let first = t.fleet.update_connectivity_info(update(addresses.clone())).await.unwrap();
    let second = t.fleet.update_connectivity_info(update(addresses.clone())).await.unwrap();
    assert_ne!(first.version, second.version);
    let found = t.fleet.get_connectivity_info(ask()).await.unwrap().connectivity_info;
    assert_eq!(serde_json::to_value(found).unwrap(), addresses);
    let shadow = t.fleet.get_shadow("core-gci", None, b"", Origin::Elsewhere).await.unwrap();
    assert_eq!(shadow["state"]["desired"]["version"], json!(second.version));
    let told = t.sent_to("core-gci/shadow/update/delta");
    assert_eq!(told.last().unwrap()["state"]["version"], json!(second.version));
}

#[tokio::test]
async fn addresses_that_cannot_be_are_refused_and_named() {
    let t = fleet_of(&["core"]).await;
    for (thing, address, field) in [
        ("nobody", json!({ "HostAddress": "h" }), "thingName"),
        ("core", json!({ "PortNumber": 65536 }), "ConnectivityInfo.PortNumber"),
        ("core", json!({ "Metadata": "x".repeat(1025) }), "ConnectivityInfo.Metadata"),
    ] {
        let ask = request(json!({ "thingName": thing, "ConnectivityInfo": [address] }));
        let error = t.fleet.update_connectivity_info(ask).await.unwrap_err();
        assert_eq!(error.members["fields"][0]["name"], field);
    }
}

#[tokio::test]
async fn a_service_role_is_kept_until_it_is_taken_away() {
    let t = fleet_of(&[]).await;
    let nothing = || request(json!({}));
    let error = t.fleet.get_service_role_for_account(nothing()).await.unwrap_err();
    assert_eq!(error.status, 404);
    let arn = "arn:aws:iam::123456789012:role/Greengrass_ServiceRole";
    let role = request(json!({ "RoleArn": arn }));
    let at = t.fleet.associate_service_role_to_account(role).await.unwrap().associated_at;
    let t = t.restart().await;
    let kept = t.fleet.get_service_role_for_account(nothing()).await.unwrap();
    assert_eq!((kept.role_arn.as_str(), kept.associated_at), (arn, at));
    t.fleet.disassociate_service_role_from_account(nothing()).await.unwrap();
    assert!(t.fleet.get_service_role_for_account(nothing()).await.is_err());
    let wrong = request(json!({ "RoleArn": "role" }));
    let error = t.fleet.associate_service_role_to_account(wrong).await.unwrap_err();
    assert_eq!(error.members["fields"][0]["name"], "RoleArn");
}
