//! PutComponentMetric and ValidateAuthorizationToken: what AWS's own components ask for.

use serde::{Deserialize, Serialize};

use crate::encoding::to_json;

/// Hands over what a component has measured.
#[derive(Debug, Deserialize)]
pub struct PutComponentMetricRequest {
    /// At least one; required.
    pub metrics: Option<Vec<Metric>>,
}

/// One measurement.
#[derive(Debug, Deserialize)]
pub struct Metric {
    /// At most 32 bytes; required.
    pub name: Option<String>,
    /// `BYTES`, `BYTES_PER_SECOND` and so on; required.
    pub unit: Option<String>,
    /// Not negative; required.
    pub value: Option<f64>,
}

/// Asks whether a token is that of a component.
#[derive(Debug, Deserialize)]
pub struct ValidateAuthorizationTokenRequest {
    /// The token; required.
    pub token: Option<String>,
}

/// The answer to [`ValidateAuthorizationTokenRequest`]; another answer than yes is an error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateAuthorizationTokenResponse {
    /// Always true.
    pub is_valid: bool,
}

impl ValidateAuthorizationTokenResponse {
    /// The response as compact JSON.
    pub fn payload(&self) -> Vec<u8> {
        to_json(self)
    }
}
