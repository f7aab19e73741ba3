use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const S3: &str = "arn:aws:s3:::";

fn set(documents: &[Value]) -> PolicySet {
    let documents: Vec<_> =
        documents.iter().map(|json| PolicyDocument::parse(&json.to_string()).unwrap()).collect();
    PolicySet::compile(&documents)
}

fn of(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn conditional(condition: Value) -> PolicySet {
    let statement =
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    set(&[of(statement)])
}

#[test]
fn nothing_is_allowed_that_no_statement_speaks_of() {
    let context = Context::default();
    assert_eq!(PolicySet::default().allows("s3:GetObject", "*", &context), Decision::NotAllowed);
    let lists = set(&[of(json!({
        "Effect": "Allow", "Action": "greengrass:List*", "Resource": "*",
    }))]);
    assert!(lists.allows("greengrass:ListComponents", "*", &context).is_allowed());
    assert!(lists.allows("GREENGRASS:listcomponents", "*", &context).is_allowed());
    assert!(!lists.allows("greengrass:CreateDeployment", "*", &context).is_allowed());
    assert!(!lists.allows("iot:ListThings", "*", &context).is_allowed());
}

#[test]
fn a_deny_wins_in_either_document() {
    let allow = of(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}));
    let deny = of(json!([{
        "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": format!("{S3}kept/*"),
    }]));
    for documents in [[allow.clone(), deny.clone()], [deny, allow]] {
        let set = set(&documents);
        let decide =
            |key: &str| set.allows("s3:DeleteObject", &format!("{S3}{key}"), &Context::default());
        assert_eq!(decide("kept/a/b"), Decision::DeniedExplicitly);
        assert_eq!(decide("other/a"), Decision::Allowed);
    }
}

