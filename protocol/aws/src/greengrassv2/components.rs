//! Shapes of the component operations. Those that devices use too are `marram_model`'s.

use std::collections::BTreeMap;

pub use marram_model::data_plane::{
    ComponentCandidate, ComponentPlatform, GetComponentVersionArtifactResponse,
    ResolveComponentCandidatesRequest, ResolveComponentCandidatesResponse,
    ResolvedComponentVersion,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Blob;
use crate::epoch::EpochMs;

/// Tags of a resource: key to value.
pub type Tags = BTreeMap<String, String>;

/// `CreateComponentVersion` asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateComponentVersionRequest {
    /// The recipe, JSON or YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_recipe: Option<Blob>,
    /// An AWS Lambda function to import; kept as it came, because Marram refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_function: Option<Value>,
    /// Tags of the new component version.
    #[serde(default)]
    pub tags: Tags,
    /// Makes a repeated request return the first one's result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// Where a component version stands (`CloudComponentState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ComponentState {
    /// Accepted; its artifacts are not checked yet.
    Requested,
    /// Its artifacts are being copied.
    Initiated,
    /// Devices can get it.
    Deployable,
    /// It can never be deployed; `errors` tells why.
    Failed,
    /// Withdrawn by its publisher.
    Deprecated,
}

/// What a publisher says about a version (`VendorGuidance`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VendorGuidance {
    /// In use.
    Active,
    /// Deployable, discouraged.
    Discontinued,
    /// Not deployable.
    Deleted,
}

/// `CloudComponentStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Where the version stands.
    pub component_state: ComponentState,
    /// Never empty (the model's minimum length is 1): `NONE` when there is nothing to say.
    pub message: String,
    /// Artifact URI, or a pseudo key, to what is wrong with it.
    pub errors: BTreeMap<String, String>,
    /// What the publisher says about the version.
    pub vendor_guidance: VendorGuidance,
}

/// `CreateComponentVersion` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateComponentVersionResponse {
    /// The component version's ARN.
    pub arn: String,
    /// The component's name.
    pub component_name: String,
    /// The version.
    pub component_version: String,
    /// When it was made.
    pub creation_timestamp: EpochMs,
    /// Where it stands.
    pub status: ComponentStatus,
}

/// Operations on one component or component version name it by ARN.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ComponentArnRequest {
    /// The component version's ARN.
    pub arn: String,
}

/// `DescribeComponent` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeComponentResponse {
    /// The component version's ARN.
    pub arn: String,
    /// The component's name.
    pub component_name: String,
    /// The version.
    pub component_version: String,
    /// When it was made.
    pub creation_timestamp: EpochMs,
    /// From the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// From the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it stands.
    pub status: ComponentStatus,
    /// One per manifest.
    pub platforms: Vec<ComponentPlatform>,
    /// The component version's tags.
    pub tags: Tags,
}

/// In which form `GetComponent` returns the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecipeOutputFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// `GetComponent` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetComponentRequest {
    /// The component version's ARN.
    pub arn: String,
    /// Absent: the form in which the recipe was uploaded.
    pub recipe_output_format: Option<RecipeOutputFormat>,
}

/// `GetComponent` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetComponentResponse {
    /// The form of `recipe`.
    pub recipe_output_format: RecipeOutputFormat,
    /// The recipe with what the cloud filled in.
    pub recipe: Blob,
    /// The component version's tags.
    pub tags: Tags,
}

/// Whose components `ListComponents` lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ComponentScope {
    /// The account's own.
    #[default]
    Private,
    /// Those that come with the cloud.
    Public,
}

/// `ListComponents` asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListComponentsRequest {
    /// Whose components.
    #[serde(default)]
    pub scope: ComponentScope,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// `ComponentLatestVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentLatestVersion {
    /// The component version's ARN.
    pub arn: String,
    /// The highest version, not the last made.
    pub component_version: String,
    /// When it was made.
    pub creation_timestamp: EpochMs,
    /// From the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// From the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// One per manifest.
    pub platforms: Vec<ComponentPlatform>,
}

/// One row of `ListComponents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The component's ARN, without a version.
    pub arn: String,
    /// The component's name.
    pub component_name: String,
    /// Its highest version.
    pub latest_version: ComponentLatestVersion,
}

/// `ListComponents` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListComponentsResponse {
    /// One row per component.
    pub components: Vec<Component>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `ListComponentVersions` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListComponentVersionsRequest {
    /// The component's ARN, without a version.
    pub arn: String,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// One row of `ListComponentVersions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentVersionListItem {
    /// The component's name.
    pub component_name: String,
    /// The version.
    pub component_version: String,
    /// The component version's ARN.
    pub arn: String,
}

/// `ListComponentVersions` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListComponentVersionsResponse {
    /// Highest version first.
    pub component_versions: Vec<ComponentVersionListItem>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `GetComponentVersionArtifact` asks. Endpoint types are accepted and mean nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetComponentVersionArtifactRequest {
    /// The component version's ARN.
    pub arn: String,
    /// What follows `greengrass:` in the artifact's URI; may contain `/`.
    pub artifact_name: String,
}
