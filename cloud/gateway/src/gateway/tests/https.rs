//! Devices over HTTPS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_broker::QoS;
use serde_json::{Value, json};

use super::plane::{Plane, allow, request};

const ARN: &str =
    "arn:aws:greengrass:us-east-1:123456789012:components:com.example.Hello:versions:1.0.0";

async fn add_component(plane: &Plane) {
    let recipe = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.Hello",
        "ComponentVersion": "1.0.0", "Manifests": [{"Platform": {"os": "linux", "runtime": "*"}}],
    });
    let recipe = STANDARD.encode(recipe.to_string());
    let asked = request(json!({"inlineRecipe": recipe}));
    plane.fleet.create_component_version(asked).await.unwrap();
}

#[tokio::test]
async fn nobody_is_let_in_without_a_known_certificate() {
    let plane = Plane::start().await;
    let mut device = plane.trusted().await;
    let path = "/greengrass/v2/coreDevices/core1/thingGroups";
    let (status, body, response) = plane.call(None, "GET", path, "").await;
    assert_eq!(status, 403);
    assert!(body["message"].as_str().unwrap().starts_with("Access Denied"), "{body}");
    assert_eq!(response.header("x-amzn-errortype"), Some("AccessDeniedException"));
    let stranger = tempfile::tempdir().unwrap();
    let stranger = marram_tls::Authority::open(stranger.path()).unwrap();
    device.identity = stranger.issue_client("core1").unwrap();
    assert_eq!(plane.call(Some(&device), "GET", path, "").await.0, 403);
}

#[tokio::test]
async fn d16_d17_candidates_are_resolved_or_the_reason_is_told() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    add_component(&plane).await;
    let ask = |range: &str| {
        json!({
            "platform": {"name": "linux", "attributes": {"os": "linux", "runtime": "aws_nucleus_lite"}},
            "componentCandidates": [{"componentName": "com.example.Hello", "versionRequirements": {"requirements": range}}],
        })
        .to_string()
    };
    let path = "/greengrass/v2/resolveComponentCandidates";
    let (status, body, _) = plane.call(Some(&device), "POST", path, &ask(">=1.0.0")).await;
    assert_eq!(status, 200, "{body}");
    let resolved = &body["resolvedComponentVersions"][0];
    assert_eq!(resolved["arn"], ARN);
    let recipe = STANDARD.decode(resolved["recipe"].as_str().unwrap()).unwrap();
    assert!(serde_json::from_slice::<Value>(&recipe).unwrap().is_object());
    let (status, body, response) = plane.call(Some(&device), "POST", path, &ask(">=9")).await;
    assert_eq!(status, 404);
    assert_eq!(response.header("x-amzn-errortype"), Some("ResourceNotFoundException"));
    assert!(body["message"].as_str().unwrap().contains("no usable version"), "{body}");
    assert_eq!(plane.call(Some(&device), "POST", path, "{").await.0, 400);
}

#[tokio::test]
async fn d18_artifacts_are_asked_for_with_raw_and_with_encoded_colons() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    add_component(&plane).await;
    for arn in [ARN.to_owned(), ARN.replace(':', "%3A")] {
        let path = format!("/greengrass/v2/components/{arn}/artifacts/d/f.zip");
        let (status, body, _) = plane.call(Some(&device), "GET", &path, "").await;
        assert_eq!((status, &body["resourceId"]), (404, &json!("d/f.zip")), "{path}");
    }
}

#[tokio::test]
async fn d20_a_device_is_told_its_groups() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let path = "/greengrass/v2/coreDevices/core1/thingGroups";
    let (status, body, response) = plane.call(Some(&device), "GET", path, "").await;
    assert_eq!(status, 200);
    let arn = |group: &str| format!("arn:aws:iot:us-east-1:123456789012:thinggroup/{group}");
    let parent = json!({"thingGroupName": "P", "thingGroupArn": arn("P")});
    let group = json!({
        "thingGroupName": "G", "thingGroupArn": arn("G"), "rootToParentThingGroups": [parent],
    });
    assert_eq!(body, json!({"thingGroups": [group]}));
    assert!(response.body.len() <= 2048);
}

