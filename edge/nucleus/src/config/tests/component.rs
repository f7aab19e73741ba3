//! UpdateConfiguration, ipc 4.4.

use super::*;

/// A component whose configuration is `value`, written at 100.
fn with(value: Value) -> Fixture {
    let fixture = Fixture::new();
    fixture.store.merge(&["services", "c", "configuration"], &value, 100).unwrap();
    fixture
}

fn update(
    fixture: &Fixture,
    key_path: &[&str],
    value: Value,
    timestamp: i64,
) -> Result<(), UpdateConfiguration> {
    let key_path: Vec<String> = key_path.iter().map(|&key| key.to_owned()).collect();
    let value = value.as_object().unwrap();
    fixture.store.update_from_component("c", &key_path, value, timestamp, NOW)
}

fn configuration(fixture: &Fixture) -> Value {
    fixture.store.get(&["services", "c", "configuration"]).unwrap()
}

fn modified(fixture: &Fixture, key: &str) -> i64 {
    fixture.store.modified(&["services", "c", "configuration", key]).unwrap()
}

#[test]
fn ipc_4_4_older_leaf_is_written_and_equal_timestamp_wins() {
    let fixture = with(json!({"a": 1, "b": [1, 2]}));
    update(&fixture, &[], json!({"a": 2, "b": [3]}), 100).unwrap();
    assert_eq!(configuration(&fixture), json!({"a": 2, "b": [3]}));
}

#[test]
fn ipc_4_4_newer_leaf_is_kept_and_the_rest_is_written() {
    let fixture = with(json!({"a": 1, "b": 1}));
    update(&fixture, &[], json!({"b": 2}), 200).unwrap();
    let late = update(&fixture, &[], json!({"a": 5, "b": 5, "new": 5}), 150);
    assert!(matches!(late, Err(UpdateConfiguration::Outdated)), "{late:?}");
    assert_eq!(configuration(&fixture), json!({"a": 5, "b": 2, "new": 5}));
    assert_eq!(configuration(&fixture.reopen()), json!({"a": 5, "b": 2, "new": 5}));
}

#[test]
fn ipc_4_4_newer_sibling_counts_too() {
    let fixture = with(json!({"a": 1, "b": 1}));
    update(&fixture, &[], json!({"b": 2}), 200).unwrap();
    assert!(matches!(
        update(&fixture, &[], json!({"a": 5}), 150),
        Err(UpdateConfiguration::Outdated)
    ));
    assert_eq!(configuration(&fixture), json!({"a": 5, "b": 2}));
}

#[test]
fn ipc_4_4_unchanged_value_moves_the_timestamp_only() {
    let fixture = with(json!({"a": 1}));
    update(&fixture, &[], json!({"a": 1}), 300).unwrap();
    assert_eq!(modified(&fixture, "a"), 300);
    let older = update(&fixture, &[], json!({"a": 1}), 200);
    assert!(matches!(older, Err(UpdateConfiguration::Outdated)), "{older:?}");
    assert_eq!(modified(&fixture, "a"), 300);
}

#[test]
fn ipc_4_4_timestamp_of_zero_means_now() {
    let fixture = with(json!({"a": 1}));
    update(&fixture, &[], json!({"a": 2}), 0).unwrap();
    assert_eq!((configuration(&fixture), modified(&fixture, "a")), (json!({"a": 2}), NOW));
    update(&fixture, &[], json!({"a": 3}), -5).unwrap();
    assert_eq!(configuration(&fixture), json!({"a": 3}));
}

#[test]
fn c41_an_update_without_a_timestamp_is_never_outdated() {
    let fixture = with(json!({"a": 1, "b": 1}));
    // Took its time first, and its turn second; or the clock was set back in between.
    update(&fixture, &[], json!({"a": 2}), NOW + 5).unwrap();
    update(&fixture, &[], json!({"a": 3}), 0).unwrap();
    assert_eq!(configuration(&fixture), json!({"a": 3, "b": 1}));
    assert_eq!(modified(&fixture, "a"), NOW + 5);
}

#[test]
fn ipc_4_4_missing_target_is_made_now_whatever_the_timestamp() {
    let fixture = with(json!({"a": 1}));
    update(&fixture, &["x", "y"], json!({"z": 1}), 5).unwrap();
    assert_eq!(configuration(&fixture), json!({"a": 1, "x": {"y": {"z": 1}}}));
    assert_eq!(modified(&fixture, "x"), NOW);
}

#[test]
fn ipc_4_4_change_of_kind_ignores_timestamps() {
    let fixture = with(json!({"leaf": 1, "map": {"m": 1}}));
    update(&fixture, &["leaf"], json!({"inner": 2}), 50).unwrap();
    assert_eq!(configuration(&fixture)["leaf"], json!({"inner": 2}));
    let below = update(&fixture, &[], json!({"map": "text"}), 60);
    assert!(below.is_ok(), "nothing newer is left: {below:?}");
    assert_eq!(configuration(&fixture), json!({"leaf": {"inner": 2}, "map": "text"}));
}

#[test]
fn ipc_4_4_path_through_a_leaf_is_refused() {
    let fixture = with(json!({"map": {"leaf": [1]}}));
    let error = update(&fixture, &["map", "leaf", "x"], json!({"y": 1}), 200).unwrap_err();
    assert_eq!(error.to_string(), "map.leaf in c is already a leaf, cannot become a container");
    assert_eq!(configuration(&fixture), json!({"map": {"leaf": [1]}}));
}

#[test]
fn ipc_4_4_access_control_is_forbidden_in_any_casing() {
    let fixture = with(json!({}));
    for (path, value) in [
        (&["accessControl"][..], json!({"x": 1})),
        (&["AccessControl", "aws.greengrass.ipc.pubsub"], json!({"x": 1})),
        (&[], json!({"a": 1, "ACCESSCONTROL": {}})),
    ] {
        let refused = update(&fixture, path, value, 200);
        assert!(matches!(refused, Err(UpdateConfiguration::AccessControl)), "{refused:?}");
    }
    update(&fixture, &["inner"], json!({"accessControl": {"mine": 1}}), 200).unwrap();
}

#[test]
fn ipc_4_4_unknown_component_has_no_configuration() {
    let fixture = Fixture::new();
    let error = update(&fixture, &[], json!({"a": 1}), 200).unwrap_err();
    assert_eq!(error.to_string(), "Component config not found for component c");
    fixture.store.merge(&["services", "c", "version"], &json!("1.0.0"), 1).unwrap();
    update(&fixture, &[], json!({"a": 1}), 200).unwrap();
    assert_eq!(configuration(&fixture), json!({"a": 1}));
}

#[test]
fn value_nested_too_deeply_is_refused_whole() {
    let fixture = with(json!({"a": 1}));
    let deep = (0..100).fold(json!(1), |value, _| json!([value]));
    let error = update(&fixture, &[], json!({"a": 2, "deep": deep}), 200).unwrap_err();
    assert!(matches!(error, UpdateConfiguration::NotKept(ChangeConfig::TooDeep { .. })));
    assert_eq!(configuration(&fixture), json!({"a": 1}));
}
