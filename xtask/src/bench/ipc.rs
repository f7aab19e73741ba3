//! `cargo xtask bench ipc`: the load generator as a component of a real `marramd`.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Row;
use super::mosquitto::Mosquitto;
use super::nucleus::Device;
use crate::interop::target_dir;
use crate::programs::Scratch;

/// The generator's plan of clients that come and are killed.
pub(super) const SOAK: &str = "soak";
const COMPONENT: &str = "com.example.Load";
const VERSION: &str = "1.0.0";
/// Longest run of all plans, and of the longest soak.
const DEADLINE: Duration = Duration::from_secs(3900);

/// What the generator writes.
#[derive(Debug, Deserialize)]
struct Report {
    rows: Vec<Row>,
    error: Option<String>,
}

/// Runs a plan of the load generator, with `more` of its arguments.
pub(super) fn measure(plan: &str, more: &str) -> Result<Vec<Row>> {
    let scratch = Scratch::make("bench")?;
    // A soak compares the server with itself.
    let mosquitto = if plan == SOAK { None } else { peer(&scratch)? };
    let mut device = Device::start(&scratch)?;
    let out = scratch.fresh("out")?.join("report.json");
    let mut command = format!(
        "exec {} --plan {plan} --server {} --out {} {more}",
        target_dir().join("release/marram-ipc-load").display(),
        device.core.id(),
        out.display()
    );
    if let Some(mosquitto) = &mosquitto {
        command += &format!(" --mqtt {}", mosquitto.address);
    }
    device.recipe(COMPONENT, VERSION, recipe(&command))?;
    let id = device.deploy(COMPONENT, VERSION)?;
    device.until_deployed(&id).with_context(|| device.log())?;
    let report = until_written(&out).with_context(|| device.log())?;
    device.core.stop()?;
    match report.error {
        Some(error) => bail!("the load generator: {error}"),
        None => Ok(report.rows),
    }
}

fn peer(scratch: &Scratch) -> Result<Option<Mosquitto>> {
    match Mosquitto::start(&scratch.fresh("mosquitto")?) {
        Ok(mosquitto) => Ok(Some(mosquitto)),
        Err(reason) => {
            println!("skipped: the peer mosquitto: {reason:#}");
            Ok(None)
        }
    }
}

fn recipe(command: &str) -> Value {
    json!({
        "ComponentConfiguration": {"DefaultConfiguration": {
            "read": "a value",
            "accessControl": {"aws.greengrass.ipc.pubsub": {"load": {
                "operations": [
                    "aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"
                ],
                "resources": ["load/*"],
            }}},
        }},
        "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {"run": command}}],
    })
}

fn until_written(out: &Path) -> Result<Report> {
    let deadline = Instant::now() + DEADLINE;
    while !out.exists() {
        if Instant::now() > deadline {
            bail!("the load generator wrote no report within {} s", DEADLINE.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(serde_json::from_slice(&fs::read(out)?)?)
}