#[tokio::test]
async fn d33_a_core_device_says_where_its_client_devices_reach_it() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let path = "/greengrass/things/core1/connectivityInfo";
    let (status, body, _) = plane.call(Some(&device), "GET", path, "").await;
    assert_eq!((status, &body["ConnectivityInfo"]), (200, &json!([])));
    let address = json!({
        "Id": "192.168.1.10", "HostAddress": "192.168.1.10", "PortNumber": 8883, "Metadata": "",
    });
    let update = json!({"ConnectivityInfo": [address]}).to_string();
    let (status, body, _) = plane.call(Some(&device), "PUT", path, &update).await;
    assert_eq!(status, 200);
    let version = body["Version"].as_str().unwrap();
    let shadow = "/things/core1-gci/shadow";
    let (_, document, _) = plane.call(Some(&device), "GET", shadow, "").await;
    assert_eq!(document["state"]["desired"]["version"], version);
    let (_, body, _) = plane.call(Some(&device), "GET", path, "").await;
    assert_eq!(body["ConnectivityInfo"], json!([address]));
    let (status, ..) = plane.call(Some(&device), "PUT", path, "[]").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn d21_credentials_are_for_active_certificates_with_a_policy() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let alias = json!({"roleAlias": "A", "roleArn": "arn:aws:iam::123456789012:role/R"});
    plane.registry.create_role_alias(request(alias)).await.unwrap();
    let path = "/role-aliases/A/credentials";
    let (status, body, _) = plane.call(Some(&device), "GET", path, "").await;
    assert_eq!(status, 200, "{body}");
    let credentials = body["credentials"].as_object().unwrap();
    assert_eq!(credentials.len(), 4);
    assert!(credentials["accessKeyId"].as_str().unwrap().starts_with("ASIA"));
    assert_eq!(credentials["expiration"], "2026-01-02T04:04:05Z");
    assert_eq!(plane.call(Some(&device), "GET", "/role-aliases/B/credentials", "").await.0, 404);

    plane.set_status(&device, "REVOKED").await;
    assert_eq!(plane.call(Some(&device), "GET", path, "").await.0, 403);
}

#[tokio::test]
async fn a34_each_call_needs_its_action_on_its_resource() {
    let plane = Plane::start().await;
    let own = "arn:aws:iot:us-east-1:123456789012:thing/core1";
    let device = plane.device(allow(&["greengrass:*", "iot:GetThingShadow"], &[own])).await;
    let status = |method: &'static str, path: &'static str| {
        let (plane, device) = (&plane, &device);
        async move { plane.call(Some(device), method, path, "{}").await.0 }
    };
    assert_eq!(status("GET", "/greengrass/v2/coreDevices/core1/thingGroups").await, 200);
    assert_eq!(status("GET", "/greengrass/v2/coreDevices/core2/thingGroups").await, 403);
    assert_eq!(status("POST", "/greengrass/v2/resolveComponentCandidates").await, 403);
    assert_eq!(status("GET", "/things/core1/shadow").await, 404);
    assert_eq!(status("GET", "/things/core1/shadow?name=n").await, 403);
    assert_eq!(status("POST", "/things/core1/shadow").await, 403);
    assert_eq!(status("GET", "/role-aliases/A/credentials").await, 403);
    assert_eq!(status("POST", "/topics/a").await, 403);
}

#[tokio::test]
async fn shadows_over_https_and_over_mqtt_are_the_same() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    let delta = "$aws/things/core1/shadow/name/n/update/delta";
    core.client.subscribe(delta, QoS::AtLeastOnce).await.unwrap();
    let path = "/things/core1/shadow?name=n";
    let update = r#"{"state":{"desired":{"a":1}}}"#;
    let (status, body, _) = plane.call(Some(&device), "POST", path, update).await;
    assert_eq!((status, &body["version"]), (200, &json!(1)));
    assert_eq!(core.message().await.1["state"], json!({"a": 1}));
    let (_, body, _) = plane.call(Some(&device), "GET", path, "").await;
    assert_eq!(body["state"]["delta"], json!({"a": 1}));
    let stale = r#"{"state":{},"version":7}"#;
    let (status, _, response) = plane.call(Some(&device), "POST", path, stale).await;
    assert_eq!((status, response.header("x-amzn-errortype")), (409, Some("ConflictException")));
    assert_eq!(plane.call(Some(&device), "DELETE", path, "").await.0, 200);
    assert_eq!(plane.call(Some(&device), "GET", path, "").await.0, 404);
}

#[tokio::test]
async fn publishing_over_https_reaches_subscribers() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let mut core = plane.connect(&device, "core1").await;
    core.client.subscribe("a/+", QoS::AtLeastOnce).await.unwrap();
    let (status, ..) = plane.call(Some(&device), "POST", "/topics/a%2Fb?qos=1", "{\"k\":1}").await;
    assert_eq!(status, 200);
    assert_eq!(core.message().await, ("a/b".to_owned(), json!({"k": 1})));
    for bad in ["/topics/a%2F%23", "/topics/%24aws%2Frules%2Fr", "/topics/a?qos=2"] {
        let (status, _, response) = plane.call(Some(&device), "POST", bad, "{}").await;
        assert_eq!(status, 400, "{bad}");
        assert_eq!(response.header("x-amzn-errortype"), Some("InvalidRequestException"), "{bad}");
    }
}

