//! The Greengrass data plane: the HTTPS calls that deployments need.

use std::sync::Arc;

use marram_mqtt_client::transport::{self, SOCKET_TIMEOUT};
use marram_nucleus::cloud::DataPlane;
use marram_telemetry::Chain;

use super::reach::{authority, unreachable};
use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::network(
    "data-plane",
    "the Greengrass data plane answers the device, as deployments need it",
    |device| -> Waiting { Box::pin(look(device)) },
);

const KEY: &str = "greengrassDataPlaneEndpoint and greengrassDataPlanePort";

async fn look(device: Arc<Device>) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    let tls = match Device::tls(&settings, &[]) {
        Ok(tls) => tls,
        Err(skipped) => return skipped,
    };
    let (host, port) = authority(&settings.data_plane_url);
    // Closed at once: it only tells how far one gets.
    if let Err(error) = transport::open(host, port, Some(&tls), SOCKET_TIMEOUT).await {
        return unreachable(&error, KEY);
    }
    let data_plane = match DataPlane::new(&settings) {
        Ok(data_plane) => data_plane,
        Err(error) => return Finding::skipped(Chain(&error).to_string()),
    };
    match data_plane.thing_groups().await {
        Ok(groups) => Finding::ok(format!(
            "{} answers; the device is in {} thing groups",
            settings.data_plane_url,
            groups.len()
        )),
        Err(error) if error.is_access_denied() => Finding::failed(
            Chain(&error).to_string(),
            "attach a policy that allows greengrass:* to the device's certificate, and check that \
             the certificate is ACTIVE and attached to the thing",
        ),
        Err(error) => Finding::failed(
            Chain(&error).to_string(),
            format!("check {KEY}, and that the certificate is ACTIVE in this cloud"),
        ),
    }
}
