//! Which configurations a composition changes, for the components that want to check theirs.

use std::collections::BTreeMap;

use marram_model::ComponentName;
use serde_json::{Value, json};

use super::{CONFIGURATION, Composition, SERVICES};
use crate::config::{ChangeConfig, ConfigStore};

impl Composition {
    /// The configurations that components would have, of those that are there already, keep their
    /// version, and would have another one than now. What a component wrote later than the
    /// deployment was made is its own and no change (B5.7.3).
    pub fn changed_configurations(
        &self,
        running: &ConfigStore,
    ) -> Result<BTreeMap<ComponentName, Value>, ChangeConfig> {
        let mut changed = BTreeMap::new();
        for (name, service) in &self.services {
            let now = running.get(&[SERVICES, name.as_str()]).unwrap_or_default();
            if now.get("version") != service.settings.get("version") {
                continue;
            }
            let resolved = &service.configuration;
            let then =
                running.preview_configuration(name.as_str(), resolved, self.merge_timestamp)?;
            let before = now.get(CONFIGURATION).cloned().unwrap_or_else(|| json!({}));
            if before != then {
                changed.insert(name.clone(), then);
            }
        }
        Ok(changed)
    }
}
