use super::*;

fn foreign() -> (tempfile::TempDir, Authority) {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path()).unwrap();
    (directory, authority)
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_registered_once_and_may_connect() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let (_directory, authority) = foreign();
    let pem = authority.issue_client("device").unwrap().certificate_pem;
    let body = json!({"certificatePem": pem, "status": "ACTIVE"});
    let made = registry.register_certificate_without_ca(request(body.clone())).await.unwrap();
    let der = marram_tls::certificate_der(&pem).unwrap();
    assert_eq!(made.certificate_id, marram_tls::certificate_id(&der));
    registry.authenticate_certificate(&der).await.unwrap();
    let ask = json!({"certificateId": made.certificate_id});
    let described = registry.describe_certificate(request(ask)).await.unwrap();
    assert_eq!(described.certificate_description.certificate_mode, "SNI_ONLY");
    let again = registry.register_certificate_without_ca(request(body)).await.unwrap_err();
    assert_eq!(again.code, "ResourceAlreadyExistsException");
    assert_eq!(again.members["resourceId"], json!(made.certificate_id));
}

#[tokio::test]
async fn the_authority_that_is_given_must_have_signed() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let (_one, signer) = foreign();
    let (_two, other) = foreign();
    let pem = signer.issue_client("device").unwrap().certificate_pem;
    for authority in [None, Some(other.certificate_pem()), Some("no certificate")] {
        let body = json!({"certificatePem": pem, "caCertificatePem": authority});
        let refused = registry.register_certificate(request(body)).await;
        assert_error(refused, "CertificateValidationException", 400);
    }
    let body = json!({"certificatePem": pem, "caCertificatePem": signer.certificate_pem()});
    let made = registry.register_certificate(request(body)).await.unwrap();
    let ask = json!({"certificateId": made.certificate_id});
    let described = registry.describe_certificate(request(ask)).await.unwrap();
    let described = described.certificate_description;
    assert_eq!(
        (described.status.as_str(), described.certificate_mode.as_str()),
        ("INACTIVE", "DEFAULT")
    );
}

#[tokio::test]
async fn what_is_no_certificate_or_status_is_refused() {
    let fixture = Fixture::new().await;
    let (_directory, authority) = foreign();
    let pem = authority.issue_client("device").unwrap().certificate_pem;
    for (pem, status, code) in [
        ("nonsense", "ACTIVE", "CertificateValidationException"),
        ("", "ACTIVE", "InvalidRequestException"),
        (&pem, "PENDING_ACTIVATION", "InvalidRequestException"),
    ] {
        let body = json!({"certificatePem": pem, "status": status});
        let refused = fixture.registry.register_certificate_without_ca(request(body)).await;
        assert_error(refused, code, 400);
    }
}

#[tokio::test]
async fn the_older_operations_attach_policies_to_certificates() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let arn = fixture.certificate(true).await.certificate_arn;
    fixture.policy("P", "iot:Connect", "client/a").await;
    let both = json!({"policyName": "P", "principal": arn});
    registry.attach_principal_policy(request(both.clone())).await.unwrap();
    let policies = registry.list_principal_policies(request(json!({"principal": arn}))).await;
    assert_eq!(policies.unwrap().policies[0].policy_name, "P");
    let principals = registry.list_policy_principals(request(json!({"policyName": "P"}))).await;
    assert_eq!(principals.unwrap().principals, std::slice::from_ref(&arn));
    registry.detach_principal_policy(request(both)).await.unwrap();
    let policies = registry.list_principal_policies(request(json!({"principal": arn}))).await;
    assert_eq!(policies.unwrap().policies, []);
    fixture.group("G", None).await;
    let body = json!({"policyName": "P", "principal": registry.account().thing_group("G")});
    let group = registry.attach_principal_policy(request(body)).await;
    assert_error(group, "InvalidRequestException", 400);
}
