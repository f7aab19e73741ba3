//! Shapes of the operations on policies and their attachments.

use serde::{Deserialize, Serialize};

use super::tags::Tag;
use crate::epoch::EpochMs;

/// `CreatePolicy`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatePolicyRequest {
    /// The new policy's name.
    pub policy_name: String,
    /// Its document, JSON as text.
    pub policy_document: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// Answer to `CreatePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatePolicyResponse {
    /// Its name.
    pub policy_name: String,
    /// Its ARN.
    pub policy_arn: String,
    /// Its document.
    pub policy_document: String,
    /// The document's version: `1`.
    pub policy_version_id: String,
}

/// `GetPolicy` and `DeletePolicy`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyNameRequest {
    /// The policy.
    pub policy_name: String,
}

/// Answer to `GetPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPolicyResponse {
    /// Its name.
    pub policy_name: String,
    /// Its ARN.
    pub policy_arn: String,
    /// The document in force.
    pub policy_document: String,
    /// That document's version.
    pub default_version_id: String,
    /// When it was made.
    pub creation_date: EpochMs,
    /// When the document in force last changed.
    pub last_modified_date: EpochMs,
    /// Differs from that of an earlier policy with the same name.
    pub generation_id: String,
}

/// A policy as others refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// Its name.
    pub policy_name: String,
    /// Its ARN.
    pub policy_arn: String,
}

/// A page of policies: answer to `ListPolicies` and `ListAttachedPolicies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoliciesResponse {
    /// The page.
    pub policies: Vec<PolicySummary>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// `AttachPolicy` and `DetachPolicy`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTargetRequest {
    /// The policy.
    pub policy_name: String,
    /// ARN of a certificate or of a thing group.
    pub target: String,
}

/// `ListAttachedPolicies`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAttachedPoliciesRequest {
    /// ARN of a certificate or of a thing group.
    pub target: String,
    /// Whether a group's policies include those of the groups it lies in.
    #[serde(default)]
    pub recursive: bool,
    /// Where to go on.
    pub marker: Option<String>,
    /// 1 to 250.
    pub page_size: Option<i64>,
}

/// `ListTargetsForPolicy`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTargetsForPolicyRequest {
    /// The policy.
    pub policy_name: String,
    /// Where to go on.
    pub marker: Option<String>,
    /// 1 to 250.
    pub page_size: Option<i64>,
}

/// Answer to `ListTargetsForPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTargetsForPolicyResponse {
    /// ARNs of certificates and thing groups.
    pub targets: Vec<String>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// `AttachPrincipalPolicy` and `DetachPrincipalPolicy`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalPolicyRequest {
    /// The policy.
    pub policy_name: String,
    /// The certificate's ARN; travels in the header `x-amzn-iot-principal`.
    pub principal: String,
}

/// `ListPrincipalPolicies`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPrincipalPoliciesRequest {
    /// The certificate's ARN; travels in the header `x-amzn-iot-principal`.
    pub principal: String,
    /// Where to go on.
    pub marker: Option<String>,
    /// 1 to 250.
    pub page_size: Option<i64>,
}

/// `ListPolicyPrincipals`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPolicyPrincipalsRequest {
    /// The policy; travels in the header `x-amzn-iot-policy`.
    pub policy_name: String,
    /// Where to go on.
    pub marker: Option<String>,
    /// 1 to 250.
    pub page_size: Option<i64>,
}

/// Answer to `ListPolicyPrincipals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPolicyPrincipalsResponse {
    /// ARNs of certificates.
    pub principals: Vec<String>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
