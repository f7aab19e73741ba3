//! Whether a composition needs the nucleus to start again (recipes and deployments, B5.7.1).
//!
//! Plugins are no reason, unlike in Java: ours are guests that start and stop like any component
//! (ADR 0009).

use std::collections::{BTreeMap, BTreeSet};

use marram_model::{ComponentName, Version};
use serde_json::{Map, Value};

use super::{CONFIGURATION, Composition, SERVICES};
use crate::config::ConfigStore;
use crate::resolve::NUCLEUS;

/// Keys of the nucleus that it reads once, at its start.
const READ_AT_START: &[&str] = &[
    "/networkProxy/noProxyAddresses",
    "/networkProxy/proxy/url",
    "/networkProxy/proxy/username",
    "/networkProxy/proxy/password",
    "/runWithDefault/posixUser",
    "/runWithDefault/posixShell",
    "/mqtt/version",
    "/mqtt/spooler/storageType",
    "/fipsMode",
];

/// Why the nucleus has to start again; nothing in it if it need not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartNeeds {
    /// Keys of the nucleus's configuration that change, as JSON pointers.
    pub keys: Vec<&'static str>,
    /// Components with a bootstrap step that is to run.
    pub bootstrap: BTreeSet<ComponentName>,
    /// The nucleus that is to run, if it is another version.
    pub nucleus: Option<Version>,
}

impl RestartNeeds {
    /// True if there is any reason.
    pub fn is_restart(&self) -> bool {
        !self.keys.is_empty() || !self.bootstrap.is_empty() || self.nucleus.is_some()
    }
}

impl Composition {
    /// What of it needs the nucleus to start again, compared with what runs; `nucleus` is the
    /// version of this program.
    pub fn restart_needs(&self, running: &ConfigStore, nucleus: &Version) -> RestartNeeds {
        let bootstrap = self.services.iter().filter(|(name, service)| {
            let before = running.get(&[SERVICES, name.as_str()]);
            // The nucleus is replaced by the nucleus: a script of another one's is not for us.
            name.as_str() != NUCLEUS && needs_bootstrap(before.as_ref(), &service.settings)
        });
        RestartNeeds {
            keys: self.nucleus_change(running).map(changed_keys).unwrap_or_default(),
            bootstrap: bootstrap.map(|(name, _)| name.clone()).collect(),
            nucleus: self.nucleus_version().filter(|wanted| wanted != nucleus),
        }
    }

    fn nucleus_version(&self) -> Option<Version> {
        let (_, nucleus) = self.services.iter().find(|(name, _)| name.as_str() == NUCLEUS)?;
        nucleus.settings.get("version")?.as_str()?.parse().ok()
    }

    /// What each component needs.
    pub fn dependencies(&self) -> BTreeMap<ComponentName, BTreeSet<ComponentName>> {
        let needs = |settings: &Map<String, Value>| {
            super::services::read_dependencies(settings).into_keys().collect()
        };
        self.services.iter().map(|(name, s)| (name.clone(), needs(&s.settings))).collect()
    }

    /// The nucleus's configuration now and then; `None` if the composition leaves it alone.
    pub(super) fn nucleus_change(&self, running: &ConfigStore) -> Option<(Value, &Value)> {
        let (_, nucleus) = self.services.iter().find(|(name, _)| name.as_str() == NUCLEUS)?;
        let now = running.get(&[SERVICES, NUCLEUS, CONFIGURATION]).unwrap_or_default();
        Some((now, &nucleus.configuration.value))
    }
}

fn changed_keys((now, then): (Value, &Value)) -> Vec<&'static str> {
    let changes = |pointer: &&&str| setting(&now, pointer) != setting(then, pointer);
    READ_AT_START.iter().filter(changes).copied().collect()
}

/// The text of a setting; one that is not there is as good as an empty one.
pub(super) fn setting(configuration: &Value, pointer: &str) -> String {
    match configuration.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => other.to_string(),
    }
}

/// Of a component that is new, or whose version or bootstrap step changes (A7.10).
pub(crate) fn needs_bootstrap(before: Option<&Value>, after: &Map<String, Value>) -> bool {
    let Some(step) = bootstrap_step(after) else { return false };
    let Some(before) = before.and_then(Value::as_object) else { return true };
    before.get("version") != after.get("version") || bootstrap_step(before) != Some(step)
}

fn bootstrap_step(service: &Map<String, Value>) -> Option<&Value> {
    let lifecycle = service.get("lifecycle")?.as_object()?;
    let (_, step) = lifecycle.iter().find(|(key, _)| key.eq_ignore_ascii_case("bootstrap"))?;
    (!step.is_null()).then_some(step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn b5_7_keys_that_are_read_at_the_start_need_one() {
        let changed = |now: Value, then: Value| changed_keys((now, &then));
        let proxy = json!({"networkProxy": {"proxy": {"url": "http://p"}}});
        assert_eq!(changed(json!({}), proxy.clone()), ["/networkProxy/proxy/url"]);
        assert_eq!(changed(proxy, json!({"networkProxy": {}})), ["/networkProxy/proxy/url"]);
        let all = json!({
            "networkProxy": {"noProxyAddresses": "a", "proxy": {"username": "u", "password": "p"}},
            "runWithDefault": {"posixUser": "u", "posixShell": "bash"},
            "mqtt": {"version": "mqtt3", "spooler": {"storageType": "Disk"}},
            "fipsMode": "true",
        });
        assert_eq!(changed(json!({}), all).len(), READ_AT_START.len() - 1);
        let others = json!({
            "mqtt": {"port": 443}, "logging": {"level": "DEBUG"}, "jvmOptions": "-Xmx",
            "runWithDefault": {"posixUser": "", "systemResourceLimits": {"memory": 1}},
        });
        assert_eq!(changed(json!({}), others), [""; 0]);
    }

    #[test]
    fn a7_10_bootstrap_runs_for_new_components_versions_and_steps() {
        let service = |version: &str, step: Value| {
            let lifecycle = json!({"Bootstrap": step, "run": "x"});
            json!({"version": version, "lifecycle": lifecycle})
        };
        let needs = |before: Option<Value>, after: Value| {
            needs_bootstrap(before.as_ref(), after.as_object().unwrap())
        };
        let one = service("1.0.0", json!("a"));
        assert!(needs(None, one.clone()));
        assert!(!needs(Some(one.clone()), one.clone()));
        assert!(needs(Some(one.clone()), service("1.0.1", json!("a"))));
        assert!(needs(Some(one.clone()), service("1.0.0", json!({"Script": "b"}))));
        assert!(!needs(Some(one), service("1.0.1", Value::Null)), "it has none any more");
        assert!(!needs(None, json!({"version": "1.0.0", "lifecycle": {"run": "x"}})));
    }

    #[test]
    fn the_reference_says_which_keys_restart() {
        let page = include_str!("../../../../docs/reference/nucleus-configuration.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let said = rows.filter(|(_, rest)| rest.split(" | ").nth(1) == Some("yes"));
        let said: BTreeSet<String> =
            said.map(|(key, _)| format!("/{}", key.replace('.', "/"))).collect();
        assert_eq!(said, READ_AT_START.iter().map(|&key| key.to_owned()).collect());
    }
}
