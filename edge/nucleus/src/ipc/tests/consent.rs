//! Conformance cases 43 and 45, as far as the server decides them: who is asked what before a
//! deployment, and which answers count. Times are the deployment's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use marram_ipc::Operation;
use serde_json::{Value, json};

use super::Device;
use super::client::{Client, DEADLINE, Failure};
use crate::ipc::component_updates::{ComponentUpdates, Deferral};

const SUBSCRIBE: Operation = Operation::SubscribeToComponentUpdates;
const DEFER: Operation = Operation::DeferComponentUpdate;
const SUBSCRIBE_VALIDATION: Operation = Operation::SubscribeToValidateConfigurationUpdates;
const REPORT: Operation = Operation::SendConfigurationValidityReport;
const A: &str = "com.example.A";
const B: &str = "com.example.B";

fn failure(code: &str, message: &str) -> Failure {
    (code.to_owned(), message.to_owned())
}

fn before(deployment: &str) -> Value {
    json!({"preUpdateEvent": {"deploymentId": deployment, "isGgcRestarting": false}})
}

fn after(deployment: &str) -> Value {
    json!({"postUpdateEvent": {"deploymentId": deployment}})
}

fn defer(deployment: &str, milliseconds: u64) -> Value {
    json!({"deploymentId": deployment, "recheckAfterMs": milliseconds, "message": "busy"})
}

async fn subscribed(device: &Device, name: &str, operation: Operation) -> Client {
    device.configure(name, json!({}));
    let mut client = device.connect(name).await;
    client.subscribe(operation, json!({})).await.unwrap();
    client
}

/// A deployment that asks, as its own task.
fn asking(updates: &ComponentUpdates, limit: Duration) -> tokio::task::JoinHandle<Vec<Deferral>> {
    let updates = updates.clone();
    tokio::spawn(async move { updates.ask("d", false, limit).await })
}

#[tokio::test]
async fn ipc_45_all_subscribers_are_asked_and_the_deferrals_come_back() {
    let device = Device::start();
    let mut a = subscribed(&device, A, SUBSCRIBE).await;
    let mut b = subscribed(&device, B, SUBSCRIBE).await;
    let asked = asking(&device.updates, DEADLINE);
    assert_eq!(a.event().await.1, before("d"));
    assert_eq!(b.event().await.1, before("d"));
    assert_eq!(a.call(DEFER, defer("d", 9000)).await.unwrap(), json!({}));
    assert_eq!(a.call(DEFER, defer("d", 2000)).await.unwrap(), json!({}), "the last one counts");
    assert_eq!(b.call(DEFER, json!({"deploymentId": "d"})).await.unwrap(), json!({}));
    let component = A.parse().unwrap();
    let expected = [Deferral { component, recheck_after: Duration::from_secs(2) }];
    assert_eq!(asked.await.unwrap(), expected, "an absent time means now");
    device.updates.over("d");
    assert_eq!(a.event().await.1, after("d"));
    assert_eq!(b.event().await.1, after("d"));
}

#[tokio::test]
async fn ipc_45_answers_without_a_question_are_refused() {
    let device = Device::start();
    device.configure(A, json!({}));
    let mut client = device.connect(A).await;
    let unsubscribed =
        failure("InvalidArgumentsError", "Component is not subscribed to component update events");
    assert_eq!(client.call(DEFER, defer("d", 0)).await.unwrap_err(), unsubscribed);
    client.subscribe(SUBSCRIBE, json!({})).await.unwrap();
    let without_id = failure(
        "InvalidArgumentsError",
        "Cannot defer the update, the deployment ID provided was null",
    );
    assert_eq!(client.call(DEFER, json!({"recheckAfterMs": 1})).await.unwrap_err(), without_id);
    let late = failure("ServiceError", "Time limit to respond to PreComponentUpdateEvent exceeded");
    assert_eq!(client.call(DEFER, defer("d", 0)).await.unwrap_err(), late);
    let asked = asking(&device.updates, DEADLINE);
    assert_eq!(client.event().await.1, before("d"));
    assert_eq!(client.call(DEFER, defer("another", 0)).await.unwrap_err(), late);
    client.call(DEFER, defer("d", 0)).await.unwrap();
    assert_eq!(asked.await.unwrap(), []);
    assert_eq!(client.call(DEFER, defer("d", 1)).await.unwrap_err(), late, "the round is over");
}

#[tokio::test]
async fn ipc_45_whoever_goes_or_is_silent_is_not_waited_for() {
    let device = Device::start();
    let mut leaving = subscribed(&device, A, SUBSCRIBE).await;
    let asked = asking(&device.updates, Duration::from_secs(600));
    assert_eq!(leaving.event().await.1, before("d"));
    drop(leaving);
    assert_eq!(tokio::time::timeout(DEADLINE, asked).await.unwrap().unwrap(), []);
    let _silent = subscribed(&device, B, SUBSCRIBE).await;
    assert_eq!(device.updates.ask("e", false, Duration::from_millis(20)).await, []);
}

#[tokio::test]
async fn ipc_45_only_a_deployment_that_asked_tells_its_end() {
    let device = Device::start();
    let mut client = subscribed(&device, A, SUBSCRIBE).await;
    device.updates.over("never asked");
    let asked = asking(&device.updates, DEADLINE);
    assert_eq!(client.event().await.1, before("d"), "and nothing before it");
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    let late = client.call(DEFER, defer("d", 0)).await.unwrap_err();
    assert_eq!(late.0, "ServiceError", "a cancelled deployment asks no more");
    device.updates.over("d");
    assert_eq!(client.event().await.1, after("d"), "also of a cancelled one");
    device.updates.over("d");
    let asked = asking(&device.updates, DEADLINE);
    assert_eq!(client.event().await.1, before("d"), "once");
    asked.abort();
}

