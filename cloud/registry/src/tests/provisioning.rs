use std::collections::BTreeMap;

use super::certificates::CSR;
use super::*;
use crate::Change;

const ROLE: &str = "arn:aws:iam::123456789012:role/provisioning";

fn body(name: &str) -> String {
    json!({
        "Parameters": {"Serial": {"Type": "String"}, "Csr": {"Type": "String", "Default": ""}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Fn::Sub": format!("{name}-${{Serial}}")},
                    "ThingGroups": ["G"],
                    "AttributePayload": {"serial": {"Ref": "Serial"}},
                },
                "OverrideSettings": {"AttributePayload": "REPLACE", "ThingGroups": "REPLACE"},
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateSigningRequest": {"Ref": "Csr"}, "Status": "Active"},
            },
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {
                "Statement": {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
            }}},
        },
    })
    .to_string()
}

async fn create(fixture: &Fixture, name: &str) {
    let body = json!({
        "templateName": name, "templateBody": body("core"), "provisioningRoleArn": ROLE,
    });
    fixture.registry.create_provisioning_template(request(body)).await.unwrap();
}

fn of<T: DeserializeOwned>(name: &str, more: Value) -> T {
    let mut body = json!({"templateName": name});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request(body)
}

#[tokio::test]
async fn a_template_lives_from_its_creation_to_its_end() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    create(&fixture, "T").await;
    let again = json!({
        "templateName": "T", "templateBody": body("core"), "provisioningRoleArn": ROLE,
    });
    let again = registry.create_provisioning_template(request(again)).await;
    assert_error(again, "ResourceAlreadyExistsException", 409);
    let described = registry.describe_provisioning_template(of("T", json!({}))).await.unwrap();
    let wire = serde_json::to_value(described).unwrap();
    assert_eq!(wire["type"], "FLEET_PROVISIONING");
    assert_eq!((&wire["enabled"], &wire["defaultVersionId"]), (&json!(false), &json!(1)));
    assert_eq!(wire["templateBody"], body("core"));

    let hook = json!({"targetArn": "arn:aws:lambda:eu-west-1:123456789012:function:f"});
    let update = json!({"enabled": true, "description": "d", "preProvisioningHook": hook});
    registry.update_provisioning_template(of("T", update)).await.unwrap();
    let described = registry.describe_provisioning_template(of("T", json!({}))).await.unwrap();
    assert!(described.summary.enabled);
    let hook = described.pre_provisioning_hook.unwrap();
    assert_eq!(hook.payload_version.as_deref(), Some("2020-04-01"));
    let update = json!({"removePreProvisioningHook": true});
    registry.update_provisioning_template(of("T", update)).await.unwrap();
    let described = registry.describe_provisioning_template(of("T", json!({}))).await.unwrap();
    assert_eq!(described.pre_provisioning_hook, None);
    assert_eq!(described.summary.description.as_deref(), Some("d"));

    registry.delete_provisioning_template(of("T", json!({}))).await.unwrap();
    let gone = registry.describe_provisioning_template(of("T", json!({}))).await;
    assert_error(gone, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn templates_are_checked_before_they_are_stored() {
    let fixture = Fixture::new().await;
    for (member, value) in [
        ("templateBody", json!("{}")),
        ("templateBody", json!("x".repeat(10_241))),
        ("templateName", json!("with space")),
        ("provisioningRoleArn", json!("short")),
        ("type", json!("OTHER")),
        ("description", json!("x".repeat(501))),
    ] {
        let mut body = json!({
            "templateName": "T", "templateBody": body("core"), "provisioningRoleArn": ROLE,
        });
        body[member] = value;
        let error = fixture.registry.create_provisioning_template(request(body)).await.unwrap_err();
        assert_eq!(error.code, "InvalidRequestException");
        assert!(error.message.contains(&format!("`{member}`")), "{error}");
    }
    let page = fixture.registry.list_provisioning_templates(request(json!({}))).await.unwrap();
    assert_eq!(page.templates, []);
}

#[tokio::test]
async fn a_template_has_five_versions_one_of_which_is_in_force() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    create(&fixture, "T").await;
    for number in 2..=5 {
        let more =
            json!({"templateBody": body(&format!("v{number}")), "setAsDefault": number == 3});
        let made = registry.create_provisioning_template_version(of("T", more)).await.unwrap();
        assert_eq!(made.version_id, number);
    }
    let more = json!({"templateBody": body("v6")});
    let sixth = registry.create_provisioning_template_version(of("T", more)).await;
    assert_error(sixth, "VersionsLimitExceededException", 409);
    let described = registry.describe_provisioning_template(of("T", json!({}))).await.unwrap();
    assert_eq!(described.template_body, body("v3"));
    let delete =
        |id: &str| registry.delete_provisioning_template_version(of("T", json!({"versionId": id})));
    assert_error(delete("3").await, "DeleteConflictException", 409);
    delete("5").await.unwrap();
    assert_error(delete("5").await, "ResourceNotFoundException", 404);
    let (mut numbers, mut token) = (Vec::new(), None);
    loop {
        let more = json!({"maxResults": 3, "nextToken": token});
        let page = registry.list_provisioning_template_versions(of("T", more)).await.unwrap();
        numbers.extend(page.versions.iter().map(|row| (row.version_id, row.is_default_version)));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(numbers, [(1, false), (2, false), (3, true), (4, false)]);
    let update = json!({"defaultVersionId": 5});
    let unknown = registry.update_provisioning_template(of("T", update)).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn a_claim_ends_after_five_minutes_and_is_swept_away() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    create(&fixture, "T").await;
    let claim = registry.create_provisioning_claim(of("T", json!({}))).await.unwrap();
    assert_eq!(claim.expiration.0, NOW_MS + 300_000);
    let der = marram_tls::certificate_der(&claim.certificate_pem).unwrap();
    registry.authenticate_certificate(&der).await.unwrap();
    let mut reader = fixture.store.read().await.unwrap();
    let template = reader.template_of_claim(&claim.certificate_id).await.unwrap();
    assert_eq!(template.as_deref(), Some("T"));
    drop(reader);

    // Its template may be gone by then.
    registry.delete_provisioning_template(of("T", json!({}))).await.unwrap();
    create(&fixture, "Other").await;
    fixture.clock.set_ms(NOW_MS + 300_001);
    assert!(registry.authenticate_certificate(&der).await.is_err());
    registry.create_provisioning_claim(of("Other", json!({}))).await.unwrap();
    let ask = json!({"certificateId": claim.certificate_id});
    let gone = registry.describe_certificate(request(ask)).await;
    assert_error(gone, "ResourceNotFoundException", 404);
    let unknown = registry.create_provisioning_claim(of("U", json!({}))).await;
    assert_error(unknown, "ResourceNotFoundException", 404);
}

#[tokio::test]
async fn register_thing_makes_what_the_template_names() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    fixture.group("G", None).await;
    let mut changes = registry.changes();
    let parameters = json!({"Serial": "1", "Csr": CSR});
    let ask = json!({"templateBody": body("core"), "parameters": parameters});
    let made = registry.register_thing(request(ask)).await.unwrap();
    let account = registry.account();
    assert_eq!(made.resource_arns["thing"], account.thing("core-1"));
    let added = Change::MemberAdded { group: "G".to_owned(), thing: "core-1".to_owned() };
    assert_eq!(changes.try_recv().unwrap(), added);
    let thing = registry.describe_thing(request(json!({"thingName": "core-1"}))).await.unwrap();
    assert_eq!(thing.attributes, BTreeMap::from([("serial".to_owned(), "1".to_owned())]));
    let der = marram_tls::certificate_der(&made.certificate_pem.unwrap()).unwrap();
    let identity = registry.authenticate_certificate(&der).await.unwrap();
    assert_eq!(identity.things(), ["core-1"]);
    assert!(identity.decide_mqtt("core-1", "iot:Connect", "arn:x").is_allowed());
}

