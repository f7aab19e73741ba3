//! What a deployment makes of the configuration: `services.<component>` for every component.
//!
//! [`Composer::compose`] only reads; [`Composition::write`] is the one change, made as part of
//! the deployment's transaction. What runs is then read back from the configuration by
//! [`services::service_specs`], after a deployment in the same way as at every start: the
//! configuration alone says what the device does (recipes and deployments, B5.4 to B5.6, A6).

mod attributes;
mod changes;
mod checks;
mod interpolation;
mod restart;
pub mod services;
mod timestamp;

use std::collections::BTreeMap;
use std::sync::Arc;

use marram_model::deployment::{ConfigurationUpdate, DeploymentDocument, RunWith};
use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};
use marram_recipe::platform::Attributes;
use serde_json::{Map, Value, json};

pub use attributes::device_attributes;
pub use checks::CheckNucleus;
pub use restart::RestartNeeds;
pub(crate) use restart::needs_bootstrap;
pub use timestamp::merge_timestamp;

use crate::config::{
    ChangeConfig, ConfigStore, Origin, ResolveConfiguration, ResolvedConfig, Sources, Transaction,
    is_builtin_service,
};
use crate::packages::{LoadRecipe, PackageStore, PlatformRecipe};
use crate::paths::NucleusPaths;
use crate::resolve::{NUCLEUS, Resolution, ResolvedComponent};
use interpolation::Interpolation;

const SERVICES: &str = "services";
const MAIN: &str = "main";
const CONFIGURATION: &str = "configuration";

/// Parts of `services.<component>` that belong to the running component and outlive its versions.
const KEPT: [&str; 3] = ["runtime", "_private", CONFIGURATION];

/// What a composition works with.
#[derive(Debug, Clone, Copy)]
pub struct Composer<'a> {
    /// The running configuration; only read.
    pub config: &'a ConfigStore,
    /// Where the recipes are.
    pub store: &'a PackageStore,
    /// The folders that variables stand for.
    pub paths: &'a NucleusPaths,
    /// What the device is.
    pub attributes: &'a Attributes,
    /// What the document's values are stamped with.
    pub origin: &'a Arc<Origin>,
    /// `{iot:thingName}`.
    pub thing_name: &'a str,
}

/// What a deployment makes of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    services: BTreeMap<ComponentName, Service>,
    roots: Vec<String>,
    merge_timestamp: i64,
}

/// What a deployment makes of one component.
#[derive(Debug, Clone, PartialEq)]
struct Service {
    /// All of `services.<component>` but what is kept.
    settings: Map<String, Value>,
    configuration: ResolvedConfig,
}

/// Why a deployment's configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Compose {
    /// A recipe that was there before.
    #[error("a recipe of the deployment cannot be read")]
    Recipe(#[source] LoadRecipe),
    /// The document's configuration update.
    #[error("a configuration update of the deployment cannot be applied")]
    Configuration(#[source] ResolveConfiguration),
}

impl Compose {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::Recipe(error) => error.error_codes(),
            Self::Configuration(_) => vec![ErrorCode::ComponentConfigurationNotValid],
        }
    }
}

