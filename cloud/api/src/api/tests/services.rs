use super::*;
use crate::MessageProperties;

#[tokio::test]
async fn a21_iot_calls_are_answered_in_their_envelope() {
    let cloud = Fixture::new().await;
    let made = cloud.json("iot", "POST", "/things/T%3A1", json!({"unknown": 1})).await;
    assert_eq!(made.ok()["thingArn"], "arn:aws:iot:us-east-1:123456789012:thing/T:1");
    assert_eq!(made.request_id.len(), 36);
    let described = cloud.call("iot", "GET", "/things/T%3A1", b"").await.ok();
    assert_eq!(described["thingName"], "T:1");
    let missing = cloud.call("iot", "GET", "/things/Nope", b"").await;
    missing.refused(404, "ResourceNotFoundException");
    let wrong = cloud.call("iot", "GET", "/things?maxResults=ten", b"").await;
    let body = wrong.refused(400, "InvalidRequestException");
    assert!(body["message"].as_str().unwrap().contains("ten"));
}

#[tokio::test]
async fn a22_the_scope_s_service_decides_before_the_path() {
    let cloud = Fixture::new().await;
    cloud.json("iot", "POST", "/things/T", json!({})).await.ok();
    let jobs = cloud.call("iot", "GET", "/things/T/jobs", b"").await.ok();
    assert_eq!(jobs["executionSummaries"], json!([]));
    let pending = cloud.call("iot-jobs-data", "GET", "/things/T/jobs", b"").await.ok();
    assert_eq!(pending, json!({"inProgressJobs": [], "queuedJobs": []}));
    let other = cloud.call("iot-nothing", "GET", "/things/T/jobs", b"").await;
    let body = other.refused(404, "UnknownOperationException");
    assert!(body["message"].as_str().unwrap().contains("iot-nothing"));
    let nothing = cloud.call("greengrass", "GET", "/things/T", b"").await;
    nothing.refused(404, "UnknownOperationException");
    let iam = cloud.call("iam", "POST", "/", b"Action=CreateUser&Version=2010-05-08").await;
    assert_eq!((iam.status, iam.xml_code().as_str()), (400, "InvalidAction"));
}

#[tokio::test]
async fn greengrass_calls_reach_the_fleet() {
    let cloud = Fixture::new().await;
    let listed = cloud.call("greengrass", "GET", "/greengrass/v2/components?scope=PRIVATE", b"");
    assert_eq!(listed.await.ok()["components"], json!([]));
    let target = "/greengrass/v2/createComponentVersion";
    let wrong = cloud.json("greengrass", "POST", target, json!({"inlineRecipe": "not base64!"}));
    let body = wrong.await.refused(400, "ValidationException");
    assert_eq!(body["reason"], "FIELD_VALIDATION_FAILED");
    assert_eq!(body["fields"][0]["name"], "inlineRecipe");
    let missing = cloud.call("greengrass", "GET", "/greengrass/v2/deployments/none", b"").await;
    let body = missing.refused(404, "ResourceNotFoundException");
    assert!(body["resourceId"].is_string() && body["resourceType"].is_string(), "{body}");
    let arn = "arn:aws:greengrass:us-east-1:123456789012:components:com.example.X:versions:1.0.0";
    let arn = percent_encode(arn.as_bytes(), false);
    let target = format!("/greengrass/v2/components/{arn}");
    let missing = cloud.call("greengrass", "GET", &target, b"").await;
    missing.refused(404, "ResourceNotFoundException");
}

