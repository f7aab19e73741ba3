use super::*;

const DENY_ALL: &str = r#"{"Statement": {"Effect":"Deny", "Action":"*", "Resource":"*"}}"#;
const ALLOW_ALL: &str = r#"{"Statement": {"Effect":"Allow", "Action":"*", "Resource":"*"}}"#;

fn version<T: DeserializeOwned>(id: &str) -> T {
    request(json!({"policyName": "P", "policyVersionId": id}))
}

async fn add(fixture: &Fixture, document: &str, is_default: bool) -> Result<String, ApiError> {
    let body = json!({
        "policyName": "P", "policyDocument": document, "setAsDefault": is_default,
    });
    let made = fixture.registry.create_policy_version(request(body)).await?;
    assert_eq!(made.is_default_version, is_default);
    Ok(made.policy_version_id)
}

async fn listed(fixture: &Fixture) -> Vec<(String, bool)> {
    let page = fixture.registry.list_policy_versions(request(json!({"policyName": "P"}))).await;
    let rows = page.unwrap().policy_versions.into_iter();
    rows.map(|row| (row.version_id, row.is_default_version)).collect()
}

#[tokio::test]
async fn a_policy_has_five_versions_and_no_number_comes_again() {
    let fixture = Fixture::new().await;
    fixture.policy("P", "iot:Connect", "client/a").await;
    for expected in ["2", "3", "4", "5"] {
        assert_eq!(add(&fixture, DENY_ALL, false).await.unwrap(), expected);
    }
    assert_error(add(&fixture, DENY_ALL, false).await, "VersionsLimitExceededException", 409);
    fixture.registry.delete_policy_version(version("5")).await.unwrap();
    assert_eq!(add(&fixture, DENY_ALL, true).await.unwrap(), "6");
    let numbers = ["6", "4", "3", "2", "1"];
    assert_eq!(listed(&fixture).await, numbers.map(|id| (id.to_owned(), id == "6")));
    assert_error(add(&fixture, "{}", false).await, "MalformedPolicyException", 400);

    let got = fixture.registry.get_policy_version(version("4")).await.unwrap();
    assert_eq!((got.policy_document.as_str(), got.is_default_version), (DENY_ALL, false));
    let policy = fixture.registry.get_policy(request(json!({"policyName": "P"}))).await.unwrap();
    assert_eq!(policy.default_version_id, "6");
    for id in ["5", "7"] {
        let unknown = fixture.registry.get_policy_version(version(id)).await;
        assert_error(unknown, "ResourceNotFoundException", 404);
    }
    let wrong = fixture.registry.get_policy_version(version("x")).await;
    assert_error(wrong, "InvalidRequestException", 400);
}

#[tokio::test]
async fn the_version_in_force_is_not_deleted_nor_a_policy_with_others() {
    let fixture = Fixture::new().await;
    fixture.policy("P", "iot:Connect", "client/a").await;
    add(&fixture, DENY_ALL, true).await.unwrap();
    let in_force = fixture.registry.delete_policy_version(version("2")).await;
    assert_error(in_force, "InvalidRequestException", 400);
    let delete = || fixture.registry.delete_policy(request(json!({"policyName": "P"})));
    assert_error(delete().await, "DeleteConflictException", 409);
    fixture.registry.delete_policy_version(version("1")).await.unwrap();
    delete().await.unwrap();
}

/// Of a certificate, and of the group of its thing.
#[tokio::test]
async fn the_default_version_is_what_a_live_connection_may_do() {
    for through_group in [false, true] {
        let fixture = Fixture::new().await;
        let certificate = fixture.certificate(true).await;
        fixture.thing("T").await;
        fixture.group("G", None).await;
        fixture.member("G", "T").await;
        fixture.attach_certificate("T", &certificate.certificate_arn).await;
        fixture.policy("P", "iot:Connect", "client/other").await;
        let group = fixture.registry.account().thing_group("G");
        let target = if through_group { &group } else { &certificate.certificate_arn };
        fixture.attach_policy("P", target).await;
        let der = marram_tls::certificate_der(&certificate.certificate_pem).unwrap();
        let identity = fixture.registry.authenticate_certificate(&der).await.unwrap();
        let may = || identity.decide_mqtt("T", "iot:Publish", "arn:x").is_allowed();
        assert!(!may());
        let second = add(&fixture, ALLOW_ALL, false).await.unwrap();
        assert!(!may(), "not in force yet");
        fixture.registry.set_default_policy_version(version(&second)).await.unwrap();
        assert!(may());
        add(&fixture, DENY_ALL, true).await.unwrap();
        assert!(!may());
    }
}