#[tokio::test]
async fn a_registration_that_fails_leaves_nothing() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    // There is no group G: the certificate and the thing come before it.
    let parameters = json!({"Serial": "1", "Csr": CSR});
    let ask = json!({"templateBody": body("core"), "parameters": parameters});
    let failed = registry.register_thing(request(ask)).await;
    assert_error(failed, "ResourceRegistrationFailureException", 400);
    let thing = registry.describe_thing(request(json!({"thingName": "core-1"}))).await;
    assert_error(thing, "ResourceNotFoundException", 404);
    let page = registry.list_certificates(request(json!({}))).await.unwrap();
    assert_eq!(page.certificates, []);
}

#[tokio::test]
async fn a_thing_that_is_there_changes_as_the_settings_say() {
    let fixture = Fixture::new().await;
    let registry = &fixture.registry;
    for group in ["G", "old"] {
        fixture.group(group, None).await;
    }
    fixture.thing("core-1").await;
    fixture.member("old", "core-1").await;
    let certificate = fixture.certificate(false).await;
    let with = |settings: Value| {
        let mut body: Value = serde_json::from_str(&body("core")).unwrap();
        let resources = &mut body["Resources"];
        resources["thing"]["OverrideSettings"] = settings;
        resources["certificate"]["Properties"] =
            json!({"CertificateId": certificate.certificate_id, "Status": "ACTIVE"});
        let ask = json!({"templateBody": body.to_string(), "parameters": {"Serial": "1"}});
        registry.register_thing(request(ask))
    };
    let attributes = || async {
        let ask = json!({"thingName": "core-1"});
        registry.describe_thing(request(ask)).await.unwrap().attributes
    };
    let fail = with(json!({"AttributePayload": "FAIL"})).await;
    assert_error(fail, "ConflictingResourceUpdateException", 409);
    with(json!({})).await.unwrap();
    assert_eq!(attributes().await, BTreeMap::new());
    with(json!({"AttributePayload": "MERGE", "ThingGroups": "REPLACE"})).await.unwrap();
    assert_eq!(attributes().await["serial"], "1");
    let groups = registry.groups_of_thing("core-1").await.unwrap();
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["G"]);
    let der = marram_tls::certificate_der(&certificate.certificate_pem).unwrap();
    let identity = registry.authenticate_certificate(&der).await.unwrap();
    assert_eq!(identity.things(), ["core-1"]);
}
