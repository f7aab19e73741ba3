//! Conformance cases 33 and 51, and 4.10: the connection status, and what only AWS's own components
//! may ask for.

use marram_ipc::Operation;
use serde_json::{Value, json};

use super::Device;
use super::client::{Client, Failure};

const STATUS: Operation = Operation::SubscribeToIoTCoreConnectionStatus;
const METRIC: Operation = Operation::PutComponentMetric;
const VALIDATE: Operation = Operation::ValidateAuthorizationToken;
const STREAM_MANAGER: &str = "aws.greengrass.StreamManager";

fn failure(code: &str, message: &str) -> Failure {
    (code.to_owned(), message.to_owned())
}

fn status(word: &str) -> Value {
    json!({"connectionStatusEvent": {"status": word}})
}

#[tokio::test]
async fn ipc_33_the_status_comes_at_once_and_then_each_change_once() {
    let device = Device::start();
    let mut client = device.connect("com.example.A").await;
    let stream = client.subscribe(STATUS, json!({})).await.unwrap();
    assert_eq!(client.event().await, (stream, status("CONNECTED")));
    device.cloud.online.send_replace(false);
    assert_eq!(client.event().await.1, status("DISCONNECTED"));
    device.cloud.online.send_replace(false);
    device.cloud.online.send_replace(true);
    assert_eq!(client.event().await.1, status("CONNECTED"), "not DISCONNECTED again");
    client.end_stream(stream).await;
    client.call(METRIC, json!({})).await.unwrap_err();
    device.cloud.online.send_replace(false);
    let again = client.subscribe(STATUS, json!({})).await.unwrap();
    assert_eq!(client.event().await, (again, status("DISCONNECTED")), "nothing on the old stream");
}

#[tokio::test]
async fn ipc_33_a_device_without_a_cloud_is_disconnected() {
    let device = Device::start_offline();
    let mut client = device.connect("com.example.A").await;
    client.subscribe(STATUS, json!({})).await.unwrap();
    assert_eq!(client.event().await.1, status("DISCONNECTED"));
}

#[tokio::test]
async fn ipc_51_only_the_stream_manager_may_ask_about_tokens() {
    let device = Device::start();
    let mut other = device.connect("com.example.A").await;
    let token = device.tokens.issue(&"com.example.B".parse().unwrap()).unwrap();
    let denied = "com.example.A is not authorized to perform \
                  aws.greengrass#ValidateAuthorizationToken";
    let error = other.call(VALIDATE, json!({"token": token})).await.unwrap_err();
    assert_eq!(error, failure("UnauthorizedError", denied));

    let mut manager = device.connect(STREAM_MANAGER).await;
    let answer = manager.call(VALIDATE, json!({"token": token})).await.unwrap();
    assert_eq!(answer, json!({"isValid": true}));
    let invalid = failure("InvalidTokenError", "Invalid authentication token");
    let error = manager.call(VALIDATE, json!({"token": "WRONG"})).await.unwrap_err();
    assert_eq!(error, invalid);
    let missing = failure("InvalidTokenError", "Authentication token not found");
    assert_eq!(manager.call(VALIDATE, json!({})).await.unwrap_err(), missing);
    device.tokens.revoke(&"com.example.B".parse().unwrap());
    let error = manager.call(VALIDATE, json!({"token": token})).await.unwrap_err();
    assert_eq!(error, invalid, "it died with its instance");
}

fn metric(name: &str, unit: &str, value: f64) -> Value {
    json!({"metrics": [{"name": name, "unit": unit, "value": value}]})
}

async fn of_aws(device: &Device, resources: &[&str]) -> Client {
    let name = "aws.greengrass.Example";
    let policy = json!({"p": {"operations": ["*"], "resources": resources}});
    let access = json!({"accessControl": {"aws.greengrass.ipc.componentmetric": policy}});
    device.configure(name, access);
    device.connect(name).await
}

#[tokio::test]
async fn ipc_4_10_metrics_of_aws_components_are_kept_with_their_names() {
    let device = Device::start();
    let mut client = of_aws(&device, &["Bytes*"]).await;
    let answer = client.call(METRIC, metric("BytesSent", "BYTES_PER_SECOND", 1.5)).await.unwrap();
    assert_eq!(answer, json!({}));
    let mut manager = device.connect(STREAM_MANAGER).await;
    manager.call(METRIC, metric("Any", "COUNT", 2.0)).await.expect("it needs no policy");
    let line = |component: &str| -> Value {
        let file = device.folder.path().join("telemetry").join(format!("{component}.log"));
        serde_json::from_str(std::fs::read_to_string(file).unwrap().trim()).unwrap()
    };
    let expected = json!({
        "TS": super::START_MS, "NS": "aws.greengrass.Example", "N": "BytesSent",
        "U": "BytesPerSecond", "Sum": 1.5,
    });
    assert_eq!(line("aws.greengrass.Example"), expected);
    assert_eq!(line(STREAM_MANAGER)["N"], "Any");
}

#[tokio::test]
async fn ipc_4_10_metrics_are_checked_before_the_policy() {
    let device = Device::start();
    let mut stranger = device.connect("com.example.A").await;
    let (code, _) = stranger.call(METRIC, metric("Bytes", "COUNT", 1.0)).await.unwrap_err();
    assert_eq!(code, "UnauthorizedError");

    let mut client = of_aws(&device, &["Bytes*"]).await;
    let empty = "Null or Empty list of metrics found in PutComponentMetricRequest";
    for request in [json!({}), json!({"metrics": []}), json!({"metrics": null})] {
        let error = client.call(METRIC, request).await.unwrap_err();
        assert_eq!(error, failure("InvalidArgumentsError", empty));
    }
    let invalid = "Invalid argument found in PutComponentMetricRequest";
    for request in [
        metric("", "COUNT", 1.0),
        metric("12345678901234567890123456789012x", "COUNT", 1.0),
        metric("Other", "", 1.0),
        metric("Other", "PARSEC", 1.0),
        metric("Other", "COUNT", -1.0),
        json!({"metrics": [{"name": "Other", "unit": "COUNT"}]}),
    ] {
        let error = client.call(METRIC, request).await.unwrap_err();
        assert_eq!(error, failure("InvalidArgumentsError", invalid));
    }
    let (code, message) = client.call(METRIC, metric("Other", "COUNT", 1.0)).await.unwrap_err();
    assert_eq!(code, "UnauthorizedError");
    assert!(message.ends_with("PutComponentMetric on resource Other"), "{message}");
    assert!(!device.folder.path().join("telemetry").exists(), "nothing was kept");
}
