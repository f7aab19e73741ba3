use super::*;
use crate::{NewRole, Principal};

/// A thing with an active certificate, the role alias `Alias` for 15 minutes, and a policy
/// `Assume` that is not attached yet.
async fn device(fixture: &Fixture) -> (CreateKeysAndCertificateResponse, Vec<u8>) {
    let certificate = fixture.certificate(true).await;
    fixture.thing("T").await;
    fixture.attach_certificate("T", &certificate.certificate_arn).await;
    let body = json!({
        "roleAlias": "Alias",
        "roleArn": fixture.registry.account().role("Devices"),
        "credentialDurationSeconds": 900,
    });
    fixture.registry.create_role_alias(request(body)).await.unwrap();
    fixture.policy("Assume", "iot:AssumeRoleWithCertificate", "rolealias/*").await;
    let der = marram_tls::certificate_der(&certificate.certificate_pem).unwrap();
    (certificate, der)
}

#[tokio::test]
async fn a34_credentials_want_the_policy_and_then_are_known() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let (certificate, der) = device(&fixture).await;
    let identity = registry.authenticate_certificate(&der).await.unwrap();
    let denied = registry.issue_role_credentials(&identity, "Alias", None).await;
    assert_error(denied, "AccessDeniedException", 403);
    fixture.attach_policy("Assume", &certificate.certificate_arn).await;
    let given = registry.issue_role_credentials(&identity, "Alias", Some("T")).await.unwrap();
    assert!(given.access_key_id.starts_with("ASIA"));
    assert_eq!(given.expiration, "2026-01-02T03:19:05Z");

    let known = registry.principal_for_access_key(&given.access_key_id).await.unwrap().unwrap();
    assert_eq!(known.secret_access_key, given.secret_access_key);
    let session = known.session.unwrap();
    assert_eq!(session.token, given.session_token);
    assert_eq!(session.expires_at_ms, NOW_MS + 900_000);
    let Principal::Role { arn, thing_name, .. } = known.principal else {
        panic!("{:?}", known.principal)
    };
    assert!(arn.contains(":assumed-role/Devices/"), "{arn}");
    assert_eq!(thing_name.as_deref(), Some("T"));
}

#[tokio::test]
async fn d21_a_foreign_thing_an_unknown_alias_and_a_revoked_certificate_get_nothing() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let (certificate, der) = device(&fixture).await;
    fixture.attach_policy("Assume", &certificate.certificate_arn).await;
    let identity = registry.authenticate_certificate(&der).await.unwrap();
    let issue = |alias, thing| registry.issue_role_credentials(&identity, alias, thing);
    assert_error(issue("Alias", Some("U")).await, "AccessDeniedException", 403);
    assert_error(issue("None", None).await, "ResourceNotFoundException", 404);
    let body = json!({"certificateId": certificate.certificate_id, "newStatus": "REVOKED"});
    registry.update_certificate(request(body)).await.unwrap();
    assert_error(issue("Alias", None).await, "AccessDeniedException", 403);
}

#[tokio::test]
async fn ended_credentials_are_known_for_a_day_and_then_forgotten() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let (certificate, der) = device(&fixture).await;
    fixture.attach_policy("Assume", &certificate.certificate_arn).await;
    let identity = registry.authenticate_certificate(&der).await.unwrap();
    let first = registry.issue_role_credentials(&identity, "Alias", None).await.unwrap();
    for (hours, is_known) in [(1, true), (30, false)] {
        fixture.clock.advance(std::time::Duration::from_secs(hours * 3600));
        registry.issue_role_credentials(&identity, "Alias", None).await.unwrap();
        let known = registry.principal_for_access_key(&first.access_key_id).await.unwrap();
        assert_eq!(known.is_some(), is_known, "after {hours} h");
    }
}

#[tokio::test]
async fn role_aliases_are_made_changed_and_deleted() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let role = registry.account().role("Devices");
    let create = |duration: i64| {
        let body = json!({
            "roleAlias": "A", "roleArn": role, "credentialDurationSeconds": duration,
        });
        registry.create_role_alias(request(body))
    };
    assert_error(create(899).await, "InvalidRequestException", 400);
    assert_error(create(43_201).await, "InvalidRequestException", 400);
    create(43_200).await.unwrap();
    assert_error(create(900).await, "ResourceAlreadyExistsException", 409);
    let body = json!({"roleAlias": "A", "credentialDurationSeconds": 1800});
    registry.update_role_alias(request(body)).await.unwrap();
    let named = || request(json!({"roleAlias": "A"}));
    let described = registry.describe_role_alias(named()).await.unwrap().role_alias_description;
    assert_eq!((described.credential_duration_seconds, described.role_arn), (1800, role.clone()));
    let listed = registry.list_role_aliases(request(json!({}))).await.unwrap();
    assert_eq!(listed.role_aliases, ["A"]);
    registry.delete_role_alias(named()).await.unwrap();
    let unknown = registry.describe_role_alias(named()).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn a_deleted_role_comes_back_only_when_it_is_named() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    device(&fixture).await;
    let policies = registry.attached_role_policies("Devices").await.unwrap();
    for arn in policies {
        registry.detach_role_policy("Devices", &arn).await.unwrap();
    }
    registry.delete_role("Devices").await.unwrap();
    let update = |members| registry.update_role_alias(request(members));
    update(json!({"roleAlias": "Alias", "credentialDurationSeconds": 1800})).await.unwrap();
    assert!(registry.role("Devices").await.is_err());
    let role = registry.account().role("Devices");
    update(json!({"roleAlias": "Alias", "roleArn": role})).await.unwrap();
    assert!(registry.role("Devices").await.is_ok());
}

#[tokio::test]
async fn a_role_alias_names_exactly_the_role_that_may_be_passed() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    device(&fixture).await;
    let own = registry.account().role("Devices");
    let another = own.replace(&registry.account().account_id, "000000000000");
    for arn in [another, own.replace("role/", "role/field/")] {
        let alias = json!({"roleAlias": "Other", "roleArn": arn});
        let refused = registry.create_role_alias(request(alias)).await;
        assert_error(refused, "InvalidRequestException", 400);
        let alias = json!({"roleAlias": "Alias", "roleArn": arn});
        assert_error(
            registry.update_role_alias(request(alias)).await,
            "InvalidRequestException",
            400,
        );
    }
    let elsewhere = registry.account().iam("role/field/Pumps");
    let alias = json!({"roleAlias": "Pumps", "roleArn": elsewhere});
    registry.create_role_alias(request(alias)).await.unwrap();
    assert_eq!(registry.role("Pumps").await.unwrap().arn, elsewhere);
}

#[tokio::test]
async fn credentials_last_no_longer_than_the_role_allows() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let role = NewRole {
        name: "Devices".into(),
        path: "/".into(),
        trust: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"credentials.iot.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#.into(),
        description: None,
        session_s: Some(3600),
    };
    registry.create_role(role).await.unwrap();
    let (certificate, der) = device(&fixture).await;
    fixture.attach_policy("Assume", &certificate.certificate_arn).await;
    let longer = json!({"roleAlias": "Alias", "credentialDurationSeconds": 43_200});
    registry.update_role_alias(request(longer)).await.unwrap();
    let identity = registry.authenticate_certificate(&der).await.unwrap();
    let given = registry.issue_role_credentials(&identity, "Alias", None).await.unwrap();
    assert_eq!(given.expiration, "2026-01-02T04:04:05Z");
}
