//! Conformance cases 34–41.

use std::sync::Arc;

use marram_ipc::Operation;
use marram_os::clock::Clock;
use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Device, START_MS};
use crate::config::{Origin, Sources};

const GET: Operation = Operation::GetConfiguration;
const UPDATE: Operation = Operation::UpdateConfiguration;
const SUBSCRIBE: Operation = Operation::SubscribeToConfigurationUpdate;
const NAME: &str = "com.example.A";
const HOUR_S: i64 = 3600;

async fn device() -> (Device, Client) {
    let device = Device::start();
    device.configure(NAME, json!({"a": {"b": 1, "c": [1, 2]}, "s": "x", "_p": 2}));
    let client = device.connect(NAME).await;
    (device, client)
}

async fn get(client: &mut Client, path: &[&str]) -> Result<Value, Failure> {
    let mut response = client.call(GET, json!({"keyPath": path})).await?;
    assert_eq!(response["componentName"], NAME);
    Ok(response["value"].take())
}

/// Updates as of `seconds` after the start of the device's clock.
async fn update(
    client: &mut Client,
    path: &[&str],
    value: Value,
    seconds: i64,
) -> Result<Value, Failure> {
    let timestamp = (START_MS / 1000 + seconds) as f64;
    let request = json!({"keyPath": path, "timestamp": timestamp, "valueToMerge": value});
    client.call(UPDATE, request).await
}

#[tokio::test]
async fn c34_reads_maps_as_they_are_and_leaves_by_their_name() {
    let (device, mut client) = device().await;
    for (path, value) in [
        (&[][..], json!({"a": {"b": 1, "c": [1, 2]}, "s": "x"})),
        (&["a"], json!({"b": 1, "c": [1, 2]})),
        (&["a", "b"], json!({"b": 1})),
        (&["a", "c"], json!({"c": [1, 2]})),
        (&["S"], json!({"s": "x"})),
        (&["_p"], json!({"_p": 2})),
    ] {
        assert_eq!(get(&mut client, path).await.unwrap(), value, "{path:?}");
    }
    assert_eq!(client.call(GET, json!({})).await.unwrap()["value"]["s"], "x");
    let not_found = Err(("ResourceNotFoundError".to_owned(), "Key not found".to_owned()));
    assert_eq!(get(&mut client, &["nope"]).await, not_found);
    let nobody = json!({"componentName": "Nope", "keyPath": []});
    assert_eq!(client.call(GET, nobody).await, not_found);
    device.configure("com.example.B", json!({"x": 1}));
    let other = json!({"componentName": "COM.example.B", "keyPath": ["x"]});
    let expected = json!({"componentName": "COM.example.B", "value": {"x": 1}});
    assert_eq!(client.call(GET, other).await.unwrap(), expected);
}

#[tokio::test]
async fn c35_c36_a_change_is_told_once_to_those_who_watch_it() {
    let (device, mut client) = device().await;
    let mut streams = Vec::new();
    for path in [&["a"][..], &[], &["a", "b"], &["s"]] {
        let request = json!({"keyPath": path});
        streams.push(client.subscribe(SUBSCRIBE, request).await.unwrap());
    }
    device.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(update(&mut client, &["a"], json!({"b": 2}), 10).await.unwrap(), json!({}));
    assert_eq!(get(&mut client, &["a"]).await.unwrap(), json!({"b": 2, "c": [1, 2]}));
    let change =
        |path: Value| json!({"configurationUpdateEvent": {"componentName": NAME, "keyPath": path}});
    let mut told = Vec::new();
    for _ in 0..3 {
        let (stream, event) = client.event().await;
        assert_eq!(event, change(json!(["a", "b"])));
        told.push(stream);
    }
    told.sort();
    assert_eq!(told, streams[..3]);

    assert_eq!(update(&mut client, &["a"], json!({"b": 2}), 11).await.unwrap(), json!({}));
    update(&mut client, &[], json!({"s": "y"}), 12).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let (stream, event) = client.event().await;
        assert_eq!(event, change(json!(["s"])), "the same value again is no change");
        told.push(stream);
    }
    told.sort();
    assert_eq!(told, [streams[1], streams[3]]);
}

#[tokio::test]
async fn c37_c38_old_updates_lose_against_newer_values_only() {
    let (_device, mut client) = device().await;
    let error = update(&mut client, &["a"], json!({"b": 3}), -HOUR_S).await.unwrap_err();
    assert_eq!(error.0, "FailedUpdateConditionCheckError");
    assert_eq!(get(&mut client, &["a", "b"]).await.unwrap(), json!({"b": 1}));
    let created = update(&mut client, &["new", "x"], json!({"y": 1}), -HOUR_S).await;
    assert_eq!(created.unwrap(), json!({}));
    assert_eq!(get(&mut client, &["new"]).await.unwrap(), json!({"x": {"y": 1}}));
}

#[tokio::test]
async fn c39_access_control_cannot_be_changed() {
    let (_device, mut client) = device().await;
    let text = "Config update is not allowed for following fields [accessControl]";
    for (path, value) in [
        (&["accessControl"][..], json!({})),
        (&[], json!({"accessControl": {}})),
        (&["AccessControl"], json!({})),
    ] {
        let error = update(&mut client, path, value, 0).await.unwrap_err();
        assert_eq!(error, ("InvalidArgumentsError".to_owned(), text.to_owned()));
    }
    update(&mut client, &["a"], json!({"accessControl": 1}), 0).await.unwrap();
}

