use super::*;

#[tokio::test]
async fn a_policy_is_read_back_as_it_was_sent() {
    let fixture = Fixture::new().await;
    let document = r#"{"Statement": {"Effect":"Allow", "Action":"iot:*", "Resource":"*"}}"#;
    let body = json!({"policyName": "P", "policyDocument": document});
    let made = fixture.registry.create_policy(request(body.clone())).await.unwrap();
    assert_eq!(made.policy_version_id, "1");
    let got = fixture.registry.get_policy(request(json!({"policyName": "P"}))).await.unwrap();
    assert_eq!(got.policy_document, document);
    assert_eq!(got.default_version_id, "1");
    let again = fixture.registry.create_policy(request(body)).await;
    assert_error(again, "ResourceAlreadyExistsException", 409);
    let unknown = fixture.registry.get_policy(request(json!({"policyName": "Q"}))).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn a_malformed_document_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let body = json!({"policyName": "P", "policyDocument": r#"{"Statement": [{"Effect": "No"}]}"#});
    let error = fixture.registry.create_policy(request(body)).await.unwrap_err();
    assert_eq!((error.code, error.status), ("MalformedPolicyException", 400));
    assert!(error.message.contains("Statement[0].Effect"), "{error}");
}

#[tokio::test]
async fn an_attached_policy_is_not_deleted() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    let certificate = fixture.certificate(true).await;
    fixture.policy("P", "iot:Connect", "client/a").await;
    fixture.attach_policy("P", &certificate.certificate_arn).await;
    fixture.attach_policy("P", &certificate.certificate_arn).await;
    let targets = registry.list_targets_for_policy(request(json!({"policyName": "P"}))).await;
    assert_eq!(targets.unwrap().targets.concat(), certificate.certificate_arn);
    let delete = || registry.delete_policy(request(json!({"policyName": "P"})));
    assert_error(delete().await, "DeleteConflictException", 409);
    let body = json!({"policyName": "P", "target": certificate.certificate_arn});
    registry.detach_policy(request(body)).await.unwrap();
    delete().await.unwrap();
}

#[tokio::test]
async fn attached_policies_of_a_group_may_include_those_above_it() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    fixture.group("root", None).await;
    fixture.group("leaf", Some("root")).await;
    for (policy, group) in [("A", "root"), ("B", "leaf")] {
        fixture.policy(policy, "iot:Connect", "client/a").await;
        fixture.attach_policy(policy, &registry.account().thing_group(group)).await;
    }
    for (recursive, expected) in [(false, vec!["B"]), (true, vec!["A", "B"])] {
        let body =
            json!({"target": registry.account().thing_group("leaf"), "recursive": recursive});
        let page = registry.list_attached_policies(request(body)).await.unwrap();
        let names: Vec<_> = page.policies.iter().map(|p| p.policy_name.as_str()).collect();
        assert_eq!(names, expected);
    }
    let body = json!({"policyName": "A", "target": registry.account().thing("T")});
    assert_error(registry.attach_policy(request(body)).await, "InvalidRequestException", 400);
}