impl Composer<'_> {
    /// What the deployment makes of the configuration. `merge_timestamp` is the document's
    /// creation time in ms (B5.3). Blocks on the disk for the recipes.
    pub fn compose(
        &self,
        resolution: &Resolution,
        document: &DeploymentDocument,
        merge_timestamp: i64,
    ) -> Result<Composition, Compose> {
        let mut drafts = BTreeMap::new();
        for (name, component) in &resolution.components {
            let draft = self.draft(name, component, document, merge_timestamp)?;
            drafts.insert(name, draft);
        }
        let interpolation = Interpolation::of(self, &mut drafts);
        let services = drafts
            .iter()
            .map(|(&name, draft)| {
                let lifecycle = interpolation.lifecycle(name, draft);
                (name.clone(), self.service(name, draft, document, lifecycle))
            })
            .collect();
        let roots = resolution.roots.iter().map(|root| format!("{root}:HARD")).collect();
        Ok(Composition { services, roots, merge_timestamp })
    }

    /// A component with everything but its variables filled in.
    fn draft<'d>(
        &self,
        name: &ComponentName,
        component: &'d ResolvedComponent,
        document: &DeploymentDocument,
        merge_timestamp: i64,
    ) -> Result<Draft<'d>, Compose> {
        let recipe = self
            .store
            .recipe_for_platform(name, &component.version, self.attributes)
            .map_err(Compose::Recipe)?;
        let none = ConfigurationUpdate::default();
        let spec = document.components.get(name);
        let update = spec.and_then(|spec| spec.configuration_update.as_ref()).unwrap_or(&none);
        let defaults = Value::Object(recipe.recipe.default_configuration.clone());
        let configuration = self
            .config
            .resolve_component(
                name.as_str(),
                &defaults,
                &update.reset,
                update.merge.as_ref().map(|merge| (merge, merge_timestamp)),
                &self.sources(&component.version),
            )
            .map_err(Compose::Configuration)?;
        Ok(Draft { component, recipe, configuration })
    }

    fn sources(&self, version: &Version) -> Sources {
        let recipe = Origin::Recipe { version: version.to_string() };
        Sources { recipe: Arc::new(recipe), deployment: Arc::clone(self.origin) }
    }

    fn service(
        &self,
        name: &ComponentName,
        draft: &Draft<'_>,
        document: &DeploymentDocument,
        lifecycle: Value,
    ) -> Service {
        let dependencies: Vec<String> = draft
            .component
            .dependencies
            .iter()
            .map(|(on, dependency_type)| format!("{on}:{}", dependency_type.as_str()))
            .collect();
        let version = &draft.component.version;
        let mut settings = Map::new();
        let mut put = |key: &str, value: Value| settings.insert(key.to_owned(), value);
        put("componentType", json!(draft.recipe.recipe.component_type.config_word()));
        put("dependencies", json!(dependencies));
        put("lifecycle", lifecycle);
        put("version", json!(version));
        if let Some(previous) = self.previous_version(name, version) {
            put("previousVersion", previous);
        }
        if let Some(run_with) = self.run_with(name, document) {
            put("runWith", run_with);
        }
        Service { settings, configuration: draft.configuration.clone() }
    }

    /// The version that ran before this one. Deploying the same version again keeps what it was.
    fn previous_version(&self, name: &ComponentName, version: &Version) -> Option<Value> {
        let running = self.config.get(&[SERVICES, name.as_str(), "version"]);
        match running.as_ref().and_then(Value::as_str) {
            Some(running) if running != version.to_string() => Some(json!(running)),
            _ => self.config.get(&[SERVICES, name.as_str(), "previousVersion"]),
        }
    }

    /// A root of the document runs as the document says, even if it says nothing; any other
    /// component as before (B5.5).
    fn run_with(&self, name: &ComponentName, document: &DeploymentDocument) -> Option<Value> {
        match document.components.get(name) {
            Some(spec) => stored_run_with(spec.run_with.as_ref()?),
            None => self.config.get(&[SERVICES, name.as_str(), "runWith"]),
        }
    }
}

/// An empty name counts as absent.
fn stored_run_with(run_with: &RunWith) -> Option<Value> {
    let name = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let stored = RunWith {
        posix_user: name(&run_with.posix_user),
        windows_user: name(&run_with.windows_user),
        system_resource_limits: run_with.system_resource_limits,
    };
    let is_empty = stored == RunWith::default();
    if is_empty { None } else { serde_json::to_value(stored).ok() }
}

/// A component whose variables are not filled in yet.
struct Draft<'a> {
    component: &'a ResolvedComponent,
    recipe: PlatformRecipe,
    configuration: ResolvedConfig,
}

impl Composition {
    /// Writes the composition: components that it lacks go with all that is theirs, the built-in
    /// services and the nucleus stay. `now_ms` is the time of what is not configuration.
    pub fn write(&self, tx: &mut Transaction, now_ms: i64) -> Result<(), ChangeConfig> {
        self.remove_others(tx);
        for (name, service) in &self.services {
            service.write(name.as_str(), tx, now_ms, self.merge_timestamp)?;
        }
        tx.replace(&[SERVICES, MAIN, "dependencies"], &json!(self.roots), now_ms)
    }

    fn remove_others(&self, tx: &mut Transaction) {
        let Some(Value::Object(present)) = tx.get(&[SERVICES]) else { return };
        for name in present.keys() {
            let is_deployed = self.services.keys().any(|n| n.as_str().eq_ignore_ascii_case(name));
            let stays = is_deployed
                || is_builtin_service(name)
                || name.eq_ignore_ascii_case(MAIN)
                || name.eq_ignore_ascii_case(NUCLEUS);
            if !stays {
                tx.remove(&[SERVICES, name]);
            }
        }
    }
}

impl Service {
    fn write(
        &self,
        name: &str,
        tx: &mut Transaction,
        now_ms: i64,
        merge_timestamp: i64,
    ) -> Result<(), ChangeConfig> {
        if let Some(Value::Object(present)) = tx.get(&[SERVICES, name]) {
            for key in present.keys().filter(|key| !KEPT.contains(&key.as_str())) {
                // Also what is written again: a clock that went back must not keep the old.
                tx.remove(&[SERVICES, name, key]);
            }
        }
        for (key, value) in &self.settings {
            tx.replace(&[SERVICES, name, key], value, now_ms)?;
        }
        tx.write_configuration(name, &self.configuration, merge_timestamp)
    }
}

#[cfg(test)]
mod tests;
