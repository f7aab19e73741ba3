//! The IPC socket: there, open to components, and answering.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use marram_ipc::Operation;
use marram_telemetry::Chain;
use serde_json::{Value, json};

use super::modes::mode;
use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::device::Device;
use crate::local::{Client, read_credentials};

pub(super) const CHECK: Check<Device> = Check::network(
    "ipc",
    "the IPC socket is open to components and answers, and no component is BROKEN",
    |device| -> Waiting { Box::pin(look(device)) },
);

async fn look(device: Arc<Device>) -> Finding {
    let is_running = device.is_running();
    let root = device.paths.root();
    let credentials = match read_credentials(root) {
        Ok(credentials) => credentials,
        Err(error) if is_running => {
            return Finding::skipped(format!("no token that this user may read: {error:#}"));
        }
        Err(_) => return Finding::skipped("no nucleus runs"),
    };
    let socket = &credentials.socket;
    match fs::symlink_metadata(socket) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Finding::failed(
                format!("{} is no socket", socket.display()),
                format!("remove it and restart the nucleus: rm {}", socket.display()),
            );
        }
        Ok(metadata) if is_running && mode(&metadata) & 0o006 != 0o006 => {
            return Finding::failed(
                format!(
                    "{} has mode {:04o}: components cannot connect",
                    socket.display(),
                    mode(&metadata)
                ),
                format!("chmod 666 {}: tokens decide who may do what", socket.display()),
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_running => {
            return Finding::failed(
                format!("{} is gone, and the nucleus runs", socket.display()),
                "restart the nucleus, and see what removes files in its folder",
            );
        }
        _ => {}
    }
    match Client::open(&credentials).await {
        Ok(client) => ask(client).await,
        Err(_) if !is_running => Finding::skipped("no nucleus runs"),
        Err(error) => Finding::failed(
            Chain(&error).to_string(),
            "see logs/greengrass.log, and restart the nucleus",
        ),
    }
}

async fn ask(mut client: Client) -> Finding {
    match client.call(Operation::ListComponents, &json!({})).await {
        Ok(answer) => judge(&answer),
        Err(error) => Finding::failed(
            Chain(&error).to_string(),
            "see logs/greengrass.log, and restart the nucleus",
        ),
    }
}

fn judge(answer: &Value) -> Finding {
    let components = answer["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let broken: Vec<&str> = components
        .iter()
        .filter(|component| component["state"] == "BROKEN")
        .filter_map(|component| component["componentName"].as_str())
        .collect();
    if broken.is_empty() {
        return Finding::ok(format!("answers; {} components", components.len()));
    }
    Finding::warning(
        format!("answers; BROKEN: {}", broken.join(", ")),
        format!("see logs/{}.log; after mending it: greengrass-cli component restart", broken[0]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn broken_components_are_named_with_their_log() {
        let component = |name: &str, state: &str| json!({"componentName": name, "state": state});
        let answer = json!({"components": [component("a", "RUNNING"), component("b", "BROKEN")]});
        let finding = judge(&answer);
        assert_eq!(finding.status, Status::Warning);
        assert!(finding.remedy.unwrap().contains("logs/b.log"));
        assert_eq!(judge(&json!({"components": []})).status, Status::Ok);
    }
}
