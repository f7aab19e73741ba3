use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_aws::sigv4::{Credentials, Payload, Request, Signer};
use marram_http::client::{Client, Request as HttpRequest, Response};
use marram_os::clock::ManualClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// Nothing here takes this long unless it is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// 2026-01-02T03:04:05Z.
const NOW_MS: i64 = 1_767_323_045_000;

/// A person with the first access key.
struct User {
    ready: Ready,
    clock: SharedClock,
    client: Client,
}

impl User {
    fn of(cloud: &Cloud, clock: SharedClock) -> Self {
        let ready = cloud.ready().clone();
        let roots = std::fs::read_to_string(&ready.ca_file).unwrap();
        let tls = marram_tls::client_config(&roots, None, &[]).unwrap();
        Self { ready, clock, client: Client::new(Some(tls)) }
    }

    async fn send(&self, service: &str, method: &str, path: &str, body: &[u8]) -> Response {
        let credentials = Credentials {
            access_key_id: self.ready.access_key_id.clone(),
            secret_access_key: self.ready.secret_access_key.clone(),
            session_token: None,
        };
        let host = self.ready.endpoint_url.strip_prefix("https://").unwrap();
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let headers = [("host", host)];
        let signed = Request { method, path: bare, query, headers: &headers };
        let now_ms = self.clock.now_ms();
        let signer = Signer { credentials: &credentials, region: "us-east-1", service, now_ms };
        let url = format!("{}{path}", self.ready.endpoint_url);
        let mut request = HttpRequest::new(method.parse().unwrap(), url).body(body.to_vec());
        for (name, value) in signer.sign(&signed, &Payload::of(body)) {
            request = request.header(&name, &value);
        }
        self.client.send(request).await.unwrap()
    }

    /// A call that must succeed.
    async fn call(&self, service: &str, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.send(service, method, path, body.as_bytes()).await;
        let text = String::from_utf8_lossy(&response.body);
        assert!(response.status.is_success(), "{method} {path}: {} {text}", response.status);
        serde_json::from_slice(&response.body).unwrap_or(Value::Null)
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_ms(NOW_MS))
}

async fn start(directory: &TempDir, clock: SharedClock) -> Cloud {
    let settings = Settings { clock, ..Settings::local(directory.path().join("cloud")) };
    Cloud::start(settings).await.unwrap()
}

#[tokio::test]
async fn a_cloud_is_the_same_after_a_restart_on_the_same_ports() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let cloud = start(&directory, clock.clone()).await;
    let user = User::of(&cloud, clock.clone());
    user.call("iot", "POST", "/things/kept", json!({})).await;
    let before = cloud.ready().clone();
    let begun = Instant::now();
    cloud.stop().await;
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());

    let port = |endpoint: &str| endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let settings = Settings {
        http_port: port(&before.endpoint_url),
        mqtt_port: port(&before.mqtt_endpoint),
        device_port: port(&before.device_endpoint),
        clock,
        ..Settings::local(directory.path().join("cloud"))
    };
    let cloud = Cloud::start(settings).await.unwrap();
    assert_eq!(*cloud.ready(), before);
    assert_eq!(user.call("iot", "GET", "/things/kept", Value::Null).await["thingName"], "kept");
}

#[tokio::test]
async fn a_data_directory_and_a_port_serve_one_cloud() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = start(&directory, clock()).await;
    let error = Cloud::start(Settings::local(directory.path().join("cloud"))).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let port = cloud.ready().mqtt_endpoint.rsplit(':').next().unwrap().to_owned();
    let settings = Settings {
        mqtt_port: port.parse().unwrap(),
        ..Settings::local(directory.path().join("other"))
    };
    let error = Cloud::start(settings).await.unwrap_err();
    assert!(error.is_unavailable() && !error.is_bad_configuration(), "{error}");
    assert!(error.to_string().contains(&format!("--mqtt-port 127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_one_is_the_settings_fault() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Cloud::start(Settings::local(&file)).await.unwrap_err();
    assert!(error.is_bad_configuration(), "{error}");
    assert!(error.to_string().contains("--data"), "{error}");
}

#[tokio::test]
async fn the_ready_file_is_its_owners_only_and_the_secret_is_not_logged() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = start(&directory, clock()).await;
    let path = directory.path().join("ready.json");
    cloud.ready().write(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read: Ready = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read, *cloud.ready());
    assert!(!format!("{cloud:?}").contains(&read.secret_access_key));
}

#[tokio::test]
async fn a_member_that_joins_a_group_is_queued_its_deployment() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let cloud = start(&directory, clock.clone()).await;
    let user = User::of(&cloud, clock);
    user.call("iot", "POST", "/things/core1", json!({})).await;
    user.call("iot", "POST", "/thing-groups/G", json!({})).await;
    let target = format!("arn:aws:iot:us-east-1:{}:thinggroup/G", user.ready.account_id);
    user.call("greengrass", "POST", "/greengrass/v2/deployments", json!({"targetArn": target}))
        .await;
    let member = json!({"thingName": "core1", "thingGroupName": "G"});
    user.call("iot", "PUT", "/thing-groups/addThingToThingGroup", member).await;
    let queued = async {
        loop {
            let path = "/greengrass/v2/coreDevices/core1/effectiveDeployments";
            let listed = user.call("greengrass", "GET", path, Value::Null).await;
            if listed["effectiveDeployments"][0]["coreDeviceExecutionStatus"] == "QUEUED" {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, queued).await.unwrap();
}

#[tokio::test]
async fn d19_a30_a_presigned_url_serves_ranges_until_it_expires() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let cloud = start(&directory, clock.clone()).await;
    let user = User::of(&cloud, clock.clone());
    user.call("s3", "PUT", "/bkt", Value::Null).await;
    let put = user.send("s3", "PUT", "/bkt/dir/a.zip", b"hello").await;
    assert!(put.status.is_success());
    let recipe = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.Hello",
        "ComponentVersion": "1.0.0",
        "Manifests": [{"Artifacts": [{"Uri": "s3://bkt/dir/a.zip"}]}],
    });
    let body = json!({"inlineRecipe": STANDARD.encode(recipe.to_string())});
    let path = "/greengrass/v2/createComponentVersion";
    let made = user.call("greengrass", "POST", path, body).await;
    let arn = made["arn"].as_str().unwrap().replace(':', "%3A");
    let path = format!("/greengrass/v2/components/{arn}/artifacts/dir/a.zip");
    let answer = user.call("greengrass", "GET", &path, Value::Null).await;
    let url = answer["preSignedUrl"].as_str().unwrap();

    let get = || HttpRequest::new("GET".parse().unwrap(), url);
    let part = user.client.send(get().header("range", "bytes=0-3")).await.unwrap();
    assert_eq!((part.status.as_u16(), part.body.as_ref()), (206, b"hell".as_ref()));
    assert_eq!(part.header("content-range"), Some("bytes 0-3/5"));
    let whole = user.client.send(get()).await.unwrap();
    assert_eq!((whole.status.as_u16(), whole.header("content-length")), (200, Some("5")));
    clock.advance(Duration::from_secs(3601));
    assert_eq!(user.client.send(get()).await.unwrap().status.as_u16(), 403);
}
