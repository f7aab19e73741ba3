//! What a started cloud tells whoever started it.

use std::fmt;
use std::path::{Path, PathBuf};

use marram_os::file::{WriteFile, write_atomically};
use serde::{Deserialize, Serialize};

/// Where a cloud is reached, and its first access key. Also the content of the ready file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// `https://HOST:PORT` of all AWS APIs and of S3: what `AWS_ENDPOINT_URL` is set to.
    pub endpoint_url: String,
    /// `HOST:PORT` of the devices' MQTT.
    pub mqtt_endpoint: String,
    /// `HOST:PORT` of the devices' Greengrass data plane and shadows.
    pub device_endpoint: String,
    /// `HOST:PORT` of the devices' credentials provider.
    pub credentials_endpoint: String,
    /// The certificate that all of these chain to, PEM.
    pub ca_file: PathBuf,
    /// The region that ARNs and signatures carry.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// The access key of the people who run this cloud.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

impl Ready {
    /// Writes the file atomically, readable by its owner only; whoever sees it may connect.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), WriteFile> {
        // A struct of texts always has JSON.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        write_atomically(path, format!("{text}\n").as_bytes(), 0o600)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("endpoint_url", &self.endpoint_url)
            .field("mqtt_endpoint", &self.mqtt_endpoint)
            .field("device_endpoint", &self.device_endpoint)
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}
