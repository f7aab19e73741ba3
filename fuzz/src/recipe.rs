//! A recipe, YAML or JSON: read, written and read again, chosen for a device, filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use marram_recipe::interpolate::{Facts, Scope, Variables, interpolate};
use marram_recipe::lifecycle::Lifecycle;
use marram_recipe::{Format, ParseRecipe, Recipe, Strictness, locate, parse, parse_with_warnings};
use serde_json::Value;

pub(crate) fn run(data: &[u8]) {
    match parse_with_warnings(data, Format::Detect, Strictness::Device) {
        Ok((recipe, _)) => {
            write_and_read(&recipe);
            use_on_a_device(&recipe);
        }
        Err(ParseRecipe::Invalid(problems)) => point_at(data, &problems),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(strict) = parse(data, Format::Detect, Strictness::Cloud) {
        let lax = parse(data, Format::Detect, Strictness::Device);
        assert_eq!(lax.expect("what the cloud takes, devices take"), strict);
    }
}

fn point_at(data: &[u8], problems: &[marram_recipe::Problem]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(!problems.is_empty(), "refused without a reason");
    // A carriage return alone ends a line in YAML too.
    let lines = text.split(['\n', '\r']).count() as u64;
    for problem in problems {
        if let Some(place) = locate(text, &problem.field) {
            assert!((1..=lines).contains(&place.line), "line {} of {lines}", place.line);
        }
    }
}

/// The canonical form is canonical: read again, it is written as the same text.
fn write_and_read(recipe: &Recipe) {
    let json = recipe.to_json_string();
    let read = |text: &str, format| {
        let recipe = parse(text.as_bytes(), format, Strictness::Device);
        recipe.unwrap_or_else(|error| panic!("{text}\n{error}")).to_json_string()
    };
    assert_eq!(read(&json, Format::Json), json);
    if let Ok(yaml) = recipe.to_yaml() {
        assert_eq!(read(&yaml, Format::Yaml), json, "{yaml}");
    }
}

fn use_on_a_device(recipe: &Recipe) {
    let attributes: BTreeMap<String, String> =
        [("os", "linux"), ("architecture", "amd64"), ("runtime", "*")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    let Some(selected) = recipe.select(&attributes) else { return };
    let facts = Facts {
        configuration: Value::Object(recipe.default_configuration.clone()),
        artifacts: PathBuf::from("/a"),
        unarchived: PathBuf::from("/u"),
        work: PathBuf::from("/w"),
    };
    let dependencies = BTreeMap::from([("com.example.Other", &facts)]);
    let scope = Scope {
        own: &facts,
        dependencies: &dependencies,
        root: "/greengrass/v2",
        thing_name: "core1",
        variables: Variables::All,
    };
    let lifecycle = Value::Object(selected.lifecycle);
    let (filled, unresolved) = interpolate(&lifecycle, &scope);
    for left in unresolved {
        assert!(left.placeholder.starts_with('{') && left.placeholder.ends_with('}'));
    }
    if let Value::Object(map) = filled {
        let _ = Lifecycle::parse(&map);
    }
}
