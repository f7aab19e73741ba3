//! What components shall run: the target that a deployment sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use marram_model::deployment::RunWith;
use marram_model::{ComponentName, Version};
use marram_recipe::DependencyType;
use serde_json::{Map, Value};

use crate::component::NativeComponent;

/// The components to create or change, by name. Those it does not name stay as they are.
pub type ServiceSet = BTreeMap<ComponentName, ServiceSpec>;

/// One component as it shall run.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Its name.
    pub name: ComponentName,
    /// Its version.
    pub version: Version,
    /// The lifecycle section of its recipe for this platform, placeholders filled in.
    pub lifecycle: Map<String, Value>,
    /// The components it depends on.
    pub dependencies: BTreeMap<ComponentName, DependencyType>,
    /// Whom its steps run as.
    pub run_with: RunWith,
    /// What runs it.
    pub kind: ServiceKind,
}

/// What runs a component.
#[derive(Debug, Clone)]
pub enum ServiceKind {
    /// The scripts of its lifecycle.
    Generic,
    /// A guest in the nucleus's own process; its lifecycle section is not used.
    Native(Arc<dyn NativeComponent>),
}

/// What a component does when its definition changes (A7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reaction {
    /// It goes on.
    Nothing,
    /// It stops and starts.
    Restart,
    /// It stops, installs and starts.
    Reinstall,
}

impl ServiceSpec {
    /// What the change from `self` to `new` asks for. Only real paths count, unlike in Java, where
    /// a configuration key of an unlucky name restarts its component.
    pub(crate) fn reaction_to(&self, new: &Self) -> Reaction {
        let reinstall = self.version != new.version
            || self.run_with.posix_user != new.run_with.posix_user
            || self.run_with.windows_user != new.run_with.windows_user
            || step(&self.lifecycle, "install") != step(&new.lifecycle, "install")
            || !same_kind(&self.kind, &new.kind);
        if reinstall {
            return Reaction::Reinstall;
        }
        let restart = running_part(&self.lifecycle) != running_part(&new.lifecycle)
            || new.dependencies.keys().any(|name| !self.dependencies.contains_key(name));
        if restart { Reaction::Restart } else { Reaction::Nothing }
    }
}

fn same_kind(old: &ServiceKind, new: &ServiceKind) -> bool {
    match (old, new) {
        (ServiceKind::Generic, ServiceKind::Generic) => true,
        (ServiceKind::Native(old), ServiceKind::Native(new)) => Arc::ptr_eq(old, new),
        _ => false,
    }
}

fn step<'a>(lifecycle: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    lifecycle.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// What restarts a component when it changes: all but the shutdown step, which only the next stop
/// needs, and the install step, which is asked about before.
fn running_part(lifecycle: &Map<String, Value>) -> BTreeMap<String, &Value> {
    lifecycle
        .iter()
        .map(|(key, value)| (key.to_ascii_lowercase(), value))
        .filter(|(key, _)| key != "shutdown" && key != "install")
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(lifecycle: Value) -> ServiceSpec {
        let Value::Object(lifecycle) = lifecycle else { panic!("a lifecycle is an object") };
        ServiceSpec {
            name: "c".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            lifecycle,
            dependencies: BTreeMap::new(),
            run_with: RunWith::default(),
            kind: ServiceKind::Generic,
        }
    }

    fn reaction(old: Value, new: Value) -> Reaction {
        spec(old).reaction_to(&spec(new))
    }

    #[test]
    fn a7_6_install_version_and_user_reinstall() {
        assert_eq!(
            reaction(json!({"install": {"Script": "a"}}), json!({"Install": {"Script": "b"}})),
            Reaction::Reinstall
        );
        let old = spec(json!({"run": "a"}));
        let newer = ServiceSpec { version: "1.0.1".parse().unwrap(), ..old.clone() };
        assert_eq!(old.reaction_to(&newer), Reaction::Reinstall);
        let run_with = RunWith { posix_user: Some("u".to_owned()), ..RunWith::default() };
        let other_user = ServiceSpec { run_with, ..old.clone() };
        assert_eq!(old.reaction_to(&other_user), Reaction::Reinstall);
    }

    #[test]
    fn a7_6_other_steps_restart_but_shutdown_does_not() {
        let run = json!({"run": "a"});
        assert_eq!(reaction(run.clone(), json!({"run": "b"})), Reaction::Restart);
        assert_eq!(reaction(run.clone(), json!({"run": "a", "setenv": {}})), Reaction::Restart);
        assert_eq!(reaction(run.clone(), json!({"Run": "a"})), Reaction::Nothing);
        assert_eq!(reaction(run, json!({"run": "a", "shutdown": "x"})), Reaction::Nothing);
    }

    #[test]
    fn a7_6_only_real_paths_count() {
        let with_key = |script: &str| json!({"run": {"Setenv": {"install": script}}});
        assert_eq!(reaction(with_key("a"), with_key("b")), Reaction::Restart);
    }

    #[test]
    fn a7_4_added_dependency_restarts_and_removed_one_does_not() {
        let alone = spec(json!({"run": "a"}));
        let dependencies = BTreeMap::from([("d".parse().unwrap(), DependencyType::Soft)]);
        let depending = ServiceSpec { dependencies, ..alone.clone() };
        assert_eq!(alone.reaction_to(&depending), Reaction::Restart);
        assert_eq!(depending.reaction_to(&alone), Reaction::Nothing);
    }
}
