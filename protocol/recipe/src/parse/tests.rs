use serde_json::json;

use super::*;
use crate::recipe::{Audience, Permission, Unarchive};

mod hostile;

/// A minimal recipe with `extra` merged over it.
fn with(extra: &Value) -> String {
    let mut recipe = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0",
        "Manifests": [{}],
    });
    if let (Some(recipe), Some(extra)) = (recipe.as_object_mut(), extra.as_object()) {
        recipe.extend(extra.clone());
    }
    recipe.to_string()
}

fn cloud(text: &str) -> Result<Recipe, ParseRecipe> {
    parse(text.as_bytes(), Format::Detect, Strictness::Cloud)
}

/// The fields that are reported for `extra`.
fn fields_wrong(extra: &Value) -> Vec<String> {
    match cloud(&with(extra)) {
        Err(ParseRecipe::Invalid(problems)) => problems.into_iter().map(|p| p.field).collect(),
        other => panic!("{extra} gave {other:?}"),
    }
}

#[test]
fn rec_parse_01_field_names_in_any_case() {
    let recipe = cloud(
        r#"{"recipeformatversion":"2020-01-25","COMPONENTNAME":"a","componentVersion":"1.0.0","manifests":[{}]}"#,
    )
    .unwrap();
    assert_eq!(recipe.component_type, ComponentType::Generic);
    assert_eq!(recipe.manifests.len(), 1);
}

#[test]
fn rec_parse_02_versions() {
    for bad in [json!("1.0"), json!("1000000.0.0"), json!("v1.0.0"), json!(1.0)] {
        assert_eq!(fields_wrong(&json!({"ComponentVersion": bad})), ["ComponentVersion"]);
    }
    assert!(cloud(&with(&json!({"ComponentVersion": "999999.0.0"}))).is_ok());
}

#[test]
fn rec_parse_03_component_types() {
    let recipe = cloud(&with(&json!({"ComponentType": "AWS.Greengrass.Plugin"}))).unwrap();
    assert_eq!(recipe.component_type, ComponentType::Plugin);
    assert_eq!(fields_wrong(&json!({"ComponentType": "PLUGIN"})), ["ComponentType"]);
    assert!(cloud(&with(&json!({"ComponentType": null}))).is_ok());
}

#[test]
fn rec_parse_04_names() {
    assert!(cloud(&with(&json!({"ComponentName": "a.b-c_d"}))).is_ok());
    for bad in ["a".repeat(129), "a/b".to_owned(), String::new()] {
        assert_eq!(fields_wrong(&json!({"ComponentName": bad})), ["ComponentName"]);
    }
}

#[test]
fn rec_parse_05_dependencies() {
    let recipe = cloud(&with(&json!({"ComponentDependencies": {
        "b": {"VersionRequirement": "^1.0.0"},
        "c": {"VersionRequirement": "*", "DependencyType": "soft"},
    }})))
    .unwrap();
    let b = &recipe.dependencies["b"];
    assert_eq!(b.dependency_type, DependencyType::Hard);
    assert_eq!(b.requirement, ">=1.0.0 <2.0.0".parse().unwrap());
    assert_eq!(recipe.dependencies["c"].dependency_type, DependencyType::Soft);
    assert_eq!(
        fields_wrong(&json!({"ComponentDependencies": {"b": {}}})),
        ["ComponentDependencies.b.VersionRequirement"]
    );
    assert_eq!(
        fields_wrong(&json!({"ComponentDependencies": {"b": {"VersionRequirement": "x"}}})),
        ["ComponentDependencies.b.VersionRequirement"]
    );
}

#[test]
fn rec_parse_06_artifacts() {
    let manifests = |artifact: Value| json!({"Manifests": [{"Artifacts": [artifact]}]});
    let recipe = cloud(&with(&manifests(json!(
        {"uri": "s3://b/k/x.zip", "unarchive": "zip", "permission": {"read": "all"}}
    ))))
    .unwrap();
    let artifact = &recipe.manifests[0].artifacts[0];
    assert_eq!(artifact.unarchive, Unarchive::Zip);
    assert_eq!(artifact.permission, Permission { read: Audience::All, execute: Audience::None });
    for (bad, field) in [
        (json!({"uri": "s3://b/k", "unarchive": "TAR"}), "Unarchive"),
        (json!({"uri": "s3://b/a b"}), "Uri"),
        (json!({}), "Uri"),
        (json!({"uri": "s3://b/k", "permission": {"read": "GROUP"}}), "Permission.Read"),
    ] {
        assert_eq!(fields_wrong(&manifests(bad)), [format!("Manifests[0].Artifacts[0].{field}")]);
    }
}

#[test]
fn rec_parse_07_lifecycles() {
    let recipe = cloud(&with(&json!({"Lifecycle": {"Run": "echo"}}))).unwrap();
    assert_eq!(recipe.lifecycle["Run"], "echo");
    assert_eq!(fields_wrong(&json!({"Lifecycle": "echo"})), ["Lifecycle"]);
    assert_eq!(fields_wrong(&json!({"Lifecycle": ["echo"]})), ["Lifecycle"]);
}

