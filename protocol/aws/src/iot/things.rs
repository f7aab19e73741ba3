//! Shapes of the operations on things and on what is attached to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Attributes as they are sent: what to write, and whether to keep the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttributePayload {
    /// Names and values; an empty value removes the name in an update.
    pub attributes: BTreeMap<String, String>,
    /// Whether attributes that are not named stay.
    #[serde(skip_serializing)]
    pub merge: bool,
}

/// `CreateThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateThingRequest {
    /// The new thing's name.
    pub thing_name: String,
    /// A thing type; must exist.
    pub thing_type_name: Option<String>,
    /// Its attributes.
    pub attribute_payload: Option<AttributePayload>,
    /// A billing group; must exist.
    pub billing_group_name: Option<String>,
}

/// Answer to `CreateThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateThingResponse {
    /// Its name.
    pub thing_name: String,
    /// Its ARN.
    pub thing_arn: String,
    /// Its UUID.
    pub thing_id: String,
}

/// `DescribeThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeThingRequest {
    /// The thing.
    pub thing_name: String,
}

/// Answer to `DescribeThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeThingResponse {
    /// The MQTT client id it is expected to use: its name.
    pub default_client_id: String,
    /// Its name.
    pub thing_name: String,
    /// Its UUID.
    pub thing_id: String,
    /// Its ARN.
    pub thing_arn: String,
    /// Its thing type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_type_name: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Counts the changes from 1.
    pub version: i64,
}

/// `UpdateThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateThingRequest {
    /// The thing.
    pub thing_name: String,
    /// A thing type; must exist.
    pub thing_type_name: Option<String>,
    /// What to write.
    pub attribute_payload: Option<AttributePayload>,
    /// Refuse the update unless the thing has this version.
    pub expected_version: Option<i64>,
    /// Take the thing's type away.
    #[serde(default)]
    pub remove_thing_type: bool,
}

/// `DeleteThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteThingRequest {
    /// The thing.
    pub thing_name: String,
    /// Refuse unless the thing has this version.
    pub expected_version: Option<i64>,
}

/// `ListThings`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListThingsRequest {
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Only things with this attribute.
    pub attribute_name: Option<String>,
    /// Only things whose attribute has this value.
    pub attribute_value: Option<String>,
    /// Only things of this type.
    pub thing_type_name: Option<String>,
    /// Whether `attribute_value` is the start of the value.
    pub use_prefix_attribute_value: bool,
}

/// One row of `ListThings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingAttribute {
    /// Its name.
    pub thing_name: String,
    /// Its thing type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_type_name: Option<String>,
    /// Its ARN.
    pub thing_arn: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Counts the changes from 1.
    pub version: i64,
}

/// Answer to `ListThings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingsResponse {
    /// The page.
    pub things: Vec<ThingAttribute>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `AttachThingPrincipal` and `DetachThingPrincipal`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingPrincipalRequest {
    /// The thing.
    pub thing_name: String,
    /// The certificate's ARN; travels in the header `x-amzn-principal`.
    pub principal: String,
}

/// `ListThingPrincipals`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingPrincipalsRequest {
    /// The thing.
    pub thing_name: String,
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
}

/// Answer to `ListThingPrincipals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListThingPrincipalsResponse {
    /// ARNs of certificates.
    pub principals: Vec<String>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `ListPrincipalThings`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListPrincipalThingsRequest {
    /// The certificate's ARN; travels in the header `x-amzn-principal`.
    pub principal: String,
    /// Where to go on.
    pub next_token: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
}

/// A page of thing names: answer to `ListPrincipalThings` and `ListThingsInThingGroup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingNamesResponse {
    /// The page.
    pub things: Vec<String>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
