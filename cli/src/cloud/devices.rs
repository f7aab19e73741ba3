//! `marram cloud devices`: all core devices, or what one of them runs.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::access::{Access, BY_TOKEN, CloudClient};
use super::cell;
use crate::aws::encoded;
use crate::table::Table;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  marram cloud devices --ready-file cloud.json --status unhealthy\n           \
                        marram cloud devices pump-7 --ready-file cloud.json"
)]
pub(crate) struct Arguments {
    /// Show this device's groups, components and deployments
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only devices with this status
    #[arg(long, value_enum, ignore_case = true, value_name = "STATUS", conflicts_with = "name")]
    status: Option<Status>,
    /// Only devices in this thing group or in one below it
    #[arg(long, value_name = "G", conflicts_with = "name")]
    group: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Status {
    Healthy,
    Unhealthy,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cloud = arguments.access.open()?;
    match &arguments.name {
        Some(name) => show(&cloud, name),
        None => list(&cloud, arguments),
    }
}

fn list(cloud: &CloudClient, arguments: &Arguments) -> Result<()> {
    let query = match arguments.status {
        Some(Status::Healthy) => "?status=HEALTHY",
        Some(Status::Unhealthy) => "?status=UNHEALTHY",
        None => "",
    };
    let target = format!("/greengrass/v2/coreDevices{query}");
    let mut devices = cloud.all("greengrass", &target, BY_TOKEN, "coreDevices")?;
    if let Some(group) = &arguments.group {
        // The API's own filter by group is by its deployment's success, not by membership.
        let target = format!("/thing-groups/{}/things?recursive=true", encoded(group));
        let members = cloud.all("iot", &target, BY_TOKEN, "things")?;
        let members: BTreeSet<&str> = members.iter().filter_map(Value::as_str).collect();
        let name = |device: &Value| device["coreDeviceThingName"].as_str().map(str::to_owned);
        devices.retain(|device| name(device).is_some_and(|name| members.contains(&*name)));
    }
    cloud.print(&json!({ "coreDevices": devices }), || table(&devices).text())
}

fn table(devices: &[Value]) -> Table {
    let mut table = Table::new(["DEVICE", "STATUS", "PLATFORM", "RUNTIME", "LAST REPORT"]);
    for device in devices {
        table.row([
            cell::text(&device["coreDeviceThingName"]),
            cell::text(&device["status"]),
            format!("{} {}", cell::text(&device["platform"]), cell::text(&device["architecture"])),
            cell::text(&device["runtime"]),
            cell::time(&device["lastStatusUpdateTimestamp"]),
        ]);
    }
    table
}

fn show(cloud: &CloudClient, name: &str) -> Result<()> {
    let path = format!("/greengrass/v2/coreDevices/{}", encoded(name));
    let device =
        cloud.get("greengrass", &path).with_context(|| format!("asking for device `{name}`"))?;
    let target = format!("{path}/installedComponents?topologyFilter=ALL");
    let components = cloud.all("greengrass", &target, BY_TOKEN, "installedComponents")?;
    let target = format!("{path}/effectiveDeployments");
    let deployments = cloud.all("greengrass", &target, BY_TOKEN, "effectiveDeployments")?;
    let target = format!("/things/{}/thing-groups", encoded(name));
    let groups = cloud.all("iot", &target, BY_TOKEN, "thingGroups")?;
    let whole = json!({
        "coreDevice": device,
        "thingGroups": groups,
        "installedComponents": components,
        "effectiveDeployments": deployments,
    });
    cloud.print(&whole, || {
        let groups: Vec<&str> = groups.iter().filter_map(|g| g["groupName"].as_str()).collect();
        format!(
            "device    {name} {}, {} {}, nucleus {}, last report {}\ngroups    {}\n\n{}\n\n{}",
            cell::text(&device["status"]),
            cell::text(&device["platform"]),
            cell::text(&device["architecture"]),
            cell::text(&device["coreVersion"]),
            cell::time(&device["lastStatusUpdateTimestamp"]),
            if groups.is_empty() { "-".to_owned() } else { groups.join(", ") },
            installed(&components).text(),
            effective(&deployments).text(),
        )
    })
}

fn installed(components: &[Value]) -> Table {
    let mut table = Table::new(["COMPONENT", "VERSION", "STATE", "ROOT", "SINCE", "DETAILS"]);
    for component in components {
        let is_root = component["isRoot"].as_bool().unwrap_or_default();
        table.row([
            cell::text(&component["componentName"]),
            cell::text(&component["componentVersion"]),
            cell::text(&component["lifecycleState"]),
            if is_root { "yes" } else { "no" }.to_owned(),
            cell::time(&component["lastStatusChangeTimestamp"]),
            cell::text(&component["lifecycleStateDetails"]),
        ]);
    }
    table
}

fn effective(deployments: &[Value]) -> Table {
    let mut table = Table::new(["DEPLOYMENT", "TARGET", "STATUS", "CHANGED", "REASON"]);
    for deployment in deployments {
        table.row([
            cell::text(&deployment["deploymentId"]),
            cell::target(&deployment["targetArn"]),
            cell::text(&deployment["coreDeviceExecutionStatus"]),
            cell::time(&deployment["modifiedTimestamp"]),
            cell::text(&deployment["reason"]),
        ]);
    }
    table
}