#[tokio::test]
async fn requests_on_reserved_topics_may_come_over_https() {
    let plane = Plane::start().await;
    let own = "arn:aws:iot:us-east-1:123456789012:topic/$aws/things/core1/*";
    let statements = json!([
        allow(&["iot:Connect", "iot:Subscribe", "iot:Receive"], &["*"]),
        allow(&["iot:Publish"], &[own]),
    ]);
    let device = plane.device(statements).await;
    let mut core = plane.connect(&device, "core1").await;
    let post = async |topic: &str, body: &Value| {
        let path = format!("/topics/{topic}?qos=1");
        plane.call(Some(&device), "POST", &path, &body.to_string()).await
    };

    let jobs = "$aws/things/core1/jobs/$next/namespace-aws-gg-deployment/get";
    let asked = json!({"clientToken": "x"});
    assert_eq!(post(jobs, &asked).await.0, 200);
    core.silence().await;
    core.client.subscribe(format!("{jobs}/+"), QoS::AtLeastOnce).await.unwrap();
    assert_eq!(post(jobs, &asked).await.0, 200);
    let (topic, reply) = core.message().await;
    assert_eq!((topic, &reply["clientToken"]), (format!("{jobs}/accepted"), &json!("x")));

    let shadow = "$aws/things/core1/shadow/update";
    core.client.subscribe(format!("{shadow}/+"), QoS::AtLeastOnce).await.unwrap();
    let update = json!({"state": {"desired": {"a": 1}}});
    assert_eq!(post(&shadow.replace('/', "%2F"), &update).await.0, 200);
    let (topic, accepted) = core.message().await;
    assert_eq!((topic, &accepted["version"]), (format!("{shadow}/accepted"), &json!(1)));

    let other = "$aws/things/core2/shadow/update";
    assert_eq!(post(other, &update).await.0, 403);
    let (status, body, _) = post("$aws/things/core1/shadow/update/accepted", &update).await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("shadow/update/accepted"), "{body}");
}

#[tokio::test]
async fn our_failures_have_the_name_of_the_service_that_was_called() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let groups = "/greengrass/v2/coreDevices/core1/thingGroups";
    assert_eq!(plane.call(Some(&device), "GET", groups, "").await.0, 200);
    plane.store.close().await;
    for (path, code) in
        [(groups, "InternalServerException"), ("/things/core1/shadow", "InternalFailureException")]
    {
        let (status, body, response) = plane.call(Some(&device), "GET", path, "").await;
        assert_eq!((status, &body["__type"]), (500, &json!(code)), "{path}");
        assert_eq!(response.header("x-amzn-errortype"), Some(code));
    }
}

#[tokio::test]
async fn unknown_paths_are_named() {
    let plane = Plane::start().await;
    let device = plane.trusted().await;
    let path = "/greengrass/unknown";
    let (status, _, response) = plane.call(Some(&device), "POST", path, "{}").await;
    assert_eq!(status, 404);
    assert_eq!(response.header("x-amzn-errortype"), Some("UnknownOperationException"));
}

#[tokio::test]
async fn a22_a28_a_device_does_its_jobs_over_https_as_far_as_its_policies_allow() {
    let plane = Plane::start().await;
    let actions = [
        "iot:GetPendingJobExecutions",
        "iot:StartNextPendingJobExecution",
        "iot:UpdateJobExecution",
    ];
    let thing = "arn:aws:iot:us-east-1:123456789012:thing/core1";
    let device = plane.device(allow(&actions, &[thing])).await;
    let asked = json!({
        "jobId": "j", "document": "{\"n\":1}",
        "targets": [thing],
    });
    plane.fleet.create_job(request(asked)).await.unwrap();
    let jobs = "/things/core1/jobs";
    let (status, body, _) = plane.call(Some(&device), "GET", jobs, "").await;
    assert_eq!((status, &body["queuedJobs"][0]["jobId"]), (200, &json!("j")), "{body}");
    let next = format!("{jobs}/$next");
    let (status, body, _) = plane.call(Some(&device), "PUT", &next, "{}").await;
    assert_eq!((status, &body["execution"]["jobDocument"]), (200, &json!("{\"n\":1}")), "{body}");
    let done = json!({"status": "SUCCEEDED"}).to_string();
    let (status, body, _) = plane.call(Some(&device), "POST", &format!("{jobs}/j"), &done).await;
    assert_eq!((status, body), (200, json!({})));
    let late = plane.call(Some(&device), "POST", &format!("{jobs}/j"), &done).await;
    assert_eq!(late.0, 409);
    assert_eq!(late.2.header("x-amzn-errortype"), Some("InvalidStateTransitionException"));
    assert_eq!(plane.call(Some(&device), "PUT", &next, "[]").await.0, 400);
    assert_eq!(plane.call(Some(&device), "GET", &format!("{jobs}/j"), "").await.0, 403);
    assert_eq!(plane.call(Some(&device), "GET", "/things/other/jobs", "").await.0, 403);
}
