use super::*;

#[tokio::test]
async fn a_wrong_secret_is_refused_in_each_service_s_own_words() {
    let cloud = Fixture::new().await;
    let wrong = Credentials { secret_access_key: "wrong".to_owned(), ..cloud.root() };
    let answer = cloud.call_as(&wrong, "iot", "GET", "/things", &[], b"").await;
    answer.refused(403, "InvalidSignatureException");
    assert!(answer.text().contains("signature we calculated does not match"));
    let answer = cloud.call_as(&wrong, "s3", "GET", "/bkt/k", &[], b"").await;
    assert_eq!((answer.status, answer.xml_code().as_str()), (403, "SignatureDoesNotMatch"));
    let answer = cloud.call_as(&wrong, "sts", "POST", "/", &[], b"Action=GetCallerIdentity").await;
    assert_eq!((answer.status, answer.xml_code().as_str()), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn an_unknown_key_is_refused_in_each_service_s_own_words() {
    let cloud = Fixture::new().await;
    let unknown = Credentials { access_key_id: "AKIANOBODY".to_owned(), ..cloud.root() };
    let answer =
        cloud.call_as(&unknown, "greengrass", "GET", "/greengrass/v2/components", &[], b"");
    answer.await.refused(403, "UnrecognizedClientException");
    let answer = cloud.call_as(&unknown, "s3", "GET", "/bkt/k", &[], b"").await;
    assert_eq!((answer.status, answer.xml_code().as_str()), (403, "InvalidAccessKeyId"));
}

#[tokio::test]
async fn unsigned_old_and_tampered_requests_are_refused() {
    let cloud = Fixture::new().await;
    let unsigned = cloud.send("GET", "/things", Vec::new(), b"").await;
    unsigned.refused(403, "MissingAuthenticationTokenException");

    cloud.clock.advance(Duration::from_secs(16 * 60));
    let late = cloud.clock.now_ms();
    cloud.clock.set_ms(NOW_MS);
    let early = ManualClock::at_ms(late);
    let credentials = cloud.root();
    let host = cloud.host();
    let headers = [("host", host.as_str())];
    let request = Request { method: "GET", path: "/things", query: "", headers: &headers };
    let region = "us-east-1";
    let signer =
        Signer { credentials: &credentials, region, service: "iot", now_ms: early.now_ms() };
    let added = signer.sign(&request, &Payload::of(b""));
    let answer = cloud.send("GET", "/things", added, b"").await;
    answer.refused(403, "InvalidSignatureException");

    let signer = Signer { now_ms: NOW_MS, ..signer };
    let added = signer.sign(&request, &Payload::of(b""));
    cloud.send("GET", "/things", added.clone(), b"").await.ok();
    let tampered = cloud.send("GET", "/things?maxResults=1", added.clone(), b"").await;
    tampered.refused(403, "InvalidSignatureException");
    let with_body = cloud.send("GET", "/things", added, b"{}").await;
    with_body.refused(403, "InvalidSignatureException");
}

#[tokio::test]
async fn a34_a35_device_credentials_reach_objects_and_their_own_name_only() {
    let cloud = Fixture::new().await;
    cloud.call("s3", "PUT", "/bkt", b"").await.ok();
    cloud.call("s3", "PUT", "/bkt/k", b"hello").await.ok();
    let device = cloud.device_credentials().await;
    let got = cloud.call_as(&device, "s3", "GET", "/bkt/k", &[], b"").await;
    assert_eq!((got.status, got.text()), (200, "hello"));
    let listed = cloud.call_as(&device, "s3", "GET", "/", &[], b"").await;
    assert_eq!((listed.status, listed.xml_code().as_str()), (403, "AccessDenied"));
    for (service, target) in [
        ("iot", "/things"),
        ("greengrass", "/greengrass/v2/components"),
        ("iotdata", "/things/T/shadow"),
    ] {
        let answer = cloud.call_as(&device, service, "GET", target, &[], b"").await;
        answer.refused(403, "AccessDeniedException");
    }
    let form = b"Action=GetCallerIdentity&Version=2011-06-15";
    let me = cloud.call_as(&device, "sts", "POST", "/", &[], form).await;
    assert!(me.text().contains(":assumed-role/R/"), "{}", me.text());

    let without = Credentials { session_token: None, ..device.clone() };
    let answer = cloud.call_as(&without, "iot", "GET", "/things", &[], b"").await;
    answer.refused(403, "UnrecognizedClientException");
    let other = Credentials { session_token: Some("other".to_owned()), ..device.clone() };
    let answer = cloud.call_as(&other, "s3", "GET", "/bkt/k", &[], b"").await;
    assert_eq!((answer.status, answer.xml_code().as_str()), (400, "InvalidToken"));
    cloud.clock.advance(Duration::from_secs(901));
    let answer = cloud.call_as(&device, "s3", "GET", "/bkt/k", &[], b"").await;
    assert_eq!((answer.status, answer.xml_code().as_str()), (400, "ExpiredToken"));
}

#[tokio::test]
async fn a30_presigned_urls_work_without_headers_until_they_expire() {
    let cloud = Fixture::new().await;
    cloud.call("s3", "PUT", "/bkt", b"").await.ok();
    cloud.call("s3", "PUT", "/bkt/a%20b", b"0123456789").await.ok();
    cloud.blobs.create_bucket(ARTIFACT_BUCKET).await.unwrap();
    cloud.blobs.copy(("bkt", "a b"), (ARTIFACT_BUCKET, "a b"), None).await.unwrap();
    let host = cloud.host();
    let headers = [("host", host.as_str())];
    let path = &format!("/{ARTIFACT_BUCKET}/a%20b");
    let request = Request { method: "GET", path, query: "", headers: &headers };
    let signer = Signer {
        credentials: cloud.registry.system_key(),
        region: "us-east-1",
        service: "s3",
        now_ms: NOW_MS,
    };
    let target = format!("{path}?{}", signer.presign(&request, 60));
    let range = vec![("range".to_owned(), "bytes=0-3".to_owned())];
    let part = cloud.send("GET", &target, range, b"").await;
    assert_eq!((part.status, part.text()), (206, "0123"));
    let other = target.replace("/a%20b", "/a%20c");
    let other = cloud.send("GET", &other, Vec::new(), b"").await;
    assert_eq!((other.status, other.xml_code().as_str()), (403, "SignatureDoesNotMatch"));
    let person = cloud.call("s3", "GET", path, b"").await;
    assert_eq!((person.status, person.xml_code().as_str()), (404, "NoSuchBucket"));
    let system = cloud.registry.system_key();
    let elsewhere = cloud.call_as(system, "s3", "GET", "/bkt/a%20b", &[], b"").await;
    assert_eq!((elsewhere.status, elsewhere.xml_code().as_str()), (403, "AccessDenied"));
    let things = cloud.call_as(system, "iot", "GET", "/things", &[], b"").await;
    things.refused(403, "AccessDeniedException");
    cloud.clock.advance(Duration::from_secs(61));
    let late = cloud.send("GET", &target, Vec::new(), b"").await;
    assert_eq!((late.status, late.xml_code().as_str()), (403, "AccessDenied"));
    assert!(late.text().contains("Request has expired"), "{}", late.text());
}

#[tokio::test]
async fn bodies_are_bounded() {
    let cloud = Fixture::new().await;
    let body = vec![b' '; 1024 * 1024 + 1];
    let answer = cloud.call("iot", "POST", "/things/T", &body).await;
    answer.refused(413, "RequestEntityTooLargeException");
}