#[tokio::test]
async fn a9_a_group_s_deployment_is_seen_as_a_job() {
    let cloud = Fixture::new().await;
    cloud.json("iot", "POST", "/thing-groups/G", json!({})).await.ok();
    let group = cloud.registry.account().thing_group("G");
    for thing in ["T1", "T2"] {
        cloud.json("iot", "POST", &format!("/things/{thing}"), json!({})).await.ok();
        let member = json!({"thingGroupName": "G", "thingName": thing});
        cloud.json("iot", "PUT", "/thing-groups/addThingToThingGroup", member).await.ok();
    }
    let deploy = async || {
        let body = json!({
            "targetArn": group,
            "iotJobConfiguration": {"timeoutConfig": {"inProgressTimeoutInMinutes": 5}},
        });
        let made = cloud.json("greengrass", "POST", "/greengrass/v2/deployments", body).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.ok()["iotJobId"].as_str().unwrap().to_owned()
    };
    let first = deploy().await;
    let job = cloud.call("iot", "GET", &format!("/jobs/{first}"), b"").await.ok()["job"].take();
    assert_eq!((job["status"].as_str(), &job["targets"]), (Some("IN_PROGRESS"), &json!([group])));
    assert_eq!(job["jobProcessDetails"]["numberOfQueuedThings"], 2);
    assert_eq!(job["timeoutConfig"]["inProgressTimeoutInMinutes"], 5);
    assert_eq!(job["createdAt"], NOW_MS / 1000);

    let second = deploy().await;
    let job = cloud.call("iot", "GET", &format!("/jobs/{first}"), b"").await.ok()["job"].take();
    assert_eq!(job["status"], "CANCELED");
    assert_eq!(job["jobProcessDetails"]["numberOfCanceledThings"], 2);
    let queued = cloud.call("iot", "GET", "/things/T1/jobs?status=QUEUED", b"").await.ok();
    assert_eq!(queued["executionSummaries"].as_array().unwrap().len(), 1);
    assert_eq!(queued["executionSummaries"][0]["jobId"], second.as_str());
    let page = cloud.call("iot", "GET", "/things/T1/jobs?maxResults=1", b"").await.ok();
    let token = page["nextToken"].as_str().unwrap();
    let target = format!("/things/T1/jobs?maxResults=1&nextToken={token}");
    let rest = cloud.call("iot", "GET", &target, b"").await.ok();
    assert_ne!(rest["executionSummaries"][0]["jobId"], page["executionSummaries"][0]["jobId"]);
    assert!(rest["nextToken"].is_null());

    let target = format!("/things/T1/jobs/{second}");
    let execution = cloud.call("iot", "GET", &target, b"").await.ok()["execution"].take();
    assert_eq!(execution["thingArn"], cloud.registry.account().thing("T1"));
    assert_eq!(
        (&execution["versionNumber"], &execution["executionNumber"]),
        (&json!(1), &json!(1))
    );
    let target = format!("/things/T1/jobs/{second}?executionNumber=2");
    let missing = cloud.call("iot", "GET", &target, b"").await;
    missing.refused(404, "ResourceNotFoundException");
    let missing = cloud.call("iot", "GET", "/jobs/none", b"").await;
    missing.refused(404, "ResourceNotFoundException");
}

#[tokio::test]
async fn s13_get_caller_identity() {
    let cloud = Fixture::new().await;
    let form = b"Action=GetCallerIdentity&Version=2011-06-15";
    let me = cloud.call("sts", "POST", "/", form).await;
    let root = marram_aws::xml::parse(&me.body).unwrap();
    let result = root.child("GetCallerIdentityResult").unwrap();
    assert_eq!(result.child_text("Account"), Some("123456789012"));
    assert_eq!(result.child_text("Arn"), Some("arn:aws:iam::123456789012:root"));
    let other = cloud.call("sts", "POST", "/", b"Action=AssumeRole").await;
    assert_eq!((other.status, other.xml_code().as_str()), (400, "InvalidAction"));
}

