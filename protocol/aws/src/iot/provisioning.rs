//! Shapes of the operations on provisioning templates, claims, and the registration of things.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::certificates::KeyPair;
use super::tags::Tag;
use crate::epoch::EpochMs;

/// Who is asked before a device is provisioned; kept, and not asked here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningHook {
    /// For example `2020-04-01`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_version: Option<String>,
    /// A function's ARN.
    pub target_arn: String,
}

/// `CreateProvisioningTemplate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateProvisioningTemplateRequest {
    /// The new template's name.
    pub template_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its first version's body, JSON as text.
    pub template_body: String,
    /// Whether devices may use it.
    #[serde(default)]
    pub enabled: bool,
    /// The role it acts as.
    pub provisioning_role_arn: String,
    /// Who is asked first.
    pub pre_provisioning_hook: Option<ProvisioningHook>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// `FLEET_PROVISIONING` (when absent) or `JITP`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// Answer to `CreateProvisioningTemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateProvisioningTemplateResponse {
    /// Its ARN.
    pub template_arn: String,
    /// Its name.
    pub template_name: String,
    /// Its first version: 1.
    pub default_version_id: i64,
}

/// An operation on one template: `DescribeProvisioningTemplate`, `DeleteProvisioningTemplate`,
/// `CreateProvisioningClaim`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningTemplateRequest {
    /// The template.
    pub template_name: String,
}

/// Answer to `DescribeProvisioningTemplate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeProvisioningTemplateResponse {
    /// What lists have too.
    #[serde(flatten)]
    pub summary: ProvisioningTemplateSummary,
    /// The version in force.
    pub default_version_id: i64,
    /// That version's body.
    pub template_body: String,
    /// The role it acts as.
    pub provisioning_role_arn: String,
    /// Who is asked first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_provisioning_hook: Option<ProvisioningHook>,
}

/// A template as lists have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningTemplateSummary {
    /// Its ARN.
    pub template_arn: String,
    /// Its name.
    pub template_name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made.
    pub creation_date: EpochMs,
    /// When it last changed.
    pub last_modified_date: EpochMs,
    /// Whether devices may use it.
    pub enabled: bool,
    /// `FLEET_PROVISIONING` or `JITP`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// `UpdateProvisioningTemplate`; what is absent stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateProvisioningTemplateRequest {
    /// The template.
    pub template_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether devices may use it.
    pub enabled: Option<bool>,
    /// The version that is to be in force.
    pub default_version_id: Option<i64>,
    /// The role it acts as.
    pub provisioning_role_arn: Option<String>,
    /// Who is asked first.
    pub pre_provisioning_hook: Option<ProvisioningHook>,
    /// Ask nobody.
    #[serde(default)]
    pub remove_pre_provisioning_hook: bool,
}

/// A page of a list: `ListProvisioningTemplates`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListProvisioningTemplatesRequest {
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where to go on.
    pub next_token: Option<String>,
}

/// Answer to `ListProvisioningTemplates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListProvisioningTemplatesResponse {
    /// The page.
    pub templates: Vec<ProvisioningTemplateSummary>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `CreateProvisioningTemplateVersion`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateProvisioningTemplateVersionRequest {
    /// The template.
    pub template_name: String,
    /// The new version's body, JSON as text.
    pub template_body: String,
    /// Whether it is in force from now on.
    #[serde(default)]
    pub set_as_default: bool,
}

/// Answer to `CreateProvisioningTemplateVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateProvisioningTemplateVersionResponse {
    /// The template's ARN.
    pub template_arn: String,
    /// The template's name.
    pub template_name: String,
    /// The version's number.
    pub version_id: i64,
    /// Whether it is in force.
    pub is_default_version: bool,
}

/// `DescribeProvisioningTemplateVersion` and `DeleteProvisioningTemplateVersion`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningTemplateVersionRequest {
    /// The template.
    pub template_name: String,
    /// The version's number, which travels in the path.
    pub version_id: String,
}

/// Answer to `DescribeProvisioningTemplateVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeProvisioningTemplateVersionResponse {
    /// What lists have too.
    #[serde(flatten)]
    pub summary: ProvisioningTemplateVersionSummary,
    /// The version's body.
    pub template_body: String,
}

/// A version as lists have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningTemplateVersionSummary {
    /// Its number.
    pub version_id: i64,
    /// When it was made.
    pub creation_date: EpochMs,
    /// Whether it is in force.
    pub is_default_version: bool,
}

/// `ListProvisioningTemplateVersions`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListProvisioningTemplateVersionsRequest {
    /// The template.
    pub template_name: String,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where to go on.
    pub next_token: Option<String>,
}

/// Answer to `ListProvisioningTemplateVersions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListProvisioningTemplateVersionsResponse {
    /// The page.
    pub versions: Vec<ProvisioningTemplateVersionSummary>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Answer to `CreateProvisioningClaim`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateProvisioningClaimResponse {
    /// SHA-256 of its DER, lower-case hex.
    pub certificate_id: String,
    /// The certificate.
    pub certificate_pem: String,
    /// Its keys.
    pub key_pair: KeyPair,
    /// Until when it may be used.
    pub expiration: EpochMs,
}

/// `RegisterThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterThingRequest {
    /// A template's body, JSON as text.
    pub template_body: String,
    /// Values of the template's parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// Answer to `RegisterThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterThingResponse {
    /// The certificate, if the template has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_pem: Option<String>,
    /// What was made or found, by the names in the template.
    pub resource_arns: BTreeMap<String, String>,
}
