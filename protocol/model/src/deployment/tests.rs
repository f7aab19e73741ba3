use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<DeploymentDocument, ParseDocument> {
    DeploymentDocument::parse(text.as_bytes())
}

#[test]
fn doc_01_defaults() {
    let document = parse(r#"{"deploymentId":"d","components":{"a":{"version":"1.0.0"}}}"#).unwrap();
    assert_eq!(document.failure_handling_policy, FailureHandlingPolicy::Rollback);
    assert_eq!(document.component_update_policy, ComponentUpdatePolicy::default());
    assert_eq!(document.component_update_policy.timeout, 60);
    assert_eq!(document.component_update_policy.action, ComponentUpdateAction::NotifyComponents);
    assert_eq!(document.configuration_validation_policy.timeout, 60);
    assert_eq!(serde_json::to_value(document.schema_date).unwrap(), SCHEMA_DATE);
}

#[test]
fn doc_02_numbers_as_floating_point() {
    let document = parse(
        r#"{"creationTimestamp":1.604067741583E12,"componentUpdatePolicy":{"timeout":120.0},
            "configurationValidationPolicy":{"timeout":60.7}}"#,
    )
    .unwrap();
    assert_eq!(document.creation_timestamp, Some(1_604_067_741_583));
    assert_eq!(document.component_update_policy.timeout, 120);
    assert_eq!(document.configuration_validation_policy.timeout, 60);
}

#[test]
fn doc_03_what_is_refused() {
    for text in [
        r#"{"componentUpdatePolicy":{"action":"notify_components"}}"#,
        r#"{"components":{"a":{"version":"1.0"}}}"#,
        r#"{"components":{"a":{}}}"#,
        r#"{"schemaDate":"2020-01-01"}"#,
        r#"{"componentUpdatePolicy":null}"#,
        r#"{"configurationValidationPolicy":{"timeout":null}}"#,
        "[]x",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.error_codes(), [ErrorCode::DeploymentDocumentParseError], "{text}");
    }
}

#[test]
fn doc_04_group_from_the_configuration_arn() {
    let group =
        |arn: &str| parse(&format!(r#"{{"configurationArn":"{arn}"}}"#)).unwrap().group_name();
    assert_eq!(
        group("arn:aws:greengrass:us-east-1:1:configuration:thinggroup/G:2"),
        "thinggroup/G"
    );
    assert_eq!(group("arn:aws:greengrass:us-east-1:1:configuration:thing/T:1"), "thing/T");
    assert_eq!(group("foo"), "foo");
}

#[test]
fn doc_05_on_behalf_of_another_group() {
    let document = parse(
        r#"{"onBehalfOf":"arn:aws:iot:us-east-1:1:thinggroup/P",
            "configurationArn":"arn:aws:greengrass:us-east-1:1:configuration:thinggroup/G:2"}"#,
    )
    .unwrap();
    assert_eq!(document.group_name(), "thinggroup/P");
    let error = parse(r#"{"onBehalfOf":"arn:aws:iot:us-east-1:1:thing/P"}"#).unwrap_err();
    assert_eq!(error.error_codes(), [ErrorCode::DeploymentDocumentNotValid]);
}

#[test]
fn doc_06_unknown_capabilities_are_named() {
    let document = parse(r#"{"requiredCapabilities":["LARGE_CONFIGURATION","X"]}"#).unwrap();
    assert_eq!(document.missing_capabilities(&[LARGE_CONFIGURATION]), ["X"]);
}

#[test]
fn unknown_fields_and_wrong_case_are_ignored() {
    let document = parse(r#"{"DeploymentId":"d","new":1,"deploymentName":null}"#).unwrap();
    assert_eq!(document.deployment_id, "");
    assert_eq!(document.deployment_name, None);
}

#[test]
fn absent_parts_are_omitted_not_null() {
    let text = r#"{"components":{"a":{"version":"1.0.0","runWith":{"systemResourceLimits":
        {"memory":65536,"cpus":0.5}},"configurationUpdate":{"merge":{"k":null}}}}}"#;
    let value = serde_json::to_value(parse(text).unwrap()).unwrap();
    let component = &value["components"]["a"];
    assert_eq!(
        component["runWith"],
        serde_json::json!({"systemResourceLimits":{"memory":65536,"cpus":0.5}})
    );
    assert_eq!(component["configurationUpdate"], serde_json::json!({"merge":{"k":null}}));
    assert!(value.get("onBehalfOf").is_none());
    assert_eq!(value["failureHandlingPolicy"], "ROLLBACK");
}

proptest! {
    #[test]
    fn a_written_document_comes_back(
        timestamp in prop::option::of(0i64..4_000_000_000_000),
        names in prop::collection::btree_set("[a-zA-Z0-9_-]{1,12}", 0..4),
        reset in prop::collection::vec("(/[a-z]{1,4}){0,2}", 0..3),
        timeout in 0i64..100_000,
    ) {
        let spec = ComponentSpec {
            version: Version::new(1, 2, 3),
            configuration_update: Some(ConfigurationUpdate { merge: None, reset }),
            run_with: None,
        };
        let document = DeploymentDocument {
            creation_timestamp: timestamp,
            components: names.iter().map(|n| (n.parse().unwrap(), spec.clone())).collect(),
            configuration_validation_policy: ConfigurationValidationPolicy { timeout },
            ..DeploymentDocument::parse(b"{}").unwrap()
        };
        let bytes = serde_json::to_vec(&document).unwrap();
        prop_assert_eq!(DeploymentDocument::parse(&bytes).unwrap(), document);
    }
}
