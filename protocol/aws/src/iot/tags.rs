//! Shapes of the operations on tags. Unlike greengrassv2's, they travel as lists.

use serde::{Deserialize, Serialize};

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value; empty when absent.
    #[serde(default)]
    pub value: String,
}

/// `TagResource`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagResourceRequest {
    /// The resource's ARN.
    pub resource_arn: String,
    /// What to set.
    pub tags: Vec<Tag>,
}

/// `UntagResource`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntagResourceRequest {
    /// The resource's ARN.
    pub resource_arn: String,
    /// What to remove.
    pub tag_keys: Vec<String>,
}

/// `ListTagsForResource`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTagsForResourceRequest {
    /// The resource's ARN.
    pub resource_arn: String,
}

/// Answer to `ListTagsForResource`: all of them, a resource has at most 50.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTagsForResourceResponse {
    /// The tags, by key.
    pub tags: Vec<Tag>,
}