#[test]
fn not_action_and_not_resource_speak_of_all_others() {
    let set = set(&[of(json!([
        {"Effect": "Allow", "NotAction": ["iam:*", "marram:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "NotResource": format!("{S3}mine*")},
    ]))]);
    let decide = |action, resource: &str| set.allows(action, resource, &Context::default());
    assert_eq!(decide("iot:CreateThing", "*"), Decision::Allowed);
    assert_eq!(decide("iam:CreateRole", "*"), Decision::NotAllowed);
    assert_eq!(decide("s3:GetObject", &format!("{S3}mine/k")), Decision::Allowed);
    assert_eq!(decide("s3:GetObject", &format!("{S3}yours/k")), Decision::DeniedExplicitly);
}

#[test]
fn a_device_s_variables_are_its_own_and_without_them_nothing_matches() {
    let set = set(&[of(json!({
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": format!("{S3}logs/${{credentials-iot:ThingName}}/*"),
    }))]);
    let decide = |thing_name, key: &str| {
        let context = Context { thing_name, ..Context::default() };
        set.allows("s3:PutObject", &format!("{S3}logs/{key}"), &context).is_allowed()
    };
    assert!(decide(Some("press-1"), "press-1/a"));
    assert!(!decide(Some("press-1"), "press-2/a"));
    assert!(!decide(Some("*"), "press-2/a"), "a value is no pattern");
    assert!(!decide(None, "press-1/a"));
}

#[test]
fn conditions_on_text() {
    let me = "arn:aws:iam::1:user/ci";
    let holds = |condition: Value| {
        let context =
            Context { principal_arn: Some(me), user_name: Some("ci"), ..Context::default() };
        conditional(condition).allows("iot:ListThings", "*", &context).is_allowed()
    };
    assert!(holds(json!({"StringEquals": {"aws:username": ["x", "ci"]}})));
    assert!(!holds(json!({"StringEquals": {"aws:username": "c*"}})), "no wildcard");
    assert!(!holds(json!({"StringEquals": {"aws:username": "CI"}})));
    assert!(holds(json!({"StringEqualsIgnoreCase": {"aws:username": "CI"}})));
    assert!(holds(json!({"StringLike": {"AWS:UserName": "c*"}})));
    assert!(!holds(json!({"StringNotLike": {"aws:username": ["x", "c*"]}})));
    assert!(holds(json!({"StringNotEquals": {"credentials-iot:ThingName": "T"}})), "no value");
    assert!(!holds(json!({"StringEquals": {"credentials-iot:ThingName": "T"}})));
    assert!(holds(json!({"StringEqualsIfExists": {"credentials-iot:ThingName": "T"}})));
    assert!(holds(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}})));
    assert!(!holds(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:*:*:*:user/x"}})));
    assert!(!holds(json!({"ArnLike": {"aws:PrincipalArn": "arn:*:1:user/ci:*:*"}})));
    assert!(holds(json!({"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:user/x"}})));
    assert!(!holds(json!({
        "StringEquals": {"aws:username": "ci"}, "Bool": {"aws:SecureTransport": "true"},
    })));
}

#[test]
fn conditions_on_addresses_and_transport() {
    let holds = |condition: Value, source_ip: &str| {
        let context =
            Context { source_ip: Some(source_ip), secure_transport: true, ..Context::default() };
        conditional(condition).allows("iot:ListThings", "*", &context).is_allowed()
    };
    let office = json!({"IpAddress": {"aws:SourceIp": ["10.1.0.0/16", "2001:db8::/33"]}});
    for (address, inside) in [
        ("10.1.255.3", true),
        ("10.2.0.0", false),
        ("2001:db8:7fff::1", true),
        ("2001:db8:8000::1", false),
        ("::1", false),
    ] {
        assert_eq!(holds(office.clone(), address), inside, "{address}");
        let others = json!({"NotIpAddress": office["IpAddress"]});
        assert_eq!(holds(others, address), !inside, "{address}");
    }
    let all = json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}});
    assert!(holds(all.clone(), "1.2.3.4") && !holds(all, "::1"));
    assert!(holds(json!({"IpAddress": {"aws:SourceIp": "1.2.3.4"}}), "1.2.3.4"));
    assert!(holds(json!({"Bool": {"aws:SecureTransport": true}}), "::1"));
}

#[test]
fn malformed_documents_name_the_member() {
    let with = |name: &str, value: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "iot:*", "Resource": "*"});
        statement[name] = value;
        of(json!([statement])).to_string()
    };
    let condition = |value: Value| with("Condition", value);
    for (document, place) in [
        ("not json".to_owned(), "not JSON"),
        (of(json!({"Effect": "Allow", "Action": "*"})).to_string(), "`Statement.Resource`"),
        (with("NotAction", json!("iot:*")), "`Statement[0].NotAction`"),
        (with("Principal", json!("*")), "`Statement[0].Principal`"),
        (with("Resource", json!("arn:aws:s3:::${aws:Tag}")), "`aws:Tag`"),
        (condition(json!({"DateLessThan": {}})), "`Statement[0].Condition.DateLessThan`"),
        (condition(json!({"Null": {"aws:username": true}})), "`Statement[0].Condition.Null`"),
        (condition(json!({"Bool": {"aws:MultiFactorAuthPresent": true}})), "MultiFactor"),
        (condition(json!({"Bool": {"aws:SecureTransport": "yes"}})), "\"true\" or"),
        (condition(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})), "10.0.0.0/33"),
        (condition(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam"}})), "six parts"),
        (condition(json!({"StringLike": {"aws:username": []}})), "at least one"),
        (condition(json!({"StringLike": {"aws:username": "${x:y}"}})), "`x:y`"),
    ] {
        let error = PolicyDocument::parse(&document).unwrap_err();
        assert!(error.to_string().contains(place), "{document}: {error}");
    }
}

/// One statement of the model, small enough that its meaning is plain.
#[derive(Debug, Clone)]
struct Plain {
    allow: bool,
    not_action: bool,
    actions: Vec<String>,
    not_resource: bool,
    resources: Vec<String>,
    user: Option<String>,
}

/// The definition of a wildcard, with exponential patience.
fn naive(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
        Some((b'?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
        Some((byte, rest)) => text.first() == Some(byte) && naive(rest, &text[1..]),
    }
}

impl Plain {
    fn document(&self) -> Value {
        let action = if self.not_action { "NotAction" } else { "Action" };
        let resource = if self.not_resource { "NotResource" } else { "Resource" };
        let mut statement = json!({
            "Effect": if self.allow { "Allow" } else { "Deny" },
            action: self.actions,
            resource: self.resources,
        });
        if let Some(user) = &self.user {
            statement["Condition"] = json!({"StringEquals": {"aws:username": user}});
        }
        of(json!([statement]))
    }

    fn speaks_of(&self, action: &str, resource: &str, user: &str) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| naive(pattern.as_bytes(), text.as_bytes()))
        };
        any(&self.actions, action) != self.not_action
            && any(&self.resources, resource) != self.not_resource
            && self.user.as_deref().is_none_or(|wanted| wanted == user)
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    (
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec("s:[ab*?]{0,3}", 1..3),
        any::<bool>(),
        prop::collection::vec("arn:[ab*?]{0,3}", 1..3),
        prop::option::of("[uv]"),
    )
        .prop_map(|(allow, not_action, actions, not_resource, resources, user)| Plain {
            allow,
            not_action,
            actions,
            not_resource,
            resources,
            user,
        })
}

proptest! {
    #[test]
    fn agrees_with_the_naive_model(
        statements in prop::collection::vec(plain(), 0..5),
        action in "s:[ab]{0,3}",
        resource in "arn:[ab]{0,3}",
        user in "[uv]",
    ) {
        let speaking: Vec<_> =
            statements.iter().filter(|s| s.speaks_of(&action, &resource, &user)).collect();
        let expected = if speaking.iter().any(|s| !s.allow) {
            Decision::DeniedExplicitly
        } else if speaking.is_empty() {
            Decision::NotAllowed
        } else {
            Decision::Allowed
        };
        let documents: Vec<Value> = statements.iter().map(Plain::document).collect();
        let context = Context { user_name: Some(&user), ..Context::default() };
        prop_assert_eq!(set(&documents).allows(&action, &resource, &context), expected);
    }
}
