//! The credentials provider: what components get their AWS credentials from.

use std::sync::Arc;

use marram_http::StatusCode;
use marram_http::client::Client;
use marram_mqtt_client::transport::{self, SOCKET_TIMEOUT};
use marram_telemetry::Chain;

use super::reach::{authority, unreachable};
use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::network(
    "credentials",
    "the credentials provider gives the device credentials of its role alias",
    |device| -> Waiting { Box::pin(look(device)) },
);

async fn look(device: Arc<Device>) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    if settings.role_alias.is_empty() {
        return Finding::skipped("iotRoleAlias is empty: components get no AWS credentials");
    }
    let tls = match Device::tls(&settings, &[]) {
        Ok(tls) => tls,
        Err(skipped) => return skipped,
    };
    let (host, port) = authority(&settings.credentials_url);
    // Closed at once: it only tells how far one gets.
    if let Err(error) = transport::open(host, port, Some(&tls), SOCKET_TIMEOUT).await {
        return unreachable(&error, "iotCredEndpoint");
    }
    let alias = &settings.role_alias;
    let client = Client::new(Some(Arc::unwrap_or_clone(tls)));
    let response = match client.send(settings.credentials_request()).await {
        Ok(response) => response,
        Err(error) => {
            let remedy = "check iotCredEndpoint, and that the certificate is ACTIVE in this cloud";
            return Finding::failed(Chain(&error).to_string(), remedy);
        }
    };
    let said = String::from_utf8_lossy(&response.body).into_owned();
    match response.status {
        // The answer is secret.
        StatusCode::OK => Finding::ok(format!("role alias {alias} gives credentials")),
        StatusCode::FORBIDDEN => Finding::failed(
            format!("403: {said}"),
            format!(
                "attach a policy that allows iot:AssumeRoleWithCertificate on rolealias/{alias} to \
                 the device's certificate"
            ),
        ),
        StatusCode::NOT_FOUND => Finding::failed(
            format!("404: {said}"),
            format!("create the role alias {alias}, or correct iotRoleAlias"),
        ),
        status => Finding::failed(format!("{status}: {said}"), "see the cloud's own log"),
    }
}
