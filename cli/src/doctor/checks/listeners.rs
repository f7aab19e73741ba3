//! The devices' ports: both speak TLS with a certificate of the cloud's own authority.

use std::sync::Arc;

use marram_mqtt_client::transport::{self, SOCKET_TIMEOUT};

use super::reach::{authority, unreachable};
use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::cloud::Cloud;
use marram_telemetry::Chain;

pub(super) const CHECK: Check<Cloud> = Check::network(
    "device-ports",
    "the devices' MQTT and HTTPS ports speak TLS",
    |cloud| -> Waiting { Box::pin(look(cloud)) },
);

async fn look(cloud: Arc<Cloud>) -> Finding {
    let ready = match cloud.ready() {
        Ok(ready) => ready,
        Err(skipped) => return skipped,
    };
    let ca = match std::fs::read_to_string(&ready.ca_file) {
        Ok(ca) => ca,
        Err(error) => return Finding::skipped(format!("{}: {error}", ready.ca_file.display())),
    };
    let tls = match marram_tls::client_config(&ca, None, &[]) {
        Ok(tls) => Arc::new(tls),
        Err(error) => return Finding::skipped(Chain(&error).to_string()),
    };
    for endpoint in [&ready.mqtt_endpoint, &ready.device_endpoint] {
        let (host, port) = authority(endpoint);
        if let Err(error) = transport::open(host, port, Some(&tls), SOCKET_TIMEOUT).await {
            return unreachable(&error, "the ready file");
        }
    }
    Finding::ok(format!("{} and {}", ready.mqtt_endpoint, ready.device_endpoint))
}