#[tokio::test]
async fn a27_shadows_over_http() {
    let cloud = Fixture::new().await;
    let target = "/things/T/shadow?name=config";
    let missing = cloud.call("iotdata", "GET", target, b"").await;
    missing.refused(404, "ResourceNotFoundException");
    let update = json!({"state": {"desired": {"a": 1}}});
    let updated = cloud.json("iotdata", "POST", target, update).await.ok();
    assert_eq!(updated["version"], 1);
    let stale = json!({"state": {"desired": {"a": 2}}, "version": 7});
    cloud.json("iotdata", "POST", target, stale).await.refused(409, "ConflictException");
    cloud.call("iotdata", "POST", target, b"{").await.refused(400, "InvalidRequestException");

    let topic = percent_encode(b"$aws/things/T/shadow/name/config/update", false);
    let publish = json!({"state": {"desired": {"b": 2}}});
    cloud.json("iotdata", "POST", &format!("/topics/{topic}"), publish).await.ok();
    let got = cloud.call("iotdata", "GET", target, b"").await.ok();
    assert_eq!(got["state"]["desired"], json!({"a": 1, "b": 2}));
    assert!(cloud.published.0.lock().unwrap().is_empty(), "requests are no messages");
    cloud.call("iotdata", "DELETE", target, b"").await.ok();
    let gone = cloud.fleet.get_shadow("T", Some("config"), b"", marram_fleet::Origin::Elsewhere);
    assert_eq!(gone.await.unwrap_err().code, 404);
}

#[tokio::test]
async fn messages_are_published_with_their_quality() {
    let cloud = Fixture::new().await;
    cloud
        .call(
            "iotdata",
            "POST",
            "/topics/a%2Fb%20c?contentType=text%2Fplain&qos=1&retain=true",
            b"hi",
        )
        .await
        .ok();
    cloud.call("iotdata", "POST", "/topics/a", b"").await.ok();
    let published = std::mem::take(&mut *cloud.published.0.lock().unwrap());
    assert_eq!(
        published,
        [
            Publication {
                topic: "a/b c".to_owned(),
                payload: "hi".into(),
                at_least_once: true,
                retain: true,
                properties: MessageProperties {
                    content_type: Some("text/plain".to_owned()),
                    ..MessageProperties::default()
                },
            },
            Publication {
                topic: "a".to_owned(),
                payload: "".into(),
                at_least_once: false,
                retain: false,
                properties: MessageProperties::default(),
            },
        ]
    );
    for target in [
        "/topics/a%2F%23",
        "/topics/a?qos=2",
        "/topics/%24aws%2Fthings%2FT%2Fjobs%2Fget",
        "/topics/a?retain=perhaps",
        "/topics/a?messageExpiry=-1",
    ] {
        let answer = cloud.call("iotdata", "POST", target, b"hi").await;
        answer.refused(400, "InvalidRequestException");
    }
}

#[tokio::test]
async fn a31_objects_go_in_and_come_out() {
    let cloud = Fixture::new().await;
    cloud.call("s3", "PUT", "/bkt", b"").await.ok();
    let root = cloud.root();
    let checksum = [("x-amz-checksum-crc32", "NhCmhg=="), ("content-type", "text/plain")];
    let put = cloud.call_as(&root, "s3", "PUT", "/bkt/a/b%20c%2Bd.txt", &checksum, b"hello").await;
    assert_eq!(put.status, 200, "{}", put.text());
    let got = cloud.call("s3", "GET", "/bkt/a/b%20c%2Bd.txt", b"").await;
    assert_eq!((got.status, got.text()), (200, "hello"));
    let wrong = [("x-amz-checksum-crc32", "AAAAAA==")];
    let bad = cloud.call_as(&root, "s3", "PUT", "/bkt/k", &wrong, b"hello").await;
    assert_eq!((bad.status, bad.xml_code().as_str()), (400, "BadDigest"));
    let missing = cloud.call("s3", "GET", "/bkt/none", b"").await;
    assert_eq!((missing.status, missing.xml_code().as_str()), (404, "NoSuchKey"));
}

#[tokio::test]
async fn the_server_stops_within_its_grace() {
    let cloud = Fixture::new().await;
    cloud.call("iot", "GET", "/things", b"").await.ok();
    let stopping = cloud.api.stop(Duration::from_secs(5));
    tokio::time::timeout(Duration::from_secs(6), stopping).await.unwrap();
}
