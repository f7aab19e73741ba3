//! The deployment document: what a job carries, and the shadow as a string
//! (recipes and deployments, B1.1; device-cloud protocol, section 4).

mod number;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::arn::{ConfigurationArn, Target};
use crate::error_code::ErrorCode;
use crate::text::words;
use crate::{ComponentName, Version};

/// The only value of `schemaDate`.
pub const SCHEMA_DATE: &str = "2021-05-17";

/// Capability: the full configuration must be downloaded.
pub const LARGE_CONFIGURATION: &str = "LARGE_CONFIGURATION";
/// Capability: `systemResourceLimits` of a component.
pub const LINUX_RESOURCE_LIMITS: &str = "LINUX_RESOURCE_LIMITS";
/// Capability: a deployment on behalf of a group.
pub const SUB_DEPLOYMENTS: &str = "SUB_DEPLOYMENTS";

/// What is to run on the devices of a target. Field names are case-sensitive, unknown ones are
/// ignored, and an explicit `null` for a policy is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDocument {
    /// A UUID.
    #[serde(default)]
    pub deployment_id: String,
    /// Always [`SCHEMA_DATE`].
    #[serde(default)]
    pub schema_date: SchemaDate,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_name: Option<String>,
    /// Target and revision; any text is accepted, see [`DeploymentDocument::group_name`].
    #[serde(default)]
    pub configuration_arn: String,
    /// The group above, of a sub-deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_target_arn: Option<String>,
    /// The thing group under which the device files the roots of a sub-deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// When it was created, ms since the epoch; the device takes the time of receipt if absent.
    #[serde(default, with = "number::optional", skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<i64>,
    /// The root components.
    #[serde(default)]
    pub components: BTreeMap<ComponentName, ComponentSpec>,
    /// What to do when it fails after the device has changed.
    #[serde(default)]
    pub failure_handling_policy: FailureHandlingPolicy,
    /// Whether components are asked before.
    #[serde(default)]
    pub component_update_policy: ComponentUpdatePolicy,
    /// How long components may check their new configuration.
    #[serde(default)]
    pub configuration_validation_policy: ConfigurationValidationPolicy,
    /// What the device must be able to do; unknown words are kept.
    #[serde(default)]
    pub required_capabilities: Vec<String>,
}

/// One root component of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    /// The exact version.
    pub version: Version,
    /// Changes to its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_update: Option<ConfigurationUpdate>,
    /// As whom and within which limits it runs. Absent or empty resets the device's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_with: Option<RunWith>,
}

/// Changes to one component's configuration: resets first, then the merge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationUpdate {
    /// Values to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Map<String, Value>>,
    /// JSON pointers to what goes back to its default; `""` is everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<String>,
}

/// As whom a component's scripts run, and within which limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunWith {
    /// `user[:group]`, names or ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posix_user: Option<String>,
    /// The user on Windows; carried, never used here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_user: Option<String>,
    /// Limits of all its processes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_resource_limits: Option<SystemResourceLimits>,
}

/// Limits of all processes of a component together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemResourceLimits {
    /// Kilobytes.
    #[serde(default, with = "number::optional", skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Processors, for example 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
}

words! {
    #[derive(Default)]
    /// What to do when a deployment fails after the device has changed.
    FailureHandlingPolicy {
        /// Go back to what ran before.
        #[default]
        Rollback = "ROLLBACK",
        /// Leave it as it is.
        DoNothing = "DO_NOTHING",
    }
}

words! {
    #[derive(Default)]
    /// Whether components are asked before a deployment changes the device.
    ComponentUpdateAction {
        /// They are told, and may defer.
        #[default]
        NotifyComponents = "NOTIFY_COMPONENTS",
        /// They are not.
        SkipNotifyComponents = "SKIP_NOTIFY_COMPONENTS",
    }
}

/// Whether and how long components are asked before a deployment changes the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentUpdatePolicy {
    /// Seconds to wait for answers.
    #[serde(default = "default_timeout", with = "number")]
    pub timeout: i64,
    /// Whether they are asked.
    #[serde(default)]
    pub action: ComponentUpdateAction,
}

impl Default for ComponentUpdatePolicy {
    fn default() -> Self {
        Self { timeout: default_timeout(), action: ComponentUpdateAction::default() }
    }
}

/// How long components may check their new configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationValidationPolicy {
    /// Seconds.
    #[serde(default = "default_timeout", with = "number")]
    pub timeout: i64,
}

impl Default for ConfigurationValidationPolicy {
    fn default() -> Self {
        Self { timeout: default_timeout() }
    }
}

fn default_timeout() -> i64 {
    60
}

/// The date of the document's format, of which there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchemaDate {
    /// [`SCHEMA_DATE`].
    #[default]
    #[serde(rename = "2021-05-17")]
    V20210517,
}

/// Why a deployment document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ParseDocument {
    /// Not JSON, or a field of another type than its own.
    #[error("the deployment document cannot be read")]
    Read(#[source] serde_json::Error),
    /// `onBehalfOf` is no thing group.
    #[error("`onBehalfOf` of the deployment document is `{0}`: it must be a thing group's ARN")]
    OnBehalfOf(String),
}

impl ParseDocument {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::Read(_) => vec![ErrorCode::DeploymentDocumentParseError],
            Self::OnBehalfOf(_) => vec![ErrorCode::DeploymentDocumentNotValid],
        }
    }
}

impl DeploymentDocument {
    /// Reads a document as a job or a shadow carries it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseDocument> {
        let document: Self = serde_json::from_slice(bytes).map_err(ParseDocument::Read)?;
        match &document.on_behalf_of {
            Some(arn) if group_of(arn).is_none() => Err(ParseDocument::OnBehalfOf(arn.clone())),
            _ => Ok(document),
        }
    }

    /// The group under which the device files the roots: `thinggroup/G` or `thing/T`; the text of
    /// `configurationArn` itself if it is no ARN.
    pub fn group_name(&self) -> String {
        let on_behalf_of = self.on_behalf_of.as_deref().and_then(group_of);
        match (on_behalf_of, ConfigurationArn::parse(&self.configuration_arn)) {
            (Some(group), _) => group.as_group_key(),
            (None, Ok(arn)) => arn.target.as_group_key(),
            (None, Err(_)) => self.configuration_arn.clone(),
        }
    }

    /// The required capabilities that are not among `supported`, in their order.
    pub fn missing_capabilities(&self, supported: &[&str]) -> Vec<&str> {
        let required = self.required_capabilities.iter().map(String::as_str);
        required.filter(|word| !supported.contains(word)).collect()
    }
}

fn group_of(arn: &str) -> Option<Target> {
    Target::parse_arn(arn).ok().filter(|target| matches!(target, Target::ThingGroup(_)))
}

#[cfg(test)]
mod tests;
