//! The members of `ExplainDeployment`.

use serde::{Deserialize, Serialize};

/// What is to be explained.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainDeploymentRequest {
    /// The deployment.
    pub deployment_id: String,
    /// Only this one of its devices.
    pub device: Option<String>,
    /// At most so many devices of a group are looked at, by name: 1 to 10,000, or 1,000.
    pub max_devices: Option<i64>,
}

/// The explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainDeploymentResponse {
    /// The deployment.
    pub deployment_id: String,
    /// Its thing or thing group.
    pub target_arn: String,
    /// Its number among the deployments of the target.
    pub revision_id: String,
    /// As `GetDeployment` has it.
    pub deployment_status: String,
    /// Whether no later one took its place.
    pub is_latest_for_target: bool,
    /// How many devices the target has now.
    pub devices: i64,
    /// How many of them were looked at.
    pub examined_devices: i64,
    /// How many of those have an outcome that is not told here.
    pub other_devices: i64,
    /// What would become of them, that of the most devices first.
    pub outcomes: Vec<Outcome>,
}

/// What would become of devices that are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How many devices.
    pub devices: i64,
    /// The names of some.
    pub samples: Vec<String>,
    /// What they are; absent if they have not reported, and any platform was taken to fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
    /// The deployments that count for them, the explained one first.
    pub deployments: Vec<Brought>,
    /// Why the deployment would fail; absent if it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// All components that are there or will be.
    pub components: Vec<ChangedComponent>,
}

/// What devices said of themselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// For example `linux`.
    pub platform: String,
    /// For example `amd64`.
    pub architecture: String,
    /// For example `aws_nucleus_classic`.
    pub runtime: String,
    /// The nucleus's version.
    pub core_version: String,
}

/// A deployment that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Brought {
    /// `thing/NAME`, `thinggroup/NAME` or `LOCAL_DEPLOYMENT`.
    pub target: String,
    /// Absent for deployments made on the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// The components that it names.
    pub components: Vec<String>,
}

/// Why no set of versions does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// In one sentence.
    pub message: String,
    /// The component that has no version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_name: Option<String>,
    /// All who require something of it.
    pub requirements: Vec<Requirer>,
}

/// Who requires what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirer {
    /// A component, `thing/NAME` or `thinggroup/NAME`.
    pub by: String,
    /// For example `>=1.0.0 <2.0.0`.
    pub requirement: String,
}

/// What becomes of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedComponent {
    /// The component.
    pub component_name: String,
    /// What becomes of it.
    pub change: Change,
    /// The version that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_version: Option<String>,
    /// The version that will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component_version: Option<String>,
    /// Why that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// All who require it.
    pub requirements: Vec<Requirer>,
    /// The targets whose deployments bring it, by themselves or by what they name.
    pub brought_by: Vec<String>,
    /// Whether the explained deployment changes its configuration.
    pub is_configured: bool,
}

/// What becomes of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Change {
    /// It is not there yet.
    Install,
    /// To a higher version.
    Upgrade,
    /// To a lower version.
    Downgrade,
    /// Nothing brings it any more.
    Remove,
    /// It stays.
    None,
}

/// Why a version was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// A deployment names it.
    Pinned,
    /// It is there, and meets every requirement.
    Installed,
    /// The newest that meets every requirement and is for the platform.
    Newest,
}