#[tokio::test]
async fn c40_values_may_change_their_kind_but_are_no_containers() {
    let (_device, mut client) = device().await;
    let error = update(&mut client, &["s", "t"], json!({"u": 1}), 0).await.unwrap_err();
    assert_eq!(error.0, "ServiceError");
    assert_eq!(update(&mut client, &["s"], json!({"t": 1}), -HOUR_S).await.unwrap(), json!({}));
    assert_eq!(get(&mut client, &["s"]).await.unwrap(), json!({"t": 1}));
}

#[tokio::test]
async fn c40a_what_is_not_outdated_is_written() {
    let (device, mut client) = device().await;
    let error = update(&mut client, &["a"], json!({"z": 9}), -HOUR_S).await.unwrap_err();
    assert_eq!(error.0, "FailedUpdateConditionCheckError");
    assert_eq!(get(&mut client, &["a", "z"]).await.unwrap(), json!({"z": 9}));
    let now = device.clock.now_ms() as f64 / 1000.0;
    let request = json!({"keyPath": [], "timestamp": now, "valueToMerge": {"n": {"m": 1}}});
    assert_eq!(client.call(UPDATE, request).await.unwrap(), json!({}));
}

#[tokio::test]
async fn c41_timestamps_are_required_and_zero_means_now() {
    let (_device, mut client) = device().await;
    let zero = json!({"keyPath": ["a"], "timestamp": 0.0, "valueToMerge": {"b": 5}});
    assert_eq!(client.call(UPDATE, zero).await.unwrap(), json!({}));
    assert_eq!(get(&mut client, &["a", "b"]).await.unwrap(), json!({"b": 5}));
    for timestamp in [json!(1_700_000_000), json!(1_700_000_000.5)] {
        let request = json!({"timestamp": timestamp, "valueToMerge": {"new": timestamp}});
        client.call(UPDATE, request).await.unwrap();
    }
    let invalid = |text: &str| Err(("InvalidArgumentsError".to_owned(), text.to_owned()));
    let no_timestamp = client.call(UPDATE, json!({"valueToMerge": {}})).await;
    assert_eq!(no_timestamp, invalid("Timestamp is required"));
    let no_value = client.call(UPDATE, json!({"timestamp": 1.0})).await;
    assert_eq!(no_value, invalid("ValueToMerge is required"));
    let no_map = client.call(UPDATE, json!({"timestamp": 1.0, "valueToMerge": 5})).await;
    assert_eq!(no_map.unwrap_err().0, "InvalidArgumentsError");
}

#[tokio::test]
async fn c42_a_removed_node_is_told_by_its_path() {
    let (device, mut client) = device().await;
    client.subscribe(SUBSCRIBE, json!({"keyPath": ["a"]})).await.unwrap();
    let reset = ["/a/b".to_owned()];
    let sources = Sources {
        recipe: Arc::new(Origin::Recipe { version: "1.0.0".to_owned() }),
        deployment: Arc::new(Origin::LocalDeployment { id: "d".to_owned() }),
    };
    let resolved =
        device.config.resolve_component(NAME, &json!({}), &reset, None, &sources).unwrap();
    let now = device.clock.now_ms();
    device.config.transaction(|tx| tx.write_configuration(NAME, &resolved, now)).unwrap();
    let event = client.event().await.1;
    assert_eq!(event["configurationUpdateEvent"]["keyPath"], json!(["a", "b"]));
    let missing = json!({"keyPath": ["nope"]});
    let error = client.call(SUBSCRIBE, missing).await.unwrap_err();
    assert_eq!(error, ("ResourceNotFoundError".to_owned(), "Key not found".to_owned()));
}

fn numbered(n: i64) -> (Operation, Value) {
    let timestamp = START_MS as f64 / 1000.0;
    let request = json!({"keyPath": ["a"], "timestamp": timestamp, "valueToMerge": {"n": n}});
    (UPDATE, request)
}

#[tokio::test]
async fn updates_without_a_pause_take_effect_in_order_and_are_seen_by_what_follows() {
    let (_device, mut client) = device().await;
    // More than may wait for the disk, with a question in the middle and one at the end.
    let mut requests: Vec<_> = (0..150).map(numbered).collect();
    let question = (GET, json!({"keyPath": ["a", "n"]}));
    requests.push(question.clone());
    requests.extend((150..600).map(numbered));
    requests.push(question);
    let answers = client.pipeline(requests).await;
    let n = |answer: &Result<Value, Failure>| answer.as_ref().unwrap()["value"]["n"].clone();
    assert_eq!((n(&answers[150]), n(&answers[601])), (json!(149), json!(599)));
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(json!({}))).count(), 600);
}

#[tokio::test]
async fn a_refused_update_among_others_is_refused_alone() {
    let (device, mut client) = device().await;
    let (_, old) = numbered(0);
    let mut old = old;
    old["timestamp"] = json!(1.0);
    let answers = client.pipeline(vec![numbered(1), (UPDATE, old), numbered(2)]).await;
    assert_eq!((&answers[0], &answers[2]), (&Ok(json!({})), &Ok(json!({}))));
    assert_eq!(answers[1].as_ref().unwrap_err().0, "FailedUpdateConditionCheckError");
    assert_eq!(get(&mut client, &["a", "n"]).await.unwrap(), json!({"n": 2}));
    let clients = 40;
    let mut waiting = Vec::new();
    for number in 0..clients {
        let mut other = device.connect(NAME).await;
        waiting.push(tokio::spawn(async move {
            let key = format!("client{number}");
            update(&mut other, &[], json!({key: 1}), 0).await
        }));
    }
    for update in waiting {
        assert_eq!(update.await.unwrap(), Ok(json!({})));
    }
    let everything = get(&mut client, &[]).await.unwrap();
    let written = everything.as_object().unwrap().keys().filter(|key| key.starts_with("client"));
    assert_eq!(written.count(), clients);
}
