//! `marram core wait`: until the cloud says that a device is well, for scripts and CI.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use marram_cloud::Ready;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::aws::{AwsClient, encoded};
use crate::env::read_ready;

/// How often the cloud is asked.
const PERIOD: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that the cloud wrote when it was ready
    #[arg(long, value_name = "F")]
    ready_file: PathBuf,
    /// The core device's thing name
    #[arg(long, value_name = "NAME")]
    thing: String,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let ready = read_ready(&arguments.ready_file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let state = runtime.block_on(until_well(
        &ready,
        &arguments.thing,
        Duration::from_secs(arguments.timeout),
    ))?;
    println!("{state}");
    Ok(())
}

/// What the cloud knows of a device, in one line.
async fn look(aws: &AwsClient, thing: &str) -> Result<(bool, String)> {
    let path = format!("/greengrass/v2/coreDevices/{}", encoded(thing));
    let device = match aws.call("greengrass", "GET", &path, &[], None).await {
        Ok(device) => device,
        Err(error) if error.is("ResourceNotFoundException") => {
            return Ok((false, format!("`{thing}` has not reported yet")));
        }
        Err(error) => return Err(error).context("asking for the core device"),
    };
    let status = device["status"].as_str().unwrap_or("unknown");
    let path = format!("{path}/effectiveDeployments");
    let deployments = aws
        .call("greengrass", "GET", &path, &[], None)
        .await
        .context("asking for its effective deployments")?;
    let mut well = status == "HEALTHY";
    let mut text = format!("{thing} {status}");
    for deployment in deployments["effectiveDeployments"].as_array().into_iter().flatten() {
        let state = deployment["coreDeviceExecutionStatus"].as_str().unwrap_or("unknown");
        let target = deployment["targetArn"].as_str().unwrap_or_default();
        well &= matches!(state, "SUCCEEDED" | "COMPLETED" | "CANCELED");
        text.push_str(&format!(", {target} {state}"));
        if matches!(state, "FAILED" | "REJECTED" | "TIMED_OUT") {
            let reason = deployment["reason"].as_str().unwrap_or("no reason given");
            bail!("deployment {} {state}: {reason}", id(deployment));
        }
    }
    Ok((well, text))
}

fn id(deployment: &Value) -> &str {
    deployment["deploymentId"].as_str().unwrap_or("(no id)")
}

/// Waits until the device is HEALTHY and none of its deployments is under way.
pub(crate) async fn until_well(ready: &Ready, thing: &str, timeout: Duration) -> Result<String> {
    let aws = AwsClient::new(ready)?;
    let deadline = Instant::now() + timeout;
    loop {
        let (well, text) = look(&aws, thing).await?;
        if well {
            return Ok(text);
        }
        if Instant::now() >= deadline {
            bail!("gave up after {} s: {text}", timeout.as_secs());
        }
        sleep(PERIOD).await;
    }
}

/// Waits until one deployment has ended well on the device.
pub(crate) async fn until_succeeded(
    aws: &AwsClient,
    thing: &str,
    deployment: &str,
    timeout: Duration,
) -> Result<()> {
    let path = format!("/greengrass/v2/coreDevices/{}/effectiveDeployments", encoded(thing));
    let deadline = Instant::now() + timeout;
    let mut state = "not known to the device yet".to_owned();
    while Instant::now() < deadline {
        // Not found until the device's first report.
        if let Ok(reply) = aws.call("greengrass", "GET", &path, &[], None).await {
            let rows = reply["effectiveDeployments"].as_array().cloned().unwrap_or_default();
            if let Some(row) = rows.iter().find(|row| id(row) == deployment) {
                state = row["coreDeviceExecutionStatus"].as_str().unwrap_or_default().to_owned();
                match state.as_str() {
                    "SUCCEEDED" | "COMPLETED" => return Ok(()),
                    "FAILED" | "REJECTED" | "TIMED_OUT" | "CANCELED" => {
                        bail!("deployment {deployment} {state}: {}", row["reason"])
                    }
                    _ => {}
                }
            }
        }
        sleep(PERIOD).await;
    }
    bail!("deployment {deployment} is {state} after {} s", timeout.as_secs())
}
