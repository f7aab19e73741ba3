//! The MQTT connection: name, TCP, TLS with the device's identity, and the cloud's answer to
//! CONNECT, which says whether the policy lets the device in.
//!
//! A second connection with the device's own client id would push the nucleus off. So while one
//! runs, another id of the same device is used, `thing#doctor`, which the policies that AWS and
//! Marram write allow too. Topics are not tried: messages would be lost by that.

use std::sync::Arc;

use marram_mqtt_client::{Options, Probe, ReasonCode, probe};
use marram_nucleus::cloud::mqtt_options;
use marram_telemetry::Chain;

use super::reach::unreachable;
use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::network(
    "mqtt",
    "the data endpoint takes an MQTT connection with the device's identity and policy",
    |device| -> Waiting { Box::pin(look(device)) },
);

const KEY: &str = "iotDataEndpoint and mqtt.port";

async fn look(device: Arc<Device>) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    let tls = match Device::tls(&settings, settings.mqtt.alpn()) {
        Ok(tls) => tls,
        Err(skipped) => return skipped,
    };
    let is_running = device.is_running();
    let client_id = match is_running {
        true => format!("{}#doctor", settings.thing),
        false => settings.thing.clone(),
    };
    let options = Options {
        client_id: client_id.clone(),
        clean_start_first: is_running,
        ..mqtt_options(&settings, Some(tls))
    };
    match probe(&options).await {
        Ok(_) => {
            Finding::ok(format!("{}:{} takes client id {client_id}", options.host, options.port))
        }
        Err(error) => explain(&error, &client_id, is_running),
    }
}

fn explain(error: &Probe, client_id: &str, is_running: bool) -> Finding {
    let seen = || Chain(error).to_string();
    match error {
        Probe::Open(error) => unreachable(error, KEY),
        Probe::Refused(reason) if is_denial(*reason) && is_running => Finding::warning(
            format!("{}, for client id {client_id}", seen()),
            "its policy may allow the device's own name only, which cannot be tried while the \
             nucleus uses it: see `logs/greengrass.log`, or stop the nucleus and look again",
        ),
        Probe::Refused(reason) if is_denial(*reason) => Finding::failed(
            format!("{}, for client id {client_id}", seen()),
            format!(
                "attach a policy that allows iot:Connect on client/{client_id} to the device's \
                 certificate, and check that the certificate is ACTIVE and registered"
            ),
        ),
        Probe::Refused(_) => {
            Finding::failed(seen(), "the cloud is not well: see its own log and try again")
        }
        Probe::Closed(_) => Finding::failed(
            seen(),
            "the cloud does not accept the certificate: see whether it is ACTIVE and registered",
        ),
        Probe::Answer(_) | Probe::Encode(_) => {
            Finding::failed(seen(), format!("something else than MQTT answers: check {KEY}"))
        }
        Probe::Deadline(_) => Finding::failed(
            seen(),
            format!("check host and port in {KEY}, and that a firewall lets the device out"),
        ),
    }
}

/// 3.1.1 and 5 say it by different codes.
fn is_denial(reason: ReasonCode) -> bool {
    [ReasonCode::NOT_AUTHORIZED, ReasonCode::BAD_USER_NAME_OR_PASSWORD].contains(&reason)
}
