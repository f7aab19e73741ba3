//! Shapes of the operations on versions of policies.

use serde::{Deserialize, Serialize};

use crate::epoch::EpochMs;

/// `CreatePolicyVersion`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatePolicyVersionRequest {
    /// The policy.
    pub policy_name: String,
    /// The new version's document, JSON as text.
    pub policy_document: String,
    /// Whether it is in force from now on.
    #[serde(default)]
    pub set_as_default: bool,
}

/// Answer to `CreatePolicyVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatePolicyVersionResponse {
    /// The policy's ARN.
    pub policy_arn: String,
    /// The version's document.
    pub policy_document: String,
    /// The version's number.
    pub policy_version_id: String,
    /// Whether it is in force.
    pub is_default_version: bool,
}

/// `GetPolicyVersion`, `SetDefaultPolicyVersion` and `DeletePolicyVersion`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersionRequest {
    /// The policy.
    pub policy_name: String,
    /// The version's number.
    pub policy_version_id: String,
}

/// Answer to `GetPolicyVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPolicyVersionResponse {
    /// The policy's ARN.
    pub policy_arn: String,
    /// The policy's name.
    pub policy_name: String,
    /// The version's document.
    pub policy_document: String,
    /// The version's number.
    pub policy_version_id: String,
    /// Whether it is in force.
    pub is_default_version: bool,
    /// When it was made.
    pub creation_date: EpochMs,
    /// The same: a version never changes.
    pub last_modified_date: EpochMs,
    /// Differs from that of an earlier policy with the same name.
    pub generation_id: String,
}

/// One row of `ListPolicyVersions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersionSummary {
    /// Its number.
    pub version_id: String,
    /// Whether it is in force.
    pub is_default_version: bool,
    /// When it was made.
    pub create_date: EpochMs,
}

/// Answer to `ListPolicyVersions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPolicyVersionsResponse {
    /// All versions, newest first.
    pub policy_versions: Vec<PolicyVersionSummary>,
}
