//! Shapes of the core device operations.

use serde::{Deserialize, Serialize};

use super::Tags;
use crate::epoch::EpochMs;

/// Operations on one core device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoreDeviceRequest {
    /// The core device's thing name.
    pub core_device_thing_name: String,
}

/// How a core device says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CoreDeviceStatus {
    /// No component is broken.
    Healthy,
    /// A component is broken.
    Unhealthy,
}

impl CoreDeviceStatus {
    /// As the wire and the database have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

/// `GetCoreDevice` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetCoreDeviceResponse {
    /// The core device's thing name.
    pub core_device_thing_name: String,
    /// The nucleus's version.
    pub core_version: String,
    /// For example `linux`.
    pub platform: String,
    /// For example `amd64`.
    pub architecture: String,
    /// `aws_nucleus_classic` or `aws_nucleus_lite`.
    pub runtime: String,
    /// As the device last said.
    pub status: CoreDeviceStatus,
    /// When it last said so, by its own clock.
    pub last_status_update_timestamp: EpochMs,
    /// The core device's tags.
    pub tags: Tags,
}

/// `ListCoreDevices` asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListCoreDevicesRequest {
    /// Only devices on which a deployment to this group succeeded.
    pub thing_group_arn: Option<String>,
    /// Only devices with this status.
    pub status: Option<CoreDeviceStatus>,
    /// Only devices with this runtime.
    pub runtime: Option<String>,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// One row of `ListCoreDevices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoreDevice {
    /// The core device's thing name.
    pub core_device_thing_name: String,
    /// As the device last said.
    pub status: CoreDeviceStatus,
    /// When it last said so, by its own clock.
    pub last_status_update_timestamp: EpochMs,
    /// For example `linux`.
    pub platform: String,
    /// For example `amd64`.
    pub architecture: String,
    /// `aws_nucleus_classic` or `aws_nucleus_lite`.
    pub runtime: String,
}

/// `ListCoreDevices` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListCoreDevicesResponse {
    /// By thing name.
    pub core_devices: Vec<CoreDevice>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Which components `ListInstalledComponents` lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TopologyFilter {
    /// Dependencies too.
    All,
    /// Those that deployments name.
    #[default]
    Root,
}

/// `ListInstalledComponents` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListInstalledComponentsRequest {
    /// The core device's thing name.
    pub core_device_thing_name: String,
    /// Which components.
    #[serde(default)]
    pub topology_filter: TopologyFilter,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// One row of `ListInstalledComponents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstalledComponent {
    /// The component's name.
    pub component_name: String,
    /// Its version.
    pub component_version: String,
    /// `NEW`, `INSTALLED`, `STARTING`, `RUNNING`, `STOPPING`, `ERRORED`, `BROKEN` or `FINISHED`.
    pub lifecycle_state: String,
    /// Why it is errored or broken; at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_state_details: Option<String>,
    /// Whether a deployment names it.
    pub is_root: bool,
    /// When its state last changed.
    pub last_status_change_timestamp: EpochMs,
    /// When the device last spoke of it.
    pub last_reported_timestamp: EpochMs,
    /// The deployment that brought it, or `LOCAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_installation_source: Option<String>,
    /// Why it is errored or broken, as codes.
    pub lifecycle_status_codes: Vec<String>,
}

/// `ListInstalledComponents` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListInstalledComponentsResponse {
    /// By name.
    pub installed_components: Vec<InstalledComponent>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `ListEffectiveDeployments` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListEffectiveDeploymentsRequest {
    /// The core device's thing name.
    pub core_device_thing_name: String,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// Why an effective deployment failed, as codes; absent on success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveDeploymentStatusDetails {
    /// General to specific.
    pub error_stack: Vec<String>,
    /// Whose fault it may be.
    pub error_types: Vec<String>,
}

/// One row of `ListEffectiveDeployments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveDeployment {
    /// The deployment's id.
    pub deployment_id: String,
    /// Required by the model: `""` when it has none.
    pub deployment_name: String,
    /// Groups only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iot_job_id: Option<String>,
    /// Groups only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iot_job_arn: Option<String>,
    /// ARN of its target.
    pub target_arn: String,
    /// Success is `SUCCEEDED` for a group's deployment and `COMPLETED` for a thing's.
    pub core_device_execution_status: String,
    /// Most specific error code, detailed status and cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the deployment was made.
    pub creation_timestamp: EpochMs,
    /// When its state on this device last changed.
    pub modified_timestamp: EpochMs,
    /// Failures only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_details: Option<EffectiveDeploymentStatusDetails>,
}

/// `ListEffectiveDeployments` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListEffectiveDeploymentsResponse {
    /// Newest change first.
    pub effective_deployments: Vec<EffectiveDeployment>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
