//! Shapes of the operations on thing types.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tags::Tag;
use crate::epoch::EpochMs;

/// What things of a type have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThingTypeProperties {
    /// What the type is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_type_description: Option<String>,
    /// Names of attributes that are searched for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub searchable_attributes: Vec<String>,
    /// Which attributes become user properties of MQTT messages; kept, without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mqtt5_configuration: Option<Value>,
}

/// `CreateThingType`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateThingTypeRequest {
    /// The new type's name.
    pub thing_type_name: String,
    /// Its properties.
    #[serde(default)]
    pub thing_type_properties: ThingTypeProperties,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// Answer to `CreateThingType`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateThingTypeResponse {
    /// Its name.
    pub thing_type_name: String,
    /// Its ARN.
    pub thing_type_arn: String,
    /// Its UUID.
    pub thing_type_id: String,
}

/// `DescribeThingType` and `DeleteThingType`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingTypeRequest {
    /// The type.
    pub thing_type_name: String,
}

/// Answer to `DescribeThingType`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeThingTypeResponse {
    /// Its UUID.
    pub thing_type_id: String,
    /// The rest.
    #[serde(flatten)]
    pub definition: ThingTypeDefinition,
}

/// A thing type as lists have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingTypeDefinition {
    /// Its name.
    pub thing_type_name: String,
    /// Its ARN.
    pub thing_type_arn: String,
    /// Its properties.
    pub thing_type_properties: ThingTypeProperties,
    /// Its age and whether it is deprecated.
    pub thing_type_metadata: ThingTypeMetadata,
}

/// A thing type's age and whether it is deprecated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingTypeMetadata {
    /// Whether no new thing may have it.
    pub deprecated: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecation_date: Option<EpochMs>,
    /// When it was made.
    pub creation_date: EpochMs,
}

/// `ListThingTypes`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListThingTypesRequest {
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Only types whose names start so.
    pub thing_type_name: Option<String>,
}

/// Answer to `ListThingTypes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingTypesResponse {
    /// The page.
    pub thing_types: Vec<ThingTypeDefinition>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `DeprecateThingType`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeprecateThingTypeRequest {
    /// The type.
    pub thing_type_name: String,
    /// Whether things may have it again.
    #[serde(default)]
    pub undo_deprecate: bool,
}
