//! Recipes written again, in the one form that every kind of device reads.
//!
//! PascalCase fields (`Uri`), lower-case lifecycle steps with PascalCase keys below, an explicit
//! `DependencyType`, normalised requirements (recipes and deployments, A1.3). nucleus-lite reads
//! nothing else.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::lifecycle::StepName;
use crate::parse::FORMAT_VERSION;
use crate::recipe::{Artifact, ComponentType, Manifest, Recipe};
use crate::yaml;

const STEP_KEYS: &[&str] =
    &["Script", "RequiresPrivilege", "Skipif", "Timeout", "Setenv", "BootstrapOnRollback"];

/// Keys of a lifecycle beside its steps, as they are written.
const LIFECYCLE_KEYS: &[&str] = &["Setenv", "errorResetTime"];

/// Why a recipe cannot be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("the recipe of {component} cannot be written as YAML")]
pub struct WriteYaml {
    component: String,
    #[source]
    source: serde_saphyr::ser_error::Error,
}

impl Recipe {
    /// The recipe as a JSON tree.
    pub fn to_json(&self) -> Value {
        let mut recipe = Map::new();
        let mut put = |name: &str, value: Value| recipe.insert(name.to_owned(), value);
        put("RecipeFormatVersion", json!(FORMAT_VERSION));
        put("ComponentName", json!(self.component_name));
        put("ComponentVersion", json!(self.component_version));
        if self.component_type != ComponentType::default() {
            put("ComponentType", json!(self.component_type.as_str()));
        }
        for (name, text) in [
            ("ComponentDescription", &self.component_description),
            ("ComponentPublisher", &self.component_publisher),
            ("ComponentSource", &self.component_source),
        ] {
            if let Some(text) = text {
                put(name, json!(text));
            }
        }
        if !self.default_configuration.is_empty() {
            let configuration = json!({ "DefaultConfiguration": self.default_configuration });
            put("ComponentConfiguration", configuration);
        }
        if !self.dependencies.is_empty() {
            put("ComponentDependencies", self.dependencies_to_json());
        }
        let manifests = self.manifests.iter().map(manifest_to_json).collect();
        put("Manifests", Value::Array(manifests));
        if !self.lifecycle.is_empty() {
            put("Lifecycle", lifecycle_to_json(&self.lifecycle, &self.keywords()));
        }
        Value::Object(recipe)
    }

    /// The recipe as compact JSON.
    pub fn to_json_string(&self) -> String {
        self.to_json().to_string()
    }

    /// The recipe as YAML.
    pub fn to_yaml(&self) -> Result<String, WriteYaml> {
        yaml::write(&self.to_json())
            .map_err(|source| WriteYaml { component: self.component_name.to_string(), source })
    }

    fn dependencies_to_json(&self) -> Value {
        let dependencies = self.dependencies.iter().map(|(name, dependency)| {
            let value = json!({
                "VersionRequirement": dependency.requirement,
                "DependencyType": dependency.dependency_type,
            });
            (name.to_string(), value)
        });
        Value::Object(dependencies.collect())
    }
}

fn manifest_to_json(manifest: &Manifest) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    if let Some(name) = &manifest.name {
        put("Name", json!(name));
    }
    if let Some(platform) = &manifest.platform {
        put("Platform", json!(platform));
    }
    if !manifest.lifecycle.is_empty() {
        // A manifest's own lifecycle is used unfiltered: no key of it is a selection.
        put("Lifecycle", lifecycle_to_json(&manifest.lifecycle, &BTreeSet::new()));
    }
    if !manifest.selections.is_empty() {
        put("Selections", json!(manifest.selections));
    }
    if !manifest.artifacts.is_empty() {
        put("Artifacts", manifest.artifacts.iter().map(artifact_to_json).collect());
    }
    Value::Object(object)
}

fn artifact_to_json(artifact: &Artifact) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("Uri", json!(artifact.uri));
    if let Some(digest) = &artifact.digest {
        put("Digest", json!(digest));
    }
    if let Some(algorithm) = &artifact.algorithm {
        put("Algorithm", json!(algorithm));
    }
    put("Unarchive", json!(artifact.unarchive.as_str()));
    let permission = artifact.permission;
    put(
        "Permission",
        json!({"Read": permission.read.as_str(), "Execute": permission.execute.as_str()}),
    );
    Value::Object(object)
}

/// Steps in lower case, their keys in PascalCase. Selections keep their spelling, as they are
/// matched exactly; on their level nothing else counts.
fn lifecycle_to_json(lifecycle: &Map<String, Value>, keywords: &BTreeSet<&str>) -> Value {
    let is_selection = has_keyword(lifecycle, keywords);
    rewrite(lifecycle, |key, value| {
        let step = StepName::parse(key).filter(|_| !is_selection);
        let own_key = canonical(LIFECYCLE_KEYS, key).filter(|_| !is_selection);
        match (step, own_key) {
            (Some(step), _) => (step.as_str(), look_through(value, keywords, step_to_json)),
            (None, Some(own_key)) => (own_key, value.clone()),
            (None, None) => (key, look_through(value, keywords, lifecycle_to_json)),
        }
    })
}

fn step_to_json(step: &Map<String, Value>, keywords: &BTreeSet<&str>) -> Value {
    let is_selection = has_keyword(step, keywords);
    rewrite(step, |key, value| match canonical(STEP_KEYS, key).filter(|_| !is_selection) {
        Some(name) => (name, value.clone()),
        None => (key, look_through(value, keywords, step_to_json)),
    })
}

fn has_keyword(map: &Map<String, Value>, keywords: &BTreeSet<&str>) -> bool {
    map.keys().any(|key| keywords.contains(key.as_str()))
}

fn rewrite<'a>(
    map: &'a Map<String, Value>,
    entry: impl Fn(&'a str, &'a Value) -> (&'a str, Value),
) -> Value {
    let entries = map.iter().map(|(key, value)| entry(key, value));
    Value::Object(entries.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn look_through(
    value: &Value,
    keywords: &BTreeSet<&str>,
    within: impl Fn(&Map<String, Value>, &BTreeSet<&str>) -> Value,
) -> Value {
    match value {
        Value::Object(map) => within(map, keywords),
        other => other.clone(),
    }
}

fn canonical<'a>(names: &[&'a str], key: &str) -> Option<&'a str> {
    names.iter().copied().find(|name| name.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests;
