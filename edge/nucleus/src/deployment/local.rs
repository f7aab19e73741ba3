//! A deployment made on the device itself: what was asked, and the document that it becomes
//! (recipes and deployments, B1.2 "Local", B5.5).
//!
//! It changes the roots of its own group only: what others brought is never removed by it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use marram_model::deployment::{
    ComponentSpec, ComponentUpdateAction, ComponentUpdatePolicy, ConfigurationUpdate,
    ConfigurationValidationPolicy, DeploymentDocument, FailureHandlingPolicy, RunWith, SchemaDate,
};
use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::groups::Roots;

/// The group of local deployments that name no thing group.
pub(crate) const LOCAL_DEPLOYMENT: &str = "LOCAL_DEPLOYMENT";

/// Seconds that components may check their new configuration.
const VALIDATION_TIMEOUT_S: i64 = 20;

/// What CreateLocalDeployment asks for, under the names of the nucleus's own document or of the
/// IPC request. Names and versions are read when the deployment's turn comes, so that a wrong one
/// fails the deployment, where people look for the reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LocalRequest {
    /// A thing group's name; absent or empty means [`LOCAL_DEPLOYMENT`].
    pub(crate) group_name: Option<String>,
    #[serde(alias = "rootComponentVersionsToAdd")]
    components_to_merge: Option<BTreeMap<String, String>>,
    #[serde(alias = "rootComponentsToRemove")]
    components_to_remove: Option<Vec<String>>,
    #[serde(alias = "componentToConfiguration")]
    configuration_update: Option<BTreeMap<String, LocalUpdate>>,
    component_to_run_with_info: Option<BTreeMap<String, RunWith>>,
    recipe_directory_path: Option<PathBuf>,
    pub(crate) artifacts_directory_path: Option<PathBuf>,
    failure_handling_policy: Option<FailureHandlingPolicy>,
}

/// A change to one component's configuration; nucleus lite's clients write lower case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct LocalUpdate {
    #[serde(rename = "MERGE", alias = "merge")]
    merge: Option<Map<String, Value>>,
    #[serde(rename = "RESET", alias = "reset")]
    reset: Option<Vec<String>>,
}

/// Folders whose content goes into the package store when the deployment's turn comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folders {
    /// Recipes, at any depth.
    pub recipes: Option<PathBuf>,
    /// `<component>/<version>/<file>`.
    pub artifacts: Option<PathBuf>,
}

/// Why a local request cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadLocalRequest {
    #[error("the local deployment's request cannot be read")]
    Read(#[source] serde_json::Error),
    #[error("a component of the local deployment has a name that is none")]
    Name(#[source] <ComponentName as std::str::FromStr>::Err),
    #[error("`{version}` of {component} is no version: write for example 1.0.0")]
    Version { component: String, version: String },
}

impl ReadLocalRequest {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub(crate) fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::Read(_) => vec![ErrorCode::DeploymentDocumentParseError],
            Self::Name(_) | Self::Version { .. } => vec![ErrorCode::DeploymentDocumentNotValid],
        }
    }
}

impl LocalRequest {
    /// Reads a request back as it was queued.
    pub(crate) fn parse(text: &str) -> Result<Self, ReadLocalRequest> {
        serde_json::from_str(text).map_err(ReadLocalRequest::Read)
    }

    /// The group whose roots it changes.
    pub(crate) fn group(&self) -> String {
        match self.group_name.as_deref() {
            None | Some("") => LOCAL_DEPLOYMENT.to_owned(),
            Some(name) => format!("thinggroup/{name}"),
        }
    }

    /// What is to be copied; `None` if it names no folder. An empty path counts as none.
    pub(crate) fn folders(&self) -> Option<Folders> {
        let given = |path: &Option<PathBuf>| path.clone().filter(|p| !p.as_os_str().is_empty());
        let folders = Folders {
            recipes: given(&self.recipe_directory_path),
            artifacts: given(&self.artifacts_directory_path),
        };
        (folders != Folders::default()).then_some(folders)
    }

    /// The document: the group's `present` roots at their running versions, without those to
    /// remove, with those to merge. `run_with` is what each component has now.
    pub(crate) fn to_document(
        &self,
        deployment_id: &str,
        timestamp_ms: i64,
        present: Roots,
        run_with: impl Fn(&ComponentName) -> Option<RunWith>,
    ) -> Result<DeploymentDocument, ReadLocalRequest> {
        let mut roots = present;
        for name in self.components_to_remove.iter().flatten() {
            if roots.remove(&parse_name(name)?).is_none() {
                tracing::warn!(
                    component = name,
                    group = self.group(),
                    "not a root of the local deployment's group, so it is not removed"
                );
            }
        }
        for (name, version) in self.components_to_merge.iter().flatten() {
            roots.insert(parse_name(name)?, parse_version(name, version)?);
        }
        self.warn_of_ignored(&roots);
        let components = roots
            .into_iter()
            .map(|(name, version)| {
                let run_with = match self.component_to_run_with_info.as_ref() {
                    Some(given) if given.contains_key(name.as_str()) => {
                        given.get(name.as_str()).cloned()
                    }
                    _ => run_with(&name),
                };
                let configuration_update = self.update_of(&name);
                (name, ComponentSpec { version, configuration_update, run_with })
            })
            .collect();
        Ok(DeploymentDocument {
            deployment_id: deployment_id.to_owned(),
            schema_date: SchemaDate::default(),
            deployment_name: None,
            configuration_arn: self.group(),
            parent_target_arn: None,
            on_behalf_of: None,
            creation_timestamp: Some(timestamp_ms),
            components,
            failure_handling_policy: self
                .failure_handling_policy
                .unwrap_or(FailureHandlingPolicy::DoNothing),
            component_update_policy: ComponentUpdatePolicy {
                timeout: 0,
                action: ComponentUpdateAction::SkipNotifyComponents,
            },
            configuration_validation_policy: ConfigurationValidationPolicy {
                timeout: VALIDATION_TIMEOUT_S,
            },
            required_capabilities: Vec::new(),
        })
    }

