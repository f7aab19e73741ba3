use serde_json::json;

use super::*;

fn body() -> Value {
    json!({
        "Parameters": {
            "Serial": { "Type": "String" },
            "Place": { "Type": "String", "Default": "berlin" },
            "AWS::IoT::Certificate::Id": { "Type": "String" },
        },
        "Mappings": { "Groups": { "berlin": { "group": "G-berlin" } } },
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": { "Fn::Join": ["-", ["core", { "Ref": "Serial" }]] },
                    "ThingGroups": [{ "Fn::FindInMap": ["Groups", { "Ref": "Place" }, "group"] }],
                    "AttributePayload": {
                        "half": { "Fn::Select": [1, { "Fn::Split": [".", { "Ref": "Serial" }] }] },
                        "text": { "Fn::Sub": "${Place}/${!x}" },
                        "own": { "Fn::Sub": ["${a}${Serial}", { "a": "A" }] },
                    },
                },
                "OverrideSettings": { "AttributePayload": "MERGE", "ThingGroups": "FAIL" },
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" },
                    "Status": "Active",
                },
            },
            "policy": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyName": "P" } },
        },
    })
}

fn parameters(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_template_becomes_a_plan() {
    let template = Template::parse(&body().to_string()).unwrap();
    let given = parameters(&[("Serial", "1.2"), ("AWS::IoT::Certificate::Id", "ab")]);
    let plan = template.resolve(&given).unwrap();
    let thing = plan.thing.unwrap();
    assert_eq!((thing.id.as_str(), thing.name.as_str()), ("thing", "core-1.2"));
    assert_eq!(thing.groups, ["G-berlin"]);
    assert_eq!(
        thing.attributes,
        parameters(&[("half", "2"), ("text", "berlin/${x}"), ("own", "A1.2"),])
    );
    let certificate = plan.certificate.unwrap();
    assert_eq!(certificate.source, CertificateSource::Id("ab".to_owned()));
    assert_eq!(certificate.status.as_deref(), Some("ACTIVE"));
    let named = PolicyPlan::Named { id: "policy".to_owned(), name: "P".to_owned() };
    assert_eq!(plan.policies, [named]);
}

#[test]
fn a_parameters_value_brings_no_function_in() {
    let template = Template::parse(&body().to_string()).unwrap();
    let hostile = r#"{"Ref":"AWS::IoT::Certificate::Id"}.${Place}"#;
    let given = parameters(&[("Serial", hostile), ("AWS::IoT::Certificate::Id", "ab")]);
    let thing = template.resolve(&given).unwrap().thing.unwrap();
    assert_eq!(thing.name, format!("core-{hostile}"));
}

#[test]
fn a_parameter_without_value_and_default_is_named() {
    let template = Template::parse(&body().to_string()).unwrap();
    let error = template.resolve(&parameters(&[("Serial", "1.2")])).unwrap_err().to_string();
    assert!(error.contains("AWS::IoT::Certificate::Id"), "{error}");
}

#[test]
fn what_is_wrong_with_a_template_is_named() {
    for (pointer, value, place) in [
        ("/Parameters/Serial/Type", json!("Number"), "Parameters.Serial.Type"),
        ("/Resources", json!({}), "Resources"),
        ("/Resources/policy/Type", json!("AWS::S3::Bucket"), "Resources.policy.Type"),
        ("/Resources/policy/Type", json!("AWS::IoT::Thing"), "Resources"),
        ("/Resources/thing/Properties", json!({}), "Resources.thing.Properties.ThingName"),
        ("/Resources/certificate/Properties", json!({}), "Resources.certificate.Properties"),
        (
            "/Resources/policy/Properties",
            json!({ "PolicyName": "a", "PolicyDocument": {} }),
            "Resources.policy.Properties",
        ),
        ("/Resources/policy/Properties/PolicyName", json!({ "Ref": "No" }), "Resources.policy"),
        (
            "/Resources/policy/Properties/PolicyName",
            json!({ "Fn::Sub": "${No}" }),
            "Resources.policy",
        ),
        (
            "/Resources/thing/OverrideSettings/ThingGroups",
            json!("MERGE"),
            "Resources.thing.OverrideSettings.ThingGroups",
        ),
    ] {
        let mut body = body();
        *body.pointer_mut(pointer).unwrap() = value;
        let error = Template::parse(&body.to_string()).unwrap_err();
        assert!(
            matches!(&error, UseTemplate::Wrong { place: found, .. } if found == place),
            "{pointer}: {error}"
        );
    }
    for body in ["", "[]", "{}", r#"{"Resources": 1}"#] {
        assert!(matches!(Template::parse(body), Err(UseTemplate::Read(_))), "{body}");
    }
}

#[test]
fn functions_with_wrong_arguments_are_refused() {
    for value in [
        json!({ "Fn::Join": ["-"] }),
        json!({ "Fn::Join": ["-", [[]]] }),
        json!({ "Fn::Select": [2, ["a"]] }),
        json!({ "Fn::Split": ["", "a"] }),
        json!({ "Fn::Sub": 1 }),
        json!({ "Fn::FindInMap": ["Groups", "paris", "group"] }),
        json!({ "Fn::GetAtt": ["a", "b"] }),
        json!(["a"]),
    ] {
        let mut body = body();
        body["Resources"]["thing"]["Properties"]["ThingName"] = value.clone();
        let template = Template::parse(&body.to_string()).unwrap();
        let given = parameters(&[("Serial", "1.2"), ("AWS::IoT::Certificate::Id", "ab")]);
        let error = template.resolve(&given).unwrap_err();
        assert!(error.to_string().contains("ThingName"), "{value}: {error}");
    }
}
