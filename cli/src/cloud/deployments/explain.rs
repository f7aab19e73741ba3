//! `marram cloud deployments explain`: what a deployment would change, and why.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::aws::encoded;
use crate::cloud::access::Access;
use crate::cloud::cell;
use crate::table::Table;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:  marram cloud deployments explain DEPLOYMENT-ID --ready-file cloud.json"
)]
pub(crate) struct Arguments {
    /// The deployment; its devices are taken as they are now
    #[arg(value_name = "ID")]
    id: String,
    /// Only this one of its devices
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Look at no more than so many devices of a group, by name: 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "device")]
    max_devices: u32,
    /// Exit with 1 if the deployment would fail on a device
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cloud = arguments.access.open()?;
    let id = &arguments.id;
    let mut target = format!("/deployments/{}/explanation", encoded(id));
    match &arguments.device {
        Some(device) => target.push_str(&format!("?device={}", encoded(device))),
        None => target.push_str(&format!("?maxDevices={}", arguments.max_devices)),
    }
    let explained = cloud.get("marram", &target);
    let explained = explained.with_context(|| format!("explaining deployment `{id}`"))?;
    cloud.print(&explained, || as_text(&explained))?;
    let outcomes = explained["outcomes"].as_array().into_iter().flatten();
    let failing = outcomes.filter(|outcome| outcome["problem"].is_object());
    let failing: u64 = failing.filter_map(|outcome| outcome["devices"].as_u64()).sum();
    if arguments.check && failing > 0 {
        bail!("the deployment would fail on {}", devices(failing));
    }
    Ok(())
}

fn devices(count: u64) -> String {
    if count == 1 { "1 device".to_owned() } else { format!("{count} devices") }
}

fn as_text(explained: &Value) -> String {
    let [all, examined, others] =
        ["devices", "examinedDevices", "otherDevices"].map(|m| explained[m].as_u64().unwrap_or(0));
    let latest = explained["isLatestForTarget"].as_bool().unwrap_or_default();
    let mut text = format!(
        "deployment  {} {}\ntarget      {}, revision {}{}\ndevices     {all}",
        cell::text(&explained["deploymentId"]),
        cell::text(&explained["deploymentStatus"]),
        cell::target(&explained["targetArn"]),
        cell::text(&explained["revisionId"]),
        if latest { ", the latest" } else { ", which a later one has replaced" },
    );
    if examined < all {
        text.push_str(&format!(", of which {examined} were looked at (--max-devices)"));
    }
    for outcome in explained["outcomes"].as_array().into_iter().flatten() {
        text.push_str("\n\n");
        text.push_str(&told(outcome));
    }
    if others > 0 {
        let others = devices(others);
        text.push_str(&format!("\n\n{others} more have other outcomes: ask for one by --device"));
    }
    text
}

fn told(outcome: &Value) -> String {
    let count = outcome["devices"].as_u64().unwrap_or_default();
    let samples = texts(&outcome["samples"]);
    let named = u64::try_from(samples.len()).unwrap_or(u64::MAX);
    let more = count.saturating_sub(named);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let mut text = format!("{}: {}{more}", devices(count), samples.join(", "));
    match &outcome["reported"] {
        Value::Null => text.push_str("\n  no report yet: any platform is taken to fit"),
        reported => text.push_str(&format!(
            "\n  {} {}, nucleus {}",
            cell::text(&reported["platform"]),
            cell::text(&reported["architecture"]),
            cell::text(&reported["coreVersion"])
        )),
    }
    for deployment in outcome["deployments"].as_array().into_iter().flatten() {
        let id = deployment["deploymentId"].as_str();
        text.push_str(&format!(
            "\n  {} names {}{}",
            cell::text(&deployment["target"]),
            listed(&texts(&deployment["components"])),
            id.map(|id| format!(" (deployment {id})")).unwrap_or_default(),
        ));
    }
    text.push_str("\n\n");
    match &outcome["problem"] {
        Value::Null => text.push_str(&table(&outcome["components"]).text()),
        problem => {
            text.push_str(&format!("would fail: {}", cell::text(&problem["message"])));
            for requirement in problem["requirements"].as_array().into_iter().flatten() {
                text.push_str(&format!("\n  {}", required(requirement)));
            }
        }
    }
    text
}

fn table(components: &Value) -> Table {
    let heads = ["COMPONENT", "CHANGE", "FROM", "TO", "CONFIGURED", "WHY", "BROUGHT BY"];
    let mut table = Table::new(heads);
    for component in components.as_array().into_iter().flatten() {
        let is_configured = component["isConfigured"].as_bool().unwrap_or_default();
        table.row([
            cell::text(&component["componentName"]),
            cell::text(&component["change"]).to_lowercase(),
            cell::text(&component["installedVersion"]),
            cell::text(&component["componentVersion"]),
            if is_configured { "yes" } else { "-" }.to_owned(),
            why(component),
            listed(&texts(&component["broughtBy"])),
        ]);
    }
    table
}

fn why(component: &Value) -> String {
    let requirements = component["requirements"].as_array().into_iter().flatten();
    let requirements: Vec<String> = requirements.map(required).collect();
    let requirements = requirements.join(", ");
    match component["reason"].as_str() {
        Some("PINNED") => requirements,
        Some("INSTALLED") => format!("is there and fits: {requirements}"),
        Some("NEWEST") => format!("newest that fits: {requirements}"),
        _ => "nothing brings it any more".to_owned(),
    }
}

/// `com.example.A requires >=1.0.0`.
fn required(requirement: &Value) -> String {
    let [by, range] = ["by", "requirement"].map(|member| cell::text(&requirement[member]));
    format!("{by} requires {range}")
}

fn texts(values: &Value) -> Vec<&str> {
    values.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn listed(texts: &[&str]) -> String {
    if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
}
