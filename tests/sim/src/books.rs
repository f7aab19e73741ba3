//! What the device must look like: the simulation's own books, much simpler than the device's.

use std::collections::BTreeMap;

use marram_nucleus::config::ConfigStore;

use crate::plan::{Deployment, Target};

/// What is in force, by the deployments that have ended.
#[derive(Debug, Default)]
pub struct Books {
    roots: BTreeMap<Target, BTreeMap<&'static str, u64>>,
    rates: BTreeMap<&'static str, u64>,
    /// A way back has failed: versions are known again after the next success.
    versions_unknown: bool,
    /// The same, and nothing tells which configuration stayed.
    rates_unknown: bool,
}

impl Books {
    /// A deployment has ended like this.
    pub fn ended(&mut self, deployment: &Deployment, status: &str, detail: &str) {
        let in_force = status == "SUCCEEDED" || detail == "FAILED_ROLLBACK_NOT_REQUESTED";
        if detail == "FAILED_UNABLE_TO_ROLLBACK" {
            self.versions_unknown = true;
            self.rates_unknown = true;
        }
        if !in_force {
            return;
        }
        self.versions_unknown = false;
        let roots = self.roots.entry(deployment.target).or_default();
        match deployment.target {
            Target::Group(_) => roots.clear(),
            Target::Local => roots.retain(|name, _| !deployment.removed.contains(name)),
        }
        roots.extend(deployment.roots.iter().map(|(name, (version, _))| (*name, *version)));
        let expected = self.components();
        self.rates.retain(|name, _| expected.contains_key(name));
        for (name, (_, rate)) in &deployment.roots {
            if let Some(rate) = rate {
                self.rates.insert(name, *rate);
            }
        }
    }

    /// The components with their versions, as far as the books say which.
    pub fn components(&self) -> BTreeMap<&'static str, Option<u64>> {
        let roots = self.roots.values().flatten();
        let mut components: BTreeMap<_, _> = roots.map(|(name, v)| (*name, Some(*v))).collect();
        if components.contains_key("B") {
            components.entry("A").or_insert(None);
        }
        components
    }

    /// What is wrong with the device's configuration, if anything.
    pub fn difference(&self, config: &ConfigStore) -> Option<String> {
        if self.versions_unknown {
            return None;
        }
        let services = config.get(&["services"]).unwrap_or_default();
        let services = services.as_object().cloned().unwrap_or_default();
        let expected = self.components();
        for (name, service) in &services {
            if service.get("lifecycle").is_some() && !expected.contains_key(name.as_str()) {
                return Some(format!("{name} is there, and nobody brings it"));
            }
        }
        for (name, version) in expected {
            let Some(service) = services.get(name) else {
                return Some(format!("{name} is gone, and somebody brings it"));
            };
            let running = service["version"].as_str().unwrap_or_default();
            if version.is_some_and(|version| running != format!("{version}.0.0")) {
                return Some(format!("{name} is {running} instead of {version:?}"));
            }
            let rate = service["configuration"]["rate"].as_u64().unwrap_or_default();
            let wanted = self.rates.get(name).copied().unwrap_or_default();
            if !self.rates_unknown && rate != wanted {
                return Some(format!("`rate` of {name} is {rate} instead of {wanted}"));
            }
        }
        None
    }
}
