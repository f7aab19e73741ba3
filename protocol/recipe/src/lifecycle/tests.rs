use serde_json::json;

use super::*;

fn lifecycle(value: Value) -> Lifecycle {
    let Value::Object(map) = value else { panic!("a lifecycle is a map") };
    Lifecycle::parse(&map).unwrap()
}

/// The only step of a lifecycle `{"run": value}`.
fn run(value: Value) -> Result<Step, ConfigNotValid> {
    lifecycle(json!({ "run": value })).step(StepName::Run).unwrap().cloned().map_err(Clone::clone)
}

#[test]
fn a_step_is_a_text_or_a_map_with_keys_in_any_case() {
    assert_eq!(run(json!("echo hi")).unwrap().script.as_deref(), Some("echo hi"));
    let step = run(json!({
        "script": "x", "REQUIRESPRIVILEGE": "True", "timeout": "30", "setenv": {"A": 1, "B": null},
    }))
    .unwrap();
    assert!(step.requires_privilege);
    assert_eq!(step.timeout, Some(Duration::from_secs(30)));
    assert_eq!(step.setenv, [("A".to_owned(), "1".to_owned())].into());
}

#[test]
fn lifecycle_step_without_script_is_not_valid() {
    assert_eq!(run(json!({"Timeout": 5})), Err(ConfigNotValid::NoScript));
    assert!(matches!(run(json!(["a"])), Err(ConfigNotValid::Kind(_))));
    assert_eq!(run(json!("  ")).unwrap().script, None);
}

#[test]
fn lifecycle_skipif_forms() {
    let skip = |text: &str| run(json!({"Script": "x", "Skipif": text})).map(|s| s.skip_if.unwrap());
    for bad in ["onpath", "foo x", "", "onpath ", "onpathx y"] {
        assert!(matches!(skip(bad), Err(ConfigNotValid::Field { field: "Skipif", .. })), "{bad}");
    }
    assert_eq!(
        skip(" !  exists   /a b ").unwrap(),
        SkipIf { negated: true, condition: Condition::Exists("/a b".into()) }
    );
    assert_eq!(
        skip("onpath sh").unwrap(),
        SkipIf { negated: false, condition: Condition::OnPath("sh".into()) }
    );
}

#[test]
fn a_wrong_step_does_not_spoil_the_others() {
    let lifecycle = lifecycle(json!({
        "Install": {"Script": "x", "Timeout": "soon"}, "RUN": "y", "SetEnv": {"X": true},
        "errorresettime": 2, "unknown": {},
    }));
    assert!(matches!(lifecycle.step(StepName::Install), Some(Err(_))));
    assert!(matches!(lifecycle.step(StepName::Run), Some(Ok(_))));
    assert!(!lifecycle.has(StepName::Startup));
    assert_eq!(lifecycle.setenv["X"], "true");
    assert_eq!(lifecycle.error_reset_time, Duration::from_secs(2));
}

#[test]
fn wrong_settings_of_the_whole_are_errors() {
    let parse = |value: Value| Lifecycle::parse(value.as_object().unwrap());
    assert!(matches!(parse(json!({"Setenv": "X"})), Err(ParseLifecycle::Setenv(_))));
    assert!(matches!(parse(json!({"errorResetTime": -1})), Err(ParseLifecycle::ErrorResetTime(_))));
    assert_eq!(parse(json!({"run": null})).unwrap().error_reset_time, DEFAULT_ERROR_RESET);
}
