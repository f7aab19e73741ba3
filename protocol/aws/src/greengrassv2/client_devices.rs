//! Shapes of the operations on client devices, on where they reach a core device, and on the
//! account's service role.

use serde::{Deserialize, Serialize};

use crate::epoch::EpochMs;

/// `BatchAssociateClientDeviceWithCoreDevice` and
/// `BatchDisassociateClientDeviceFromCoreDevice` ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientDevicesRequest {
    /// The core device's thing name.
    pub core_device_thing_name: String,
    /// 1 to 100 client devices.
    #[serde(default)]
    pub entries: Vec<ClientDeviceEntry>,
}

/// One client device of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientDeviceEntry {
    /// Its thing name.
    pub thing_name: String,
}

/// The batch operations answer; what is not named here was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientDevicesResponse {
    /// The client devices with which it was not done.
    pub error_entries: Vec<ClientDeviceErrorEntry>,
}

/// A client device with which a batch operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientDeviceErrorEntry {
    /// Its thing name.
    pub thing_name: String,
    /// An error code of the service.
    pub code: String,
    /// Why.
    pub message: String,
}

/// `ListClientDevicesAssociatedWithCoreDevice` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListClientDevicesRequest {
    /// The core device's thing name.
    pub core_device_thing_name: String,
    /// Page size, 1 to 100.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// `ListClientDevicesAssociatedWithCoreDevice` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListClientDevicesResponse {
    /// The page, by thing name.
    pub associated_client_devices: Vec<AssociatedClientDevice>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A client device of a core device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociatedClientDevice {
    /// Its thing name.
    pub thing_name: String,
    /// Since when it is one.
    pub association_timestamp: EpochMs,
}

/// `GetConnectivityInfo` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConnectivityInfoRequest {
    /// The core device's thing name.
    pub thing_name: String,
}

/// `GetConnectivityInfo` answers; PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetConnectivityInfoResponse {
    /// Where client devices reach the core device.
    pub connectivity_info: Vec<ConnectivityInfo>,
    /// What was found, for people.
    pub message: String,
}

/// `UpdateConnectivityInfo` asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UpdateConnectivityInfoRequest {
    /// The core device's thing name.
    #[serde(rename = "thingName")]
    pub thing_name: String,
    /// Where client devices reach it, in place of what was there.
    #[serde(rename = "ConnectivityInfo")]
    pub connectivity_info: Vec<ConnectivityInfo>,
}

/// `UpdateConnectivityInfo` answers; PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateConnectivityInfoResponse {
    /// The new list's version; nucleus fails without one.
    pub version: String,
    /// What was done, for people.
    pub message: String,
}

/// An address of a core device; PascalCase on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConnectivityInfo {
    /// Names the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A host name or an IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_address: Option<String>,
    /// 0 to 65535; 0 where the member is absent.
    pub port_number: i64,
    /// Anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// An operation without input members asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct NoMembers {}

/// `AssociateServiceRoleToAccount` asks; PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssociateServiceRoleRequest {
    /// The role's ARN.
    pub role_arn: String,
}

/// `AssociateServiceRoleToAccount` answers; PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssociateServiceRoleResponse {
    /// When it was done: ISO 8601, a text here and nowhere else in the service.
    pub associated_at: String,
}

/// `GetServiceRoleForAccount` answers; PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceRoleResponse {
    /// When the role was associated, ISO 8601.
    pub associated_at: String,
    /// The role's ARN.
    pub role_arn: String,
}

/// `DisassociateServiceRoleFromAccount` answers; PascalCase on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DisassociateServiceRoleResponse {
    /// When it was done, ISO 8601.
    pub disassociated_at: String,
}
