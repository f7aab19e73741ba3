//! Reads back from the configuration what runs on the device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use marram_model::deployment::RunWith;
use marram_model::{ComponentName, Version};
use marram_recipe::DependencyType;
use serde_json::{Map, Value};

use super::{MAIN, SERVICES};
use crate::component::NativeComponent;
use crate::config::{ConfigSnapshot, ConfigStore, is_builtin_service};
use crate::resolve::NUCLEUS;
use crate::supervisor::{ServiceKind, ServiceSet, ServiceSpec};

/// The guests that this program has, by component name.
pub type Natives = BTreeMap<&'static str, Arc<dyn NativeComponent>>;

/// Everything that the supervisor shall run: all deployed components but the nucleus, which runs
/// already. An entry that cannot be read is left out and logged: it must not keep the others from
/// running.
pub fn service_specs(config: &ConfigStore, natives: &Natives) -> ServiceSet {
    let mut specs = specs_of(deployed(config.get(&[SERVICES])), natives);
    // The nucleus runs: who depends on it waits for nothing.
    let names: BTreeSet<ComponentName> = specs.keys().cloned().collect();
    for spec in specs.values_mut() {
        spec.dependencies.retain(|on, _| names.contains(on));
    }
    specs
}

/// Components that were deployed `then` and are no longer.
pub fn specs_gone(then: &ConfigSnapshot, config: &ConfigStore, natives: &Natives) -> ServiceSet {
    let mut gone = specs_of(deployed(then.get(&[SERVICES])), natives);
    for (name, _) in deployed(config.get(&[SERVICES])) {
        gone.remove(&name);
    }
    gone
}

fn specs_of(deployed: Vec<(ComponentName, Map<String, Value>)>, natives: &Natives) -> ServiceSet {
    let mut specs = ServiceSet::new();
    for (name, service) in deployed {
        match read_spec(&name, &service, natives) {
            Ok(spec) => {
                specs.insert(name, spec);
            }
            Err(reason) => {
                tracing::error!(component = %name, reason, "the component cannot be run");
            }
        }
    }
    specs
}

/// The versions that run, the nucleus included if it was deployed.
pub fn running_versions(config: &ConfigStore) -> BTreeMap<ComponentName, Version> {
    let versions = services(config.get(&[SERVICES]))
        .into_iter()
        .filter_map(|(name, service)| Some((name.parse().ok()?, version_at(&service, "version")?)));
    versions.collect()
}

/// The versions that the package store must keep: each component's, and the one before it.
pub fn kept_versions(config: &ConfigStore) -> BTreeMap<ComponentName, BTreeSet<Version>> {
    let mut kept: BTreeMap<ComponentName, BTreeSet<Version>> = BTreeMap::new();
    for (name, service) in services(config.get(&[SERVICES])) {
        let Ok(name) = name.parse() else { continue };
        let versions = ["version", "previousVersion"].map(|key| version_at(&service, key));
        kept.entry(name).or_default().extend(versions.into_iter().flatten());
    }
    kept
}

/// What each deployed component needs, for the question which deployment brought what.
pub fn dependencies(config: &ConfigStore) -> BTreeMap<ComponentName, BTreeSet<ComponentName>> {
    let services = services(config.get(&[SERVICES])).into_iter();
    let components = services.filter_map(|(name, service)| {
        let needs = read_dependencies(&service).into_keys().collect();
        Some((name.parse().ok()?, needs))
    });
    components.collect()
}

/// Every deployed component in `tree`, all of `services`, that the supervisor runs.
fn deployed(tree: Option<Value>) -> Vec<(ComponentName, Map<String, Value>)> {
    let deployed = services(tree).into_iter().filter_map(|(name, service)| {
        let is_component = service.contains_key("version")
            && service.contains_key("lifecycle")
            && !name.eq_ignore_ascii_case(NUCLEUS);
        is_component.then_some((name.parse().ok()?, service))
    });
    deployed.collect()
}

/// Every entry of `tree`, all of `services`, that is no built-in.
fn services(tree: Option<Value>) -> Vec<(String, Map<String, Value>)> {
    let Some(Value::Object(services)) = tree else { return Vec::new() };
    let entries = services.into_iter().filter_map(|(name, service)| match service {
        Value::Object(service) if !is_builtin_service(&name) && name != MAIN => {
            Some((name, service))
        }
        _ => None,
    });
    entries.collect()
}

fn version_at(service: &Map<String, Value>, key: &str) -> Option<Version> {
    service.get(key)?.as_str()?.parse().ok()
}

fn read_spec(
    name: &ComponentName,
    service: &Map<String, Value>,
    natives: &Natives,
) -> Result<ServiceSpec, String> {
    let version = version_at(service, "version").ok_or("`version` is no version")?;
    let Some(Value::Object(lifecycle)) = service.get("lifecycle") else {
        return Err("`lifecycle` is no object".to_owned());
    };
    let run_with = match service.get("runWith") {
        None | Some(Value::Null) => RunWith::default(),
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|error| format!("`runWith` cannot be read: {error}"))?,
    };
    let kind = match natives.get(name.as_str()) {
        Some(native) => ServiceKind::Native(Arc::clone(native)),
        None => ServiceKind::Generic,
    };
    Ok(ServiceSpec {
        name: name.clone(),
        version,
        lifecycle: lifecycle.clone(),
        dependencies: read_dependencies(service),
        run_with,
        kind,
    })
}

/// `name:HARD`, `name:SOFT`, any beginning of these, or only the name, which means hard (A4.4).
pub fn read_dependencies(service: &Map<String, Value>) -> BTreeMap<ComponentName, DependencyType> {
    let Some(Value::Array(list)) = service.get("dependencies") else { return BTreeMap::new() };
    let read = |text: &str| {
        let (name, word) = text.split_once(':').unwrap_or((text, ""));
        let word = word.to_ascii_uppercase();
        let is_soft = !word.is_empty() && DependencyType::Soft.as_str().starts_with(&word);
        let dependency_type = if is_soft { DependencyType::Soft } else { DependencyType::Hard };
        Some((name.parse().ok()?, dependency_type))
    };
    list.iter().filter_map(Value::as_str).filter_map(read).collect()
}
