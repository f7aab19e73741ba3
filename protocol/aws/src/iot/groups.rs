//! Shapes of the operations on thing groups and their members.

use serde::{Deserialize, Serialize};

use super::tags::Tag;
use super::things::AttributePayload;
use crate::epoch::EpochMs;

/// What describes a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThingGroupProperties {
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_group_description: Option<String>,
    /// Free attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_payload: Option<AttributePayload>,
}

/// A group as others refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupNameAndArn {
    /// Its name.
    pub group_name: String,
    /// Its ARN.
    pub group_arn: String,
}

/// `CreateThingGroup`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateThingGroupRequest {
    /// The new group's name.
    pub thing_group_name: String,
    /// The group it lies in, for ever; none for a root.
    pub parent_group_name: Option<String>,
    /// What describes it.
    pub thing_group_properties: Option<ThingGroupProperties>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// Answer to `CreateThingGroup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateThingGroupResponse {
    /// Its name.
    pub thing_group_name: String,
    /// Its ARN.
    pub thing_group_arn: String,
    /// Its UUID.
    pub thing_group_id: String,
}

/// `DescribeThingGroup`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeThingGroupRequest {
    /// The group.
    pub thing_group_name: String,
}

/// Answer to `DescribeThingGroup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeThingGroupResponse {
    /// Its name.
    pub thing_group_name: String,
    /// Its UUID.
    pub thing_group_id: String,
    /// Its ARN.
    pub thing_group_arn: String,
    /// Counts the changes from 1.
    pub version: i64,
    /// What describes it.
    pub thing_group_properties: ThingGroupProperties,
    /// Where it lies.
    pub thing_group_metadata: ThingGroupMetadata,
}

/// Where a group lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingGroupMetadata {
    /// The group it lies in; absent for a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_group_name: Option<String>,
    /// All groups it lies in, root first.
    pub root_to_parent_thing_groups: Vec<GroupNameAndArn>,
    /// When it was made.
    pub creation_date: EpochMs,
}

/// `UpdateThingGroup`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateThingGroupRequest {
    /// The group.
    pub thing_group_name: String,
    /// What to write.
    pub thing_group_properties: ThingGroupProperties,
    /// Refuse unless the group has this version.
    pub expected_version: Option<i64>,
}

/// Answer to `UpdateThingGroup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateThingGroupResponse {
    /// Its version now.
    pub version: i64,
}

/// `DeleteThingGroup`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteThingGroupRequest {
    /// The group.
    pub thing_group_name: String,
    /// Refuse unless the group has this version.
    pub expected_version: Option<i64>,
}

/// `ListThingGroups`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListThingGroupsRequest {
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Only groups in this one.
    pub parent_group: Option<String>,
    /// Only groups whose names start so.
    pub name_prefix_filter: Option<String>,
    /// Whether to go deeper than one level; true when absent.
    pub recursive: Option<bool>,
}

/// A page of groups: answer to `ListThingGroups` and `ListThingGroupsForThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingGroupsResponse {
    /// The page.
    pub thing_groups: Vec<GroupNameAndArn>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `ListThingGroupsForThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingGroupsForThingRequest {
    /// The thing.
    pub thing_name: String,
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
}

/// `ListThingsInThingGroup`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingsInThingGroupRequest {
    /// The group.
    pub thing_group_name: String,
    /// Whether members of the groups below count too.
    #[serde(default)]
    pub recursive: bool,
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
}

/// `AddThingToThingGroup` and `RemoveThingFromThingGroup`: by name, by ARN, or by both.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MembershipRequest {
    /// The group's name.
    pub thing_group_name: Option<String>,
    /// The group's ARN.
    pub thing_group_arn: Option<String>,
    /// The thing's name.
    pub thing_name: Option<String>,
    /// The thing's ARN.
    pub thing_arn: Option<String>,
}

/// `UpdateThingGroupsForThing`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateThingGroupsForThingRequest {
    /// The thing.
    pub thing_name: String,
    /// Groups to put it into.
    pub thing_groups_to_add: Vec<String>,
    /// Groups to take it out of.
    pub thing_groups_to_remove: Vec<String>,
}
