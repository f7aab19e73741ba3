use proptest::prelude::*;

use super::pattern::{Matching, Pattern};
use super::*;

const PUBSUB: &str = "aws.greengrass.ipc.pubsub";
const MQTT_PROXY: &str = "aws.greengrass.ipc.mqttproxy";
const PUBLISH: &str = "aws.greengrass#PublishToTopic";
const SUBSCRIBE: &str = "aws.greengrass#SubscribeToTopic";
const SUBSCRIBE_CLOUD: &str = "aws.greengrass#SubscribeToIoTCore";

fn parse(value: &Value) -> AccessControl {
    let (access, warnings) = AccessControl::parse(value);
    assert_eq!(warnings, []);
    access
}

fn covers(matching: Matching, pattern: &str, resource: &str) -> bool {
    Pattern::parse(pattern, matching).unwrap().matches(resource, false)
}

#[test]
fn policy_patterns_standard_table() {
    for (pattern, matching, others) in [
        ("abc*xy*z", &["abcxyz", "abc123xyabcz"][..], &["abc789xy56z123"][..]),
        ("*", &["a", "a/b", "$x", "*"], &[]),
        ("${*}", &["*"], &["a"]),
        ("acv/rt${$}{*}mk", &["acv/rt${abc/x}mk"], &["acv/rtmk"]),
        ("456$*", &["456$123/abc"], &["456"]),
        ("a/+", &["a/+"], &["a/b"]),
        ("a/#", &["a/#"], &["a/b", "a"]),
        ("a/*", &["a/", "a/#", "a/b/c"], &["a", "b/a/"]),
        ("abc$", &["abc$"], &["abc"]),
        ("res*$${*}${$}", &["res$*$", "res/x/$*$"], &["res*$"]),
    ] {
        for resource in matching {
            assert!(covers(Matching::Standard, pattern, resource), "{pattern} {resource}");
        }
        for resource in others {
            assert!(!covers(Matching::Standard, pattern, resource), "{pattern} {resource}");
        }
    }
}

#[test]
fn policy_patterns_mqtt_table() {
    for (pattern, matching, others) in [
        ("abc/#", &["abc", "abc/", "abc/1/2"][..], &["abcd/e"][..]),
        ("a/+/#", &["a/xyz", "a/", "a/xyz/nt"], &["a"]),
        ("+/+", &["/123", "a/b"], &["/123/", "a"]),
        ("/+/++", &["/zz/++"], &["/zz/a"]),
        ("xyz*/+/*room/#", &["xyzzzz/89/fan2/bedroom/light/5"], &["xy/89/room"]),
        ("12/*#", &["12/34/5#"], &["12/45/67"]),
        ("#/zzz/45", &["#/zzz/45"], &["a/zzz/45"]),
        ("#", &["$aws/x", "a"], &[]),
        ("$aws/things/+/x", &["$aws/things/T/x"], &["$aws/things/T/U/x"]),
        ("/#", &["/", "/a"], &["a"]),
        ("+", &["a", "#"], &["a/b"]),
    ] {
        for resource in matching {
            assert!(covers(Matching::Mqtt, pattern, resource), "{pattern} {resource}");
        }
        for resource in others {
            assert!(!covers(Matching::Mqtt, pattern, resource), "{pattern} {resource}");
        }
    }
}

#[test]
fn policy_patterns_invalid_resources_are_dropped_alone() {
    let invalid = [
        "res?entry",
        "${123}",
        "res${xyz",
        "${x}",
        "res${$}{?}",
        "$aws/things/${iot:thingName}/x",
        "",
    ];
    for text in invalid {
        let (access, warnings) = AccessControl::parse(&json!({
            PUBSUB: {"p": {"operations": ["*"], "resources": [text, "good"]}}
        }));
        assert!(access.allows(PUBSUB, PUBLISH, "good"), "{text}");
        assert!(!access.allows(PUBSUB, PUBLISH, text));
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].problem.contains(&format!("`{text}`")), "{}", warnings[0]);
    }
    for text in ["res*$${*}${$}", "abc$", "$aws/things/+/x"] {
        assert!(Pattern::parse(text, Matching::Standard).is_ok(), "{text}");
        assert!(Pattern::parse(text, Matching::Mqtt).is_ok(), "{text}");
    }
}

#[test]
fn one_level_does_not_cover_all_levels_of_a_subscription() {
    let access = parse(&json!({
        MQTT_PROXY: {"p": {"operations": ["*"], "resources": ["a/+", "b/#", "c/*"]}}
    }));
    let subscribe = |filter| access.allows(MQTT_PROXY, SUBSCRIBE_CLOUD, filter);
    assert!(subscribe("a/+") && subscribe("a/x"));
    assert!(!subscribe("a/#"));
    assert!(subscribe("b/#") && subscribe("c/#"));
    assert!(access.allows(MQTT_PROXY, "aws.greengrass#PublishToIoTCore", "a/#"));
}

#[test]
fn only_the_named_operations_of_the_service_are_allowed() {
    let access = parse(&json!({
        PUBSUB: {
            "one": {"operations": [PUBLISH], "resources": ["a"]},
            "two": {"policyDescription": "x", "Operations": [SUBSCRIBE], "RESOURCES": ["b"]},
        }
    }));
    assert!(access.allows(PUBSUB, PUBLISH, "a"));
    assert!(access.allows(PUBSUB, SUBSCRIBE, "b"));
    for (service, operation, resource) in [
        (PUBSUB, PUBLISH, "b"),
        (PUBSUB, SUBSCRIBE, "a"),
        (PUBSUB, "aws.greengrass#PublishToIoTCore", "a"),
        (MQTT_PROXY, "aws.greengrass#PublishToIoTCore", "a"),
        (PUBSUB, PUBLISH, ""),
        ("other", PUBLISH, "a"),
    ] {
        assert!(!access.allows(service, operation, resource), "{service} {operation}");
    }
}

