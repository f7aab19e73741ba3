//! What a recipe is on one device: the manifest and the lifecycle
//! (recipes and deployments, A2.2 and A2.3).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::platform::{self, Attributes};
use crate::recipe::{Manifest, Recipe};

/// The keyword that every manifest selects last.
const ALL: &str = "all";

/// What a recipe is on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected<'a> {
    /// The first manifest that fits.
    pub manifest: &'a Manifest,
    /// Its lifecycle, or its selection from the recipe's; not interpolated.
    pub lifecycle: Map<String, Value>,
}

impl Recipe {
    /// The manifest and lifecycle for a device; `None` if no manifest is for it.
    pub fn select(&self, attributes: &Attributes) -> Option<Selected<'_>> {
        let manifest = self.manifests.iter().find(|manifest| {
            manifest.platform.as_ref().is_none_or(|t| platform::matches(t, attributes))
        })?;
        Some(Selected { manifest, lifecycle: self.lifecycle_of(manifest) })
    }

    /// The lifecycle of one of the recipe's manifests: its own, or its selection from the recipe's;
    /// not interpolated.
    pub fn lifecycle_of(&self, manifest: &Manifest) -> Map<String, Value> {
        if !manifest.lifecycle.is_empty() {
            return manifest.lifecycle.clone();
        }
        let mut priority: Vec<&str> = manifest.selections.iter().map(String::as_str).collect();
        priority.push(ALL);
        match filter_map(&self.lifecycle, &self.keywords(), &priority) {
            Some(Value::Object(lifecycle)) => lifecycle,
            _ => Map::new(),
        }
    }

    /// Every word that selects somewhere in the recipe.
    pub(crate) fn keywords(&self) -> BTreeSet<&str> {
        let selections = self.manifests.iter().flat_map(|manifest| &manifest.selections);
        selections.map(String::as_str).chain([ALL]).collect()
    }
}

/// A map without keywords keeps its children, filtered; one with keywords becomes the preferred
/// child, filtered, or nothing.
fn filter_map(
    map: &Map<String, Value>,
    keywords: &BTreeSet<&str>,
    priority: &[&str],
) -> Option<Value> {
    if map.keys().any(|key| keywords.contains(key.as_str())) {
        let chosen = priority.iter().filter_map(|key| map.get(*key)).find(|value| !value.is_null());
        return filter(chosen?, keywords, priority);
    }
    let kept = map
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), filter(value, keywords, priority)?)))
        .collect();
    Some(Value::Object(kept))
}

fn filter(value: &Value, keywords: &BTreeSet<&str>, priority: &[&str]) -> Option<Value> {
    match value {
        Value::Object(map) => filter_map(map, keywords, priority),
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests;