#[test]
fn rec_parse_08_the_last_of_two_spellings_wins() {
    let recipe = cloud(
        r#"{"RecipeFormatVersion":"2020-01-25","ComponentName":"a","componentname":"b",
            "ComponentVersion":"1.0.0","Manifests":[{}]}"#,
    )
    .unwrap();
    assert_eq!(recipe.component_name.as_str(), "b");
}

#[test]
fn what_is_missing_is_all_named_at_once() {
    let Err(ParseRecipe::Invalid(problems)) = cloud("{}") else { panic!("must be invalid") };
    let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
    assert_eq!(fields, ["RecipeFormatVersion", "ComponentName", "ComponentVersion", "Manifests"]);
}

#[test]
fn manifests_and_platforms_of_wrong_kinds() {
    assert_eq!(fields_wrong(&json!({"Manifests": [null]})), ["Manifests[0]"]);
    assert_eq!(
        fields_wrong(&json!({"Manifests": [{"Platform": {"os": ["a"]}}]})),
        ["Manifests[0].Platform.os"]
    );
    let recipe = cloud(&with(&json!({"Manifests": [
        {"Platform": {"x": 8, "y": true, "z": null}, "Selections": "linux"}
    ]})))
    .unwrap();
    let manifest = &recipe.manifests[0];
    let template = manifest.platform.clone().unwrap();
    assert_eq!(template["x"].as_deref(), Some("8"));
    assert_eq!(template["y"].as_deref(), Some("true"));
    assert_eq!(template["z"], None);
    assert_eq!(manifest.selections, ["linux"]);
}

#[test]
fn a_configuration_that_is_no_object_is_refused() {
    assert_eq!(
        fields_wrong(&json!({"ComponentConfiguration": {"DefaultConfiguration": 5}})),
        ["ComponentConfiguration.DefaultConfiguration"]
    );
}

#[test]
fn unknown_fields_stop_the_cloud_and_only_warn_the_device() {
    let text = with(&json!({"Colour": "red"}));
    assert_eq!(fields_wrong(&json!({"Colour": "red"})), ["Colour"]);
    let (_, warnings) =
        parse_with_warnings(text.as_bytes(), Format::Json, Strictness::Device).unwrap();
    assert_eq!(warnings[0].field, "Colour");
}

#[test]
fn the_device_takes_a_recipe_without_manifests() {
    let text = with(&json!({"Manifests": null}));
    let recipe = parse(text.as_bytes(), Format::Json, Strictness::Device).unwrap();
    assert!(recipe.manifests.is_empty());
}

#[test]
fn syntax_errors_have_a_place() {
    let error = cloud("ComponentName: [a\nComponentVersion: 1.0.0\n").unwrap_err();
    assert!(matches!(error, ParseRecipe::Syntax { format: "YAML", line: Some(_), .. }), "{error}");
    let json = "{\n\"ComponentName\": }".as_bytes();
    let error = parse(json, Format::Json, Strictness::Cloud).unwrap_err();
    assert!(matches!(error, ParseRecipe::Syntax { format: "JSON", line: Some(2), .. }), "{error}");
    assert_eq!(parse(&[0xff], Format::Detect, Strictness::Device), Err(ParseRecipe::NotText));
}

#[test]
fn a1_a_recipe_has_at_most_16000_bytes_in_the_cloud() {
    let of_length = |bytes: usize| {
        let empty = with(&json!({"ComponentDescription": ""})).len();
        with(&json!({"ComponentDescription": "x".repeat(bytes - empty)}))
    };
    assert!(cloud(&of_length(16_000)).is_ok());
    let text = of_length(16_001);
    assert_eq!(cloud(&text), Err(ParseRecipe::TooLarge(16_001)));
    assert!(parse(text.as_bytes(), Format::Json, Strictness::Device).is_ok());
}

#[test]
fn a1_1_a_version_has_at_most_64_characters() {
    let of_length =
        |length: usize| json!({"ComponentVersion": format!("1.0.0-{}", "a".repeat(length - 6))});
    assert!(cloud(&with(&of_length(64))).is_ok());
    assert_eq!(fields_wrong(&of_length(65)), ["ComponentVersion"]);
    let long = "9".repeat(10_000);
    assert_eq!(
        fields_wrong(&json!({"ComponentVersion": format!("{long}.0.0")})),
        ["ComponentVersion"]
    );
}

#[test]
fn yaml_keeps_what_yaml_1_1_would_guess() {
    let recipe = cloud(
        "\u{feff}RecipeFormatVersion: '2020-01-25'\r\nComponentName: a\r\nComponentVersion: 1.2.0\r\n\
         ComponentConfiguration:\r\n  DefaultConfiguration: {answer: yes, mode: 0755, n: 5, t: true}\r\n\
         Manifests:\r\n  - Platform: {os: linux}\r\n",
    )
    .unwrap();
    assert_eq!(
        Value::Object(recipe.default_configuration),
        json!({"answer": "yes", "mode": "0755", "n": 5, "t": true})
    );
}

#[test]
fn a_yaml_version_that_is_a_number_is_told_to_be_quoted() {
    let error = cloud("RecipeFormatVersion: '2020-01-25'\nComponentName: a\nComponentVersion: 1.0\nManifests: [{}]\n").unwrap_err();
    assert!(error.to_string().contains("in quotes"), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = cloud(&text);
    }
}
