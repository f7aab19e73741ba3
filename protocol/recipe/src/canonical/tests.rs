use proptest::prelude::*;

use super::*;
use crate::{Format, Strictness, parse};

fn canonical_of(value: &Value) -> Value {
    parse(value.to_string().as_bytes(), Format::Json, Strictness::Cloud).unwrap().to_json()
}

fn base(extra: &Value) -> Value {
    let mut recipe = json!({
        "recipeformatversion": "2020-01-25", "componentname": "a", "componentversion": "1.0.0",
        "manifests": [{}],
    });
    if let (Some(recipe), Some(extra)) = (recipe.as_object_mut(), extra.as_object()) {
        recipe.extend(extra.clone());
    }
    recipe
}

#[test]
fn fields_are_written_as_devices_read_them() {
    let recipe = canonical_of(&base(&json!({
        "componentdependencies": {"b": {"versionrequirement": "^1.0.0"}},
        "manifests": [{"artifacts": [{"URI": "s3://b/k", "unarchive": "zip"}]}],
    })));
    assert_eq!(
        recipe,
        json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0",
            "ComponentDependencies":
                {"b": {"VersionRequirement": ">=1.0.0 <2.0.0", "DependencyType": "HARD"}},
            "Manifests": [{"Artifacts": [{
                "Uri": "s3://b/k", "Unarchive": "ZIP",
                "Permission": {"Read": "OWNER", "Execute": "NONE"},
            }]}],
        })
    );
}

#[test]
fn steps_are_lower_case_and_configuration_keeps_its_case() {
    let recipe = canonical_of(&base(&json!({
        "ComponentConfiguration": {"defaultconfiguration": {"Run": {"script": 1}}},
        "Lifecycle": {
            "SETENV": {"Run": "x", "script": "y"},
            "Run": {"script": "echo", "requiresprivilege": true, "setenv": {"timeout": "1"}},
            "Install": "true",
        },
    })));
    assert_eq!(
        recipe["ComponentConfiguration"]["DefaultConfiguration"],
        json!({"Run": {"script": 1}})
    );
    assert_eq!(
        recipe["Lifecycle"],
        json!({
            "Setenv": {"Run": "x", "script": "y"},
            "run": {"Script": "echo", "RequiresPrivilege": true, "Setenv": {"timeout": "1"}},
            "install": "true",
        })
    );
}

#[test]
fn selections_are_looked_through_and_keep_their_spelling() {
    let recipe = canonical_of(&base(&json!({
        "manifests": [{"Selections": ["Linux", "run"]}],
        "Lifecycle": {"Linux": {"Run": {"Linux": {"script": "a"}}}, "run": {"Install": "b"}},
    })));
    assert_eq!(
        recipe["Lifecycle"],
        json!({"Linux": {"run": {"Linux": {"Script": "a"}}}, "run": {"install": "b"}})
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec![
            "yes", "1.10", "null", "~", "0x1f", "- a", "a: b", "#", "", " x", "007", "<<"
        ])
        .prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[a-z\n\t ]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z0-9 :./-]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_recipe_comes_back_from_json_and_from_yaml(
        configuration in prop::collection::btree_map("[a-zA-Z0-9 ]{1,8}", any_value(), 0..5),
        script in "\\PC{0,40}(\n\\PC{0,20}){0,3}",
    ) {
        let configuration: Map<String, Value> = configuration.into_iter().collect();
        let text = base(&json!({
            "ComponentConfiguration": {"DefaultConfiguration": configuration},
            "Lifecycle": {"run": {"Script": script}},
        }));
        let recipe = parse(text.to_string().as_bytes(), Format::Json, Strictness::Device).unwrap();
        let json = recipe.to_json_string();
        prop_assert_eq!(&parse(json.as_bytes(), Format::Json, Strictness::Device).unwrap(), &recipe);
        let yaml = recipe.to_yaml().unwrap();
        prop_assert_eq!(&parse(yaml.as_bytes(), Format::Yaml, Strictness::Device).unwrap(), &recipe);
    }
}