#[tokio::test]
async fn ipc_45_after_a_restart_the_deployment_waits_for_those_it_had_asked() {
    let device = Device::start();
    let both = BTreeSet::from([A, B].map(|name| name.parse().unwrap()));
    let _a = subscribed(&device, A, SUBSCRIBE).await;
    let (updates, limit) = (device.updates.clone(), Duration::from_secs(600));
    let waiting = tokio::spawn(async move { updates.until_subscribed(&both, limit).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "B is missing");
    let _b = subscribed(&device, B, SUBSCRIBE).await;
    assert_eq!(device.updates.subscribers().len(), 2);
    tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    let gone = BTreeSet::from(["com.example.Gone".parse().unwrap()]);
    device.updates.until_subscribed(&gone, Duration::from_millis(20)).await;
}

#[tokio::test]
async fn ipc_4_5_who_is_no_component_cannot_subscribe_to_updates() {
    let device = Device::start();
    let mut nobody = device.connect("com.example.Unknown").await;
    let message = "Component with given name not found currently in Greengrass";
    let expected = failure("ResourceNotFoundError", message);
    assert_eq!(nobody.subscribe(SUBSCRIBE, json!({})).await.unwrap_err(), expected);
    assert_eq!(
        nobody.call(Operation::GetConfiguration, json!({})).await.unwrap_err().1,
        "Key not found"
    );
}

fn report(status: &str, deployment: &str) -> Value {
    let report = json!({"status": status, "deploymentId": deployment, "message": "bad"});
    json!({"configurationValidityReport": report})
}

/// The texts of those that do not accept.
async fn validate(device: &Device, limit: Duration) -> Vec<String> {
    let configuration = json!({"rate": 2});
    let proposed = BTreeMap::from([A, B].map(|n| (n.parse().unwrap(), configuration.clone())));
    let refusing = device.validators.ask("job-1", &proposed, limit).await;
    refusing.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn ipc_43_a_rejection_comes_back_with_its_message() {
    let device = Device::start();
    let mut old = subscribed(&device, A, SUBSCRIBE_VALIDATION).await;
    let mut client = device.connect(A).await;
    let stream = client.subscribe(SUBSCRIBE_VALIDATION, json!({})).await.unwrap();
    let answering = async {
        let (asked, event) = client.event().await;
        assert_eq!(asked, stream);
        let expected = json!({"configuration": {"rate": 2}, "deploymentId": "job-1"});
        assert_eq!(event, json!({"validateConfigurationUpdateEvent": expected}));
        client.call(REPORT, report("REJECTED", "job-1")).await.unwrap();
    };
    let (refusing, ()) = tokio::join!(validate(&device, DEADLINE), answering);
    assert_eq!(refusing, ["{ name = com.example.A, message = bad }"], "B has not subscribed");

    client.end_stream(stream).await;
    let answering = async {
        old.event().await;
        old.call(REPORT, report("ACCEPTED", "job-1")).await.unwrap();
    };
    // The stream's end is handled before anything that this client asks for later.
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
    let (refusing, ()) = tokio::join!(validate(&device, DEADLINE), answering);
    assert_eq!(refusing, [""; 0], "the stream that is left was asked");
}

#[tokio::test]
async fn ipc_43_reports_that_nobody_asked_for_are_refused() {
    let device = Device::start();
    let mut client = subscribed(&device, A, SUBSCRIBE_VALIDATION).await;
    let never = "Validation request either timed out or was never made";
    for (request, message) in [
        (report("ACCEPTED", "job-1"), never),
        (json!({}), "configurationValidityReport is required"),
        (
            json!({"configurationValidityReport": {"status": "ACCEPTED"}}),
            "Cannot accept configuration validity report, the deployment ID provided was null",
        ),
        (
            json!({"configurationValidityReport": {"deploymentId": "job-1"}}),
            "status is required; use ACCEPTED or REJECTED",
        ),
    ] {
        let error = client.call(REPORT, request).await.unwrap_err();
        assert_eq!(error, failure("InvalidArgumentsError", message));
    }
    let (code, _) = client.call(REPORT, report("MAYBE", "job-1")).await.unwrap_err();
    assert_eq!(code, "InvalidArgumentsError");
}

#[tokio::test]
async fn ipc_43_silence_and_absence_refuse_too() {
    let device = Device::start();
    let _silent = subscribed(&device, A, SUBSCRIBE_VALIDATION).await;
    let mut leaving = subscribed(&device, B, SUBSCRIBE_VALIDATION).await;
    let leaves = async {
        leaving.event().await;
        drop(leaving);
    };
    let (refusing, ()) = tokio::join!(validate(&device, Duration::from_secs(1)), leaves);
    assert_eq!(refusing.len(), 2, "{refusing:?}");
    assert!(refusing[0].contains("com.example.A did not say within 1 s"), "{refusing:?}");
    assert!(refusing[1].contains("com.example.B") && refusing[1].contains("has gone"));
}

#[tokio::test]
async fn a_stream_that_is_gone_is_not_asked() {
    let device = Device::start();
    let mut client = subscribed(&device, A, SUBSCRIBE).await;
    let second = client.subscribe(SUBSCRIBE, json!({})).await.unwrap();
    client.end_stream(second).await;
    client.call(Operation::GetConfiguration, json!({})).await.unwrap();
    let asked = asking(&device.updates, DEADLINE);
    let (stream, _) = client.event().await;
    assert_ne!(stream, second);
    drop(client);
    assert_eq!(asked.await.unwrap(), []);
}