    fn update_of(&self, name: &ComponentName) -> Option<ConfigurationUpdate> {
        let update = self.configuration_update.as_ref()?.get(name.as_str())?.clone();
        Some(ConfigurationUpdate { merge: update.merge, reset: update.reset.unwrap_or_default() })
    }

    /// Only roots take configuration and runWith, as in Greengrass, which does not say so.
    fn warn_of_ignored(&self, roots: &Roots) {
        let updated = self.configuration_update.iter().flat_map(BTreeMap::keys);
        let run_with = self.component_to_run_with_info.iter().flat_map(BTreeMap::keys);
        for name in updated.chain(run_with) {
            if !roots.keys().any(|root| root.as_str() == name) {
                tracing::warn!(
                    component = name,
                    "not a root of the local deployment's group: its configuration and runWith \
                     are ignored; merge it with its version as well"
                );
            }
        }
    }
}

fn parse_name(name: &str) -> Result<ComponentName, ReadLocalRequest> {
    name.parse().map_err(ReadLocalRequest::Name)
}

fn parse_version(component: &str, version: &str) -> Result<Version, ReadLocalRequest> {
    version.parse().map_err(|_| ReadLocalRequest::Version {
        component: component.to_owned(),
        version: version.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> ComponentName {
        text.parse().unwrap()
    }

    fn roots(list: &[(&str, &str)]) -> Roots {
        list.iter().map(|(n, v)| (name(n), v.parse().unwrap())).collect()
    }

    fn document(request: Value, present: &[(&str, &str)]) -> DeploymentDocument {
        let kept = RunWith { posix_user: Some("kept".to_owned()), ..RunWith::default() };
        LocalRequest::parse(&request.to_string())
            .unwrap()
            .to_document("id", 7, roots(present), |_| Some(kept.clone()))
            .unwrap()
    }

    #[test]
    fn b1_2_roots_are_the_present_ones_without_removed_with_merged() {
        let request = json!({
            "rootComponentVersionsToAdd": {"new": "1.0.0", "up": "2.0.0"},
            "rootComponentsToRemove": ["old", "never.there"],
        });
        let present = [("old", "1.0.0"), ("up", "1.0.0"), ("stays", "3.0.0")];
        let document = document(request, &present);
        let versions: Vec<(String, String)> = document
            .components
            .iter()
            .map(|(name, spec)| (name.to_string(), spec.version.to_string()))
            .collect();
        let expected = [("new", "1.0.0"), ("stays", "3.0.0"), ("up", "2.0.0")];
        assert_eq!(versions, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(document.group_name(), "LOCAL_DEPLOYMENT");
        assert_eq!(document.failure_handling_policy, FailureHandlingPolicy::DoNothing);
        assert_eq!(document.creation_timestamp, Some(7));
    }

    #[test]
    fn b1_2_an_empty_request_deploys_the_group_again() {
        let document = document(json!({"groupName": null}), &[("a", "1.0.0")]);
        assert!(document.components.contains_key("a"));
    }

    #[test]
    fn b1_2_a_group_name_is_a_thing_groups() {
        assert_eq!(document(json!({"groupName": "G"}), &[]).group_name(), "thinggroup/G");
        assert_eq!(document(json!({"groupName": ""}), &[]).group_name(), "LOCAL_DEPLOYMENT");
    }

    #[test]
    fn b5_5_only_a_root_with_an_entry_changes_its_run_with() {
        let request = json!({"componentToRunWithInfo": {"a": {"windowsUser": "w"}}});
        let document = document(request, &[("a", "1.0.0"), ("b", "1.0.0")]);
        assert_eq!(document.components["a"].run_with.as_ref().unwrap().posix_user, None);
        let kept = document.components["b"].run_with.as_ref().unwrap();
        assert_eq!(kept.posix_user.as_deref(), Some("kept"));
    }

    #[test]
    fn b1_2_merge_and_reset_in_either_case() {
        for (merge, reset) in [("MERGE", "RESET"), ("merge", "reset")] {
            let update = json!({"a": {merge: {"x": 1}, reset: ["/y"]}});
            let request = json!({"componentToConfiguration": update});
            let document = document(request, &[("a", "1.0.0")]);
            let update = document.components["a"].configuration_update.clone().unwrap();
            assert_eq!(update.merge.unwrap()["x"], 1);
            assert_eq!(update.reset, ["/y"]);
        }
    }

    #[test]
    fn a_wrong_version_names_the_component() {
        let request = json!({"rootComponentVersionsToAdd": {"a": "one"}}).to_string();
        let request = LocalRequest::parse(&request).unwrap();
        let error = request.to_document("id", 7, Roots::new(), |_| None).unwrap_err();
        assert!(error.to_string().contains("`one` of a"), "{error}");
    }
}
