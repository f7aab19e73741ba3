use proptest::prelude::*;
use serde_json::json;

use super::*;

fn facts(name: &str, version: &str, configuration: Value) -> Facts {
    Facts {
        configuration,
        artifacts: format!("/gg/packages/artifacts/{name}/{version}").into(),
        unarchived: format!("/gg/packages/artifacts-unarchived/{name}/{version}").into(),
        work: format!("/gg/work/{name}").into(),
    }
}

fn with_scope<T>(variables: Variables, f: impl FnOnce(&Scope<'_>) -> T) -> T {
    let own = facts(
        "c",
        "1.0.0",
        json!({"a": {"z": 1, "b": 5}, "l": ["p", "q"], "n": null, "t": true, "s": "hi",
               "loop": "{configuration:/s}"}),
    );
    let d = facts("d", "2.0.0", json!({"k": "v"}));

    let dependencies = [("d", &d)].into();
    f(&Scope { own: &own, dependencies: &dependencies, root: "/gg", thing_name: "T", variables })
}

fn filled(text: &str) -> String {
    with_scope(Variables::All, |scope| interpolate(&json!(text), scope).0)
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn interpolation_of_every_variable() {
    let cases = [
        ("{configuration:/s}", "hi"),
        ("{configuration:/a/b}", "5"),
        ("{configuration:/t}", "true"),
        ("{configuration:/n}", "null"),
        ("{configuration:/a}", r#"{"b":5,"z":1}"#),
        ("{configuration:/l/1}", "q"),
        ("{configuration:/l}", r#"["p","q"]"#),
        ("{artifacts:path}", "/gg/packages/artifacts/c/1.0.0"),
        ("{artifacts:decompressedPath}/x", "/gg/packages/artifacts-unarchived/c/1.0.0/x"),
        ("{work:path}", "/gg/work/c"),
        ("{kernel:rootPath}", "/gg"),
        ("{iot:thingName}", "T"),
        ("{d:configuration:/k}", "v"),
        ("{d:artifacts:path}", "/gg/packages/artifacts/d/2.0.0"),
        ("{artifacts:{foo:{artifacts:path}}}", "{artifacts:{foo:/gg/packages/artifacts/c/1.0.0}}"),
        ("a{work:path}b{iot:thingName}c", "a/gg/work/cbTc"),
    ];
    for (text, expected) in cases {
        assert_eq!(filled(text), expected, "{text}");
    }
    assert!(filled("{configuration:}").starts_with(r#"{"a":{"b":5,"z":1},"l":"#));
}

#[test]
fn interpolation_leaves_what_it_does_not_know() {
    for text in [
        "{configuration:/missing}",
        "{configuration:s}",
        "{e:configuration:/k}",
        "${FOO:-x}",
        "{unknown:key}",
        "{artifacts:bad}",
        "{",
        "{}",
        "{a:b",
        "awk '{print $1}'",
    ] {
        assert_eq!(filled(text), text);
    }
    let (_, unresolved) =
        with_scope(Variables::All, |scope| interpolate(&json!("{configuration:/no}"), scope));
    assert_eq!(unresolved[0].placeholder, "{configuration:/no}");
}

#[test]
fn interpolation_reaches_every_text_but_no_key() {
    let value = json!({"{work:path}": ["{work:path}", {"x": "{iot:thingName}"}], "n": 5});
    let (filled, unresolved) = with_scope(Variables::All, |scope| interpolate(&value, scope));
    assert_eq!(filled, json!({"{work:path}": ["/gg/work/c", {"x": "T"}], "n": 5}));
    assert!(unresolved.is_empty());
}

#[test]
fn interpolation_does_not_look_at_what_it_filled_in() {
    assert_eq!(filled("{configuration:/loop} {configuration:/s}"), "{configuration:/s} hi");
}

#[test]
fn interpolation_of_configurations_leaves_configuration() {
    let value = json!(["devices/{iot:thingName}/x", "{configuration:/s}"]);
    let (filled, _) = with_scope(Variables::SystemOnly, |scope| interpolate(&value, scope));
    assert_eq!(filled, json!(["devices/T/x", "{configuration:/s}"]));
}

proptest! {
    #[test]
    fn text_without_variables_is_unchanged(text in "[^{]{0,80}") {
        prop_assert_eq!(filled(&text), text);
    }

    #[test]
    fn any_text_is_filled_without_panic(text in "[{}:a-z/äß.$-]{0,60}") {
        let _ = filled(&text);
    }
}
