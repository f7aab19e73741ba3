use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:iot:us-east-1:123456789012:";

fn set(documents: &[serde_json::Value]) -> PolicySet {
    let documents: Vec<_> =
        documents.iter().map(|json| PolicyDocument::parse(&json.to_string()).unwrap()).collect();
    PolicySet::compile(&documents)
}

fn allow(action: &str, resource: &str) -> serde_json::Value {
    statement(json!({"Effect": "Allow", "Action": action, "Resource": format!("{ARN}{resource}")}))
}

fn statement(statement: serde_json::Value) -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn decide(set: &PolicySet, action: &str, resource: &str) -> Decision {
    set.allows(action, &format!("{ARN}{resource}"), &Variables::default())
}

#[test]
fn a26_a_statement_that_is_an_object_is_accepted() {
    let set = set(&[json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Action": "iot:AssumeRoleWithCertificate",
        "Resource": format!("{ARN}rolealias/Alias"),
    }})]);
    assert_eq!(decide(&set, "iot:AssumeRoleWithCertificate", "rolealias/Alias"), Decision::Allowed);
}

#[test]
fn a26_a_star_allows_the_second_connection_of_a_core() {
    let set = set(&[allow("iot:Connect", "client/core*")]);
    assert_eq!(decide(&set, "iot:Connect", "client/core#2"), Decision::Allowed);
    assert_eq!(decide(&set, "iot:Connect", "client/cor"), Decision::NotAllowed);
}

#[test]
fn a26_wildcards_cross_slashes_in_topic_filters() {
    let set = set(&[allow("iot:Subscribe", "topicfilter/$aws/things/core*/jobs/*")]);
    let filter = "topicfilter/$aws/things/core/jobs/$next/namespace-aws-gg-deployment/get/accepted";
    assert_eq!(decide(&set, "iot:Subscribe", filter), Decision::Allowed);
}

#[test]
fn a26_mqtt_wildcards_are_literal_in_a_policy() {
    let set = set(&[allow("iot:Subscribe", "topicfilter/a/+")]);
    assert_eq!(decide(&set, "iot:Subscribe", "topicfilter/a/+"), Decision::Allowed);
    assert_eq!(decide(&set, "iot:Subscribe", "topicfilter/a/b"), Decision::NotAllowed);
}

#[test]
fn a26b_receive_is_an_action_of_its_own() {
    let set = set(&[
        allow("iot:Publish", "topic/$aws/things/T/shadow/get"),
        allow("iot:Subscribe", "topicfilter/$aws/things/T/shadow/get/accepted"),
    ]);
    let reply = "topic/$aws/things/T/shadow/get/accepted";
    assert_eq!(decide(&set, "iot:Receive", reply), Decision::NotAllowed);
}

#[test]
fn a26b_resources_regard_case_and_actions_do_not() {
    let set = set(&[allow("IOT:publish", "topic/A")]);
    assert_eq!(decide(&set, "iot:Publish", "topic/A"), Decision::Allowed);
    assert_eq!(decide(&set, "iot:Publish", "topic/a"), Decision::NotAllowed);
}

#[test]
fn an_explicit_deny_wins_in_either_order() {
    let deny = statement(json!({
        "Effect": "Deny", "Action": ["iot:Publish", "iot:Receive"], "Resource": "*",
    }));
    let allow = allow("iot:*", "topic/a");
    for documents in [[deny.clone(), allow.clone()], [allow, deny]] {
        let set = set(&documents);
        assert_eq!(decide(&set, "iot:Publish", "topic/a"), Decision::DeniedExplicitly);
        assert_eq!(decide(&set, "iot:RetainPublish", "topic/a"), Decision::Allowed);
    }
}

#[test]
fn an_empty_set_allows_nothing() {
    assert!(!decide(&PolicySet::default(), "iot:Connect", "client/a").is_allowed());
}

#[test]
fn a_statement_with_an_unresolved_variable_speaks_of_nothing() {
    let thing = "client/${iot:Connection.Thing.ThingName}";
    let set = set(&[statement(json!({
        "Effect": "Allow",
        "Action": "iot:Connect",
        "Resource": [format!("{ARN}{thing}"), format!("{ARN}client/open")],
    }))]);
    assert_eq!(decide(&set, "iot:Connect", "client/open"), Decision::NotAllowed);
    let attributes = BTreeMap::new();
    let variables = Variables {
        client_id: Some("T"),
        thing: Some(ThingVariables { name: "T", attributes: &attributes }),
        ..Variables::default()
    };
    let connect = |client: &str| set.allows("iot:Connect", &format!("{ARN}{client}"), &variables);
    assert_eq!(connect("client/T"), Decision::Allowed);
    assert_eq!(connect("client/open"), Decision::Allowed);
    assert_eq!(connect("client/U"), Decision::NotAllowed);
}

#[test]
fn conditions_must_all_hold() {
    let set = set(&[statement(json!({
        "Effect": "Allow",
        "Action": "iot:Connect",
        "Resource": "*",
        "Condition": {
            "Bool": {"iot:Connection.Thing.IsAttached": "true"},
            "StringLike": {"iot:ClientId": ["press-*", "saw-*"]},
            "StringEquals": {"iot:Connection.Thing.Attributes[line]": "${iot:ClientId}*"},
        },
    }))]);
    let decide = |client_id, line: &str, attached: bool| {
        let attributes = BTreeMap::from([("line".to_owned(), line.to_owned())]);
        let thing = ThingVariables { name: client_id, attributes: &attributes };
        let variables = Variables {
            client_id: Some(client_id),
            thing: attached.then_some(thing),
            ..Variables::default()
        };
        set.allows("iot:Connect", "*", &variables).is_allowed()
    };
    assert!(decide("press-1", "press-1*", true));
    assert!(!decide("press-1", "press-12", true), "StringEquals has no wildcards");
    assert!(!decide("press-1", "press-1*", false));
    assert!(!decide("drill-1", "drill-1*", true));
}

#[test]
fn malformed_documents_name_the_member() {
    let whole = |statement: serde_json::Value| json!({"Statement": statement}).to_string();
    let with = |name: &str, value: serde_json::Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "iot:*", "Resource": "*"});
        statement[name] = value;
        whole(json!([statement]))
    };
    for (document, place) in [
        ("not json".to_owned(), "not JSON"),
        ("[]".to_owned(), "`$`"),
        ("{}".to_owned(), "`Statement`"),
        (whole(json!([])), "`Statement`"),
        (json!({"Version": "2020", "Statement": []}).to_string(), "`Version`"),
        (json!({"Statment": []}).to_string(), "`Statment`"),
        (with("Effect", json!("allow")), "`Statement[0].Effect`"),
        (with("NotAction", json!("iot:*")), "`Statement[0].NotAction`"),
        (with("NotResource", json!("*")), "`Statement[0].NotResource`"),
        (with("Principal", json!("*")), "`Statement[0].Principal`"),
        (with("Action", json!([])), "`Statement[0].Action`"),
        (with("Action", json!("Publish")), "`Publish`"),
        (with("Action", json!([1])), "`Statement[0].Action`"),
        (with("Resource", json!("topic/a")), "`topic/a`"),
        (with("Resource", json!("arn:aws:iot:::${iot:ClientId")), "`Statement[0].Resource`"),
        (with("Condition", json!({"DateEquals": {}})), "`Statement[0].Condition.DateEquals`"),
        (with("Condition", json!({"Bool": {"x": "true"}})), "`Statement[0].Condition.Bool.x`"),
    ] {
        let error = PolicyDocument::parse(&document).unwrap_err();
        assert!(error.to_string().contains(place), "{document}: {error}");
    }
}
