//! The operations of `aws.greengrass.Cli`: components and deployments of this device, by hand.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::{Timestamp, to_json};

/// Asks about or acts on one component.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRequest {
    /// Its name; required.
    pub component_name: Option<String>,
}

/// Asks about or acts on one local deployment.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalDeploymentRequest {
    /// Its id, a UUID; required.
    pub deployment_id: Option<String>,
}

/// One component, as GetComponentDetails and ListComponents show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentDetails {
    /// Its name.
    pub component_name: String,
    /// The version that runs.
    pub version: String,
    /// A LifecycleState.
    pub state: String,
    /// Its configuration; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Value>,
    /// Marram's own: why it is in this state, with the status code first; absent when nothing is
    /// wrong. Official clients pass members over that they do not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Marram's own: the last lines of stderr, oldest first, of a component with a reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_stderr: Vec<String>,
}

/// Answers GetComponentDetails.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetComponentDetailsResponse {
    /// The component.
    pub component_details: ComponentDetails,
}

/// Answers ListComponents.
#[derive(Debug, Serialize)]
pub struct ListComponentsResponse {
    /// All of them.
    pub components: Vec<ComponentDetails>,
}

/// Whether a request to restart or stop was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RequestStatus {
    /// It was.
    Succeeded,
    /// It was not; the message says why.
    Failed,
}

/// Answers RestartComponent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartComponentResponse {
    /// Whether it is being restarted.
    pub restart_status: RequestStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Answers StopComponent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StopComponentResponse {
    /// Whether it is being stopped.
    pub stop_status: RequestStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Answers CreateLocalDeployment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLocalDeploymentResponse {
    /// The new deployment's id, a UUID.
    pub deployment_id: String,
}

/// Answers CancelLocalDeployment.
#[derive(Debug, Serialize)]
pub struct CancelLocalDeploymentResponse {
    /// What becomes of it.
    pub message: String,
}

/// One local deployment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalDeployment {
    /// Its id.
    pub deployment_id: String,
    /// QUEUED, IN_PROGRESS, SUCCEEDED, FAILED or CANCELED.
    pub status: String,
    /// When it was asked for: `dd-MM-uuuu HH:mm:ss z` in UTC.
    pub created_on: String,
    /// How it ended; absent until then, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_status_details: Option<DeploymentStatusDetails>,
}

/// How a local deployment ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatusDetails {
    /// The detailed status.
    pub detailed_deployment_status: String,
    /// Codes from general to specific.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deployment_error_stack: Vec<String>,
    /// The codes' types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deployment_error_types: Vec<String>,
    /// The chain of causes in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_failure_cause: Option<String>,
}

/// Answers GetLocalDeploymentStatus.
#[derive(Debug, Serialize)]
pub struct GetLocalDeploymentStatusResponse {
    /// The deployment.
    pub deployment: LocalDeployment,
}

/// Answers ListLocalDeployments.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListLocalDeploymentsResponse {
    /// The newest first.
    pub local_deployments: Vec<LocalDeployment>,
}

/// Answers CreateDebugPassword.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateDebugPasswordResponse {
    /// The password, a secret.
    pub password: String,
    /// Whose it is.
    pub username: String,
    /// When it ends.
    pub password_expiration: Timestamp,
    /// Of the debug console's certificate, if there is one.
    #[serde(rename = "certificateSHA256Hash", skip_serializing_if = "Option::is_none")]
    pub certificate_sha256_hash: Option<String>,
    /// Of the debug console's certificate, if there is one.
    #[serde(rename = "certificateSHA1Hash", skip_serializing_if = "Option::is_none")]
    pub certificate_sha1_hash: Option<String>,
}

impl std::fmt::Debug for CreateDebugPasswordResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateDebugPasswordResponse")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The payload of a response.
pub fn payload(response: &impl Serialize) -> Vec<u8> {
    to_json(response)
}
