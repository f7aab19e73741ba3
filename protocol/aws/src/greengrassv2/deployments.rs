//! Shapes of the deployment and tag operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{IoTJobConfiguration, Tags};
use crate::epoch::EpochMs;

/// What happens when a deployment fails on a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureHandlingPolicy {
    /// Go back to what was before.
    #[default]
    #[serde(rename = "ROLLBACK")]
    Rollback,
    /// Leave things as they are.
    #[serde(rename = "DO_NOTHING")]
    DoNothing,
}

/// Whether components are asked before they are updated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentUpdateAction {
    /// They are, and may defer.
    #[default]
    #[serde(rename = "NOTIFY_COMPONENTS")]
    NotifyComponents,
    /// They are not.
    #[serde(rename = "SKIP_NOTIFY_COMPONENTS")]
    SkipNotifyComponents,
}

/// `DeploymentComponentUpdatePolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentUpdatePolicy {
    /// Seconds to wait for components' answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_in_seconds: Option<i64>,
    /// Whether components are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ComponentUpdateAction>,
}

/// `DeploymentConfigurationValidationPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationValidationPolicy {
    /// Seconds to wait for components' verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_in_seconds: Option<i64>,
}

/// `DeploymentPolicies`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentPolicies {
    /// What happens on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_handling_policy: Option<FailureHandlingPolicy>,
    /// How components are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_update_policy: Option<ComponentUpdatePolicy>,
    /// How configurations are validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_validation_policy: Option<ConfigurationValidationPolicy>,
}

/// `ComponentConfigurationUpdate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentConfigurationUpdate {
    /// JSON text of an object: the wire carries a document inside a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<String>,
    /// JSON pointers to go back to the recipe's defaults; `""` is the whole configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Vec<String>>,
}

/// `SystemResourceLimits`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemResourceLimits {
    /// Kilobytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Cores, with a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
}

/// `ComponentRunWith`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRunWith {
    /// `user` or `user:group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posix_user: Option<String>,
    /// Limits of the component's processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_resource_limits: Option<SystemResourceLimits>,
    /// Windows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_user: Option<String>,
}

/// `ComponentDeploymentSpecification`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentDeploymentSpecification {
    /// The exact version.
    pub component_version: String,
    /// How its configuration changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_update: Option<ComponentConfigurationUpdate>,
    /// As whom it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_with: Option<ComponentRunWith>,
}

/// `CreateDeployment` asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateDeploymentRequest {
    /// ARN of a thing or of a thing group.
    pub target_arn: String,
    /// 1 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_name: Option<String>,
    /// Everything the target shall have: what is left out goes away.
    #[serde(default)]
    pub components: BTreeMap<String, ComponentDeploymentSpecification>,
    /// How the job rolls out; groups only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot_job_configuration: Option<IoTJobConfiguration>,
    /// How devices apply it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_policies: Option<DeploymentPolicies>,
    /// ARN of the parent group of a subdeployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_target_arn: Option<String>,
    /// Tags of the new deployment.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Makes a repeated request return the first one's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// `CreateDeployment` answers. A thing deployment has no job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateDeploymentResponse {
    /// The deployment's id, a UUID.
    pub deployment_id: String,
    /// The job that carries it to the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot_job_id: Option<String>,
    /// That job's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot_job_arn: Option<String>,
}

/// Operations on one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentIdRequest {
    /// The deployment's id.
    pub deployment_id: String,
}

/// `CancelDeployment` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CancelDeploymentResponse {
    /// What was done.
    pub message: String,
}

/// `DeploymentStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeploymentStatus {
    /// In force, or rolling out.
    Active,
    /// A thing deployment that its device finished.
    Completed,
    /// Cancelled, or replaced before it was done.
    Canceled,
    /// A thing deployment that its device could not do.
    Failed,
    /// A completed thing deployment that is no longer in force.
    Inactive,
}

impl DeploymentStatus {
    /// As the wire and the database have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Completed => "COMPLETED",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// `GetDeployment` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetDeploymentResponse {
    /// ARN of its target.
    pub target_arn: String,
    /// Counts the target's deployments from `1`.
    pub revision_id: String,
    /// The deployment's id.
    pub deployment_id: String,
    /// As it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_name: Option<String>,
    /// Where it stands.
    pub deployment_status: DeploymentStatus,
    /// Groups only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iot_job_id: Option<String>,
    /// Groups only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iot_job_arn: Option<String>,
    /// As they were sent.
    pub components: BTreeMap<String, ComponentDeploymentSpecification>,
    /// With all defaults written out.
    pub deployment_policies: DeploymentPolicies,
    /// As it was sent; `{}` when it was not.
    pub iot_job_configuration: IoTJobConfiguration,
    /// When it was made.
    pub creation_timestamp: EpochMs,
    /// Exactly one deployment per target has it.
    pub is_latest_for_target: bool,
    /// Subdeployments only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_target_arn: Option<String>,
    /// The deployment's tags.
    pub tags: Tags,
}

/// Which revisions `ListDeployments` lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum HistoryFilter {
    /// All of them.
    #[serde(rename = "ALL")]
    All,
    /// One per target.
    #[default]
    #[serde(rename = "LATEST_ONLY")]
    LatestOnly,
}

/// `ListDeployments` asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListDeploymentsRequest {
    /// Only those of this target.
    pub target_arn: Option<String>,
    /// Which revisions.
    #[serde(default)]
    pub history_filter: HistoryFilter,
    /// Only subdeployments of this group.
    pub parent_target_arn: Option<String>,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// One row of `ListDeployments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// ARN of its target.
    pub target_arn: String,
    /// Counts the target's deployments from `1`.
    pub revision_id: String,
    /// The deployment's id.
    pub deployment_id: String,
    /// As it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_name: Option<String>,
    /// When it was made.
    pub creation_timestamp: EpochMs,
    /// Where it stands.
    pub deployment_status: DeploymentStatus,
    /// Exactly one deployment per target has it.
    pub is_latest_for_target: bool,
    /// Subdeployments only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_target_arn: Option<String>,
}

/// `ListDeployments` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListDeploymentsResponse {
    /// Newest first.
    pub deployments: Vec<Deployment>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `ListTagsForResource` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTagsForResourceRequest {
    /// ARN of a component version, deployment or core device.
    pub resource_arn: String,
}

/// `ListTagsForResource` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListTagsForResourceResponse {
    /// `{}` when there are none.
    pub tags: Tags,
}

/// `TagResource` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagResourceRequest {
    /// ARN of a component version, deployment or core device.
    pub resource_arn: String,
    /// 1 to 200 tags to set.
    pub tags: Tags,
}

/// `UntagResource` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntagResourceRequest {
    /// ARN of a component version, deployment or core device.
    pub resource_arn: String,
    /// Keys to take away.
    #[serde(default)]
    pub tag_keys: Vec<String>,
}