#[test]
fn nothing_is_allowed_on_the_empty_resource() {
    let access = parse(&json!({PUBSUB: {"p": {"operations": ["*"], "resources": ["*"]}}}));
    assert!(access.allows(PUBSUB, SUBSCRIBE, "a/#"));
    assert!(!access.allows(PUBSUB, SUBSCRIBE, ""));
}

#[test]
fn json_text_holds_as_well_as_an_object() {
    let object = json!({PUBSUB: {"p": {"operations": ["*"], "resources": ["a"]}}});
    assert_eq!(parse(&json!(object.to_string())), parse(&object));
    for wrong in [json!("{"), json!("[]"), json!([]), json!(null), json!(1)] {
        let (access, warnings) = AccessControl::parse(&wrong);
        assert_eq!(access, AccessControl::default());
        assert_eq!(warnings.len(), 1, "{wrong}");
    }
}

#[test]
fn a_policy_that_is_not_understood_grants_nothing_and_the_others_hold() {
    for wrong in [
        json!({"operations": ["*"], "resources": ["*"], "effect": "Deny"}),
        json!({"operations": null, "resources": ["*"]}),
        json!({"operations": ["*"], "resources": null}),
        json!({"operations": ["*"], "resources": ["*"], "policyDescription": null}),
        json!({"operations": "*", "resources": ["*"]}),
        json!({"operations": ["*", 1], "resources": ["*"]}),
        json!({"resources": ["*"]}),
        json!("*"),
    ] {
        let (access, warnings) = AccessControl::parse(&json!({
            PUBSUB: {"wrong": wrong, "right": {"operations": ["*"], "resources": ["a"]}}
        }));
        assert!(!access.allows(PUBSUB, PUBLISH, "b"), "{wrong}");
        assert!(access.allows(PUBSUB, PUBLISH, "a"), "{wrong}");
        assert_eq!(warnings.len(), 1, "{wrong}");
        assert_eq!(warnings[0].path, "accessControl.aws.greengrass.ipc.pubsub.wrong");
    }
}

#[test]
fn unknown_names_are_ignored_with_a_warning() {
    let (access, warnings) = AccessControl::parse(&json!({
        PUBSUB: {"p": {"operations": ["aws.greengrass#Nope", PUBLISH], "resources": ["a"]}},
        "com.example.Other": {"q": {"operations": ["*"], "resources": ["*"]}},
        MQTT_PROXY: {"p": {"operations": ["*"]}},
    }));
    assert!(access.allows(PUBSUB, PUBLISH, "a"));
    assert!(!access.allows("com.example.Other", PUBLISH, "a"));
    assert!(!access.allows(MQTT_PROXY, SUBSCRIBE_CLOUD, "a"), "no resources: no resource");
    let warnings: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("aws.greengrass#Nope"));
    assert!(warnings[1].contains("com.example.Other"));
    assert!(warnings[2].contains("used twice"));
}

/// What a pattern means, written without regard to cost.
fn covers_slowly(pieces: &[char], text: &[char]) -> bool {
    match pieces.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|at| covers_slowly(rest, &text[at..])),
        Some((literal, rest)) => text.first() == Some(literal) && covers_slowly(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn standard_matching_agrees_with_its_definition(
        pattern in "[ab/*+#]{1,8}",
        resource in "[ab/+#]{1,10}",
    ) {
        let pieces: Vec<char> = pattern.chars().collect();
        let text: Vec<char> = resource.chars().collect();
        prop_assert_eq!(
            covers(Matching::Standard, &pattern, &resource),
            covers_slowly(&pieces, &text)
        );
    }

    #[test]
    fn mqtt_patterns_without_stars_cover_what_the_filter_selects(
        levels in prop::collection::vec("[ab]{0,2}|\\+", 1..4),
        all in any::<bool>(),
        topic in "[ab]{1,2}(/[ab]{0,2}){0,4}",
    ) {
        let mut filter = levels.join("/");
        if all {
            filter.push_str("/#");
        }
        prop_assume!(!filter.is_empty());
        prop_assert_eq!(
            covers(Matching::Mqtt, &filter, &topic),
            marram_mqtt::topic::matches(&filter, &topic)
        );
    }

    #[test]
    fn the_suggested_policy_allows_the_denied_call_and_no_other(
        resource in "[a-c$*?{}/+#]{1,12}",
        other in "[a-c$*?{}/+#]{1,12}",
    ) {
        let access = parse(&policy_that_allows("com.example.A", PUBSUB, PUBLISH, &resource));
        prop_assert!(access.allows(PUBSUB, PUBLISH, &resource));
        prop_assert_eq!(access.allows(PUBSUB, PUBLISH, &other), resource == other);
        let cloud = policy_that_allows("A", MQTT_PROXY, SUBSCRIBE_CLOUD, &resource);
        prop_assert!(parse(&cloud).allows(MQTT_PROXY, SUBSCRIBE_CLOUD, &resource));
    }

    #[test]
    fn arbitrary_patterns_never_panic(pattern in ".*", resource in ".*") {
        for matching in [Matching::Standard, Matching::Mqtt] {
            if let Ok(pattern) = Pattern::parse(&pattern, matching) {
                pattern.matches(&resource, true);
            }
        }
    }
}
