//! Shapes of `DescribeEndpoint`.

use serde::{Deserialize, Serialize};

/// `DescribeEndpoint`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DescribeEndpointRequest {
    /// `iot:Data-ATS`, `iot:Data`, `iot:CredentialProvider` or `iot:Jobs`; data when absent.
    pub endpoint_type: Option<String>,
}

/// Answer to `DescribeEndpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeEndpointResponse {
    /// Host, without a scheme.
    pub endpoint_address: String,
}
