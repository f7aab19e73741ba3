use serde_json::json;

use super::*;
use crate::{Format, Strictness, parse};

fn recipe(manifests: &Value, lifecycle: &Value) -> Recipe {
    let text = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0",
        "Manifests": manifests, "Lifecycle": lifecycle,
    });
    parse(text.to_string().as_bytes(), Format::Json, Strictness::Cloud).unwrap()
}

fn device(architecture: &str) -> Attributes {
    [("os", "linux"), ("architecture", architecture)]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

fn lifecycle_on_amd64(recipe: &Recipe) -> Value {
    Value::Object(recipe.select(&device("amd64")).unwrap().lifecycle)
}

#[test]
fn platform_order_first_match_wins() {
    let manifests = json!([
        {"Name": "first", "Platform": {"os": "linux", "architecture": "arm"}},
        {"Name": "second", "Platform": {"os": "linux"}},
        {},
    ]);
    let recipe = recipe(&manifests, &json!({}));
    let name = |architecture| {
        recipe.select(&device(architecture)).and_then(|s| s.manifest.name.clone()).unwrap()
    };
    assert_eq!(name("amd64"), "second");
    assert_eq!(name("arm"), "first");
}

#[test]
fn platform_for_another_system_only_selects_nothing() {
    let recipe = recipe(&json!([{"Platform": {"os": "windows"}}]), &json!({}));
    assert!(recipe.select(&device("amd64")).is_none());
}

#[test]
fn selections_filter_at_any_depth() {
    let manifests = json!([
        {"Platform": {"os": "linux"}, "Selections": ["darwin", "unix"]},
        {"Selections": ["linux", "windows"]},
    ]);
    let lifecycle = json!({
        "key1": {"darwin": "D1", "linux": "L1"},
        "key2": {"linux": "L2", "unix": "U2", "windows": "W2"},
        "key3": {"windows": "W3", "all": "A3"},
        "key4": {"windows": {"a": "b"}},
    });
    assert_eq!(
        lifecycle_on_amd64(&recipe(&manifests, &lifecycle)),
        json!({"key1": "D1", "key2": "U2", "key3": "A3"})
    );
}

#[test]
fn selections_a_manifests_own_lifecycle_replaces_the_global_one() {
    let manifests = json!([{"Lifecycle": {"run": "X"}}]);
    assert_eq!(lifecycle_on_amd64(&recipe(&manifests, &json!({"run": "Y"}))), json!({"run": "X"}));
}

#[test]
fn selections_all_needs_no_selection() {
    assert_eq!(
        lifecycle_on_amd64(&recipe(&json!([{}]), &json!({"all": {"run": "Y"}}))),
        json!({"run": "Y"})
    );
}

#[test]
fn selections_a_null_choice_is_passed_over() {
    let manifests = json!([{"Selections": ["linux"]}]);
    assert_eq!(
        lifecycle_on_amd64(&recipe(&manifests, &json!({"linux": null, "all": {"run": "Y"}}))),
        json!({"run": "Y"})
    );
}
