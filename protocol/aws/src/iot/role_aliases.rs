//! Shapes of the operations on role aliases.

use serde::{Deserialize, Serialize};

use super::tags::Tag;
use crate::epoch::EpochMs;

/// `CreateRoleAlias`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRoleAliasRequest {
    /// The new alias.
    pub role_alias: String,
    /// The role it stands for.
    pub role_arn: String,
    /// How long credentials work, 900 to 43,200 s; 3,600 when absent.
    pub credential_duration_seconds: Option<i64>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// Answer to `CreateRoleAlias` and `UpdateRoleAlias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAliasResponse {
    /// The alias.
    pub role_alias: String,
    /// Its ARN.
    pub role_alias_arn: String,
}

/// `DescribeRoleAlias` and `DeleteRoleAlias`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAliasRequest {
    /// The alias.
    pub role_alias: String,
}

/// Answer to `DescribeRoleAlias`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeRoleAliasResponse {
    /// The alias.
    pub role_alias_description: RoleAliasDescription,
}

/// A role alias with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAliasDescription {
    /// The alias.
    pub role_alias: String,
    /// Its ARN.
    pub role_alias_arn: String,
    /// The role it stands for.
    pub role_arn: String,
    /// The account it belongs to.
    pub owner: String,
    /// How long credentials work, in seconds.
    pub credential_duration_seconds: i64,
    /// When it was made.
    pub creation_date: EpochMs,
    /// When it last changed.
    pub last_modified_date: EpochMs,
}

/// `UpdateRoleAlias`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRoleAliasRequest {
    /// The alias.
    pub role_alias: String,
    /// The role it stands for from now on.
    pub role_arn: Option<String>,
    /// How long credentials work from now on, 900 to 43,200 s.
    pub credential_duration_seconds: Option<i64>,
}

/// Answer to `ListRoleAliases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRoleAliasesResponse {
    /// The page: aliases.
    pub role_aliases: Vec<String>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
