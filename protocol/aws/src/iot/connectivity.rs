//! Shapes of the operation that says whether a thing is connected.

use serde::{Deserialize, Serialize};

use crate::epoch::EpochMs;

/// `GetThingConnectivityData`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetThingConnectivityDataRequest {
    /// The thing.
    pub thing_name: String,
    /// Whether to tell addresses and ports.
    #[serde(default)]
    pub include_socket_information: bool,
}

/// Answer to `GetThingConnectivityData`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetThingConnectivityDataResponse {
    /// The thing.
    pub thing_name: String,
    /// Whether it has an MQTT connection.
    pub connected: bool,
    /// Since when that is so; absent where it never had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<EpochMs>,
    /// Why its last connection ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect_reason: Option<String>,
    /// The connection's MQTT client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The device's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// The device's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
}
