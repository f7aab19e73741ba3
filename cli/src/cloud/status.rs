//! `marram cloud status`: the whole fleet in a few lines.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::access::{Access, BY_TOKEN, CloudClient};

/// So many devices that are not well are named; `marram cloud devices` names all.
const NAMED: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  marram cloud status --ready-file cloud.json --check")]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// Exit with 1 if a device is not HEALTHY or a deployment in force has FAILED
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cloud = arguments.access.open()?;
    let found = look(&cloud)?;
    cloud.print(&found.as_json(&cloud), || found.as_text(&cloud))?;
    if arguments.check && !found.is_well() {
        bail!("not everything is well: see `marram cloud devices` and `marram cloud deployments`");
    }
    Ok(())
}

/// How many there are of each status.
type Counts = BTreeMap<String, usize>;

struct Found {
    devices: Counts,
    not_healthy: Vec<String>,
    components: Counts,
    deployments: Counts,
}

fn look(cloud: &CloudClient) -> Result<Found> {
    let devices = cloud.all("greengrass", "/greengrass/v2/coreDevices", BY_TOKEN, "coreDevices")?;
    let deployments =
        cloud.all("greengrass", "/greengrass/v2/deployments", BY_TOKEN, "deployments")?;
    let mut components = Counts::new();
    for scope in ["PRIVATE", "PUBLIC"] {
        let target = format!("/greengrass/v2/components?scope={scope}");
        let count = cloud.all("greengrass", &target, BY_TOKEN, "components")?.len();
        components.insert(scope.to_owned(), count);
    }
    let not_healthy = devices.iter().filter(|device| device["status"] != "HEALTHY");
    let names = not_healthy.filter_map(|device| device["coreDeviceThingName"].as_str());
    Ok(Found {
        not_healthy: names.map(str::to_owned).collect(),
        devices: counted(&devices, "status"),
        components,
        deployments: counted(&deployments, "deploymentStatus"),
    })
}

fn counted(rows: &[Value], member: &str) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        *counts.entry(super::cell::text(&row[member])).or_default() += 1;
    }
    counts
}

impl Found {
    fn is_well(&self) -> bool {
        self.not_healthy.is_empty() && !self.deployments.contains_key("FAILED")
    }

    fn as_json(&self, cloud: &CloudClient) -> Value {
        json!({
            "endpointUrl": cloud.ready.endpoint_url,
            "accountId": cloud.ready.account_id,
            "region": cloud.ready.region,
            "coreDevices": self.devices,
            "notHealthy": self.not_healthy,
            "components": self.components,
            "deployments": self.deployments,
        })
    }

    fn as_text(&self, cloud: &CloudClient) -> String {
        let ready = &cloud.ready;
        let mut text = format!(
            "cloud        {} (account {}, {})\n\
             devices      {}\n\
             components   {}\n\
             deployments  {}",
            ready.endpoint_url,
            ready.account_id,
            ready.region,
            summed(&self.devices),
            summed(&self.components),
            summed(&self.deployments),
        );
        if !self.not_healthy.is_empty() {
            let named: Vec<&str> =
                self.not_healthy.iter().take(NAMED).map(String::as_str).collect();
            text.push_str(&format!("\nnot healthy  {}", named.join(", ")));
            if let Some(more) = self.not_healthy.len().checked_sub(NAMED).filter(|&more| more > 0) {
                text.push_str(&format!(" and {more} more"));
            }
        }
        text
    }
}

/// `3: 2 HEALTHY, 1 UNHEALTHY`.
fn summed(counts: &Counts) -> String {
    let total: usize = counts.values().sum();
    let parts: Vec<String> =
        counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    if parts.is_empty() { "none".to_owned() } else { format!("{total}: {}", parts.join(", ")) }
}
