//! `marram cloud deployments`: all deployments, one of them, or why it does what it does.

mod explain;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::access::{Access, BY_TOKEN, CloudClient};
use super::cell;
use crate::aws::encoded;
use crate::table::Table;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  marram cloud deployments --ready-file cloud.json --target thinggroup/line1\n           \
                        marram cloud deployments DEPLOYMENT-ID --ready-file cloud.json\n           \
                        marram cloud deployments explain DEPLOYMENT-ID --ready-file cloud.json",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    look: Look,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a deployment would change on each of its devices: versions and why they are chosen,
    /// which group brings what, and conflicts with all who require
    Explain(explain::Arguments),
}

#[derive(Debug, clap::Args)]
struct Look {
    /// Show this deployment: its components, and how far its devices are
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Only deployments with this status
    #[arg(long, value_enum, ignore_case = true, value_name = "STATUS", conflicts_with = "id")]
    status: Option<Status>,
    /// Only deployments to this target: thing/NAME, thinggroup/NAME or an ARN
    #[arg(long, value_name = "TARGET", conflicts_with = "id")]
    target: Option<String>,
    /// Only deployments to this thing group
    #[arg(long, value_name = "G", conflicts_with_all = ["id", "target"])]
    group: Option<String>,
    /// All revisions, not only the latest of each target
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Absent only where a subcommand has its own.
    #[command(flatten)]
    access: Option<Access>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Status {
    Active,
    Completed,
    Canceled,
    Failed,
    Inactive,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Completed => "COMPLETED",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
            Self::Inactive => "INACTIVE",
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(Command::Explain(arguments)) = &arguments.command {
        return explain::run(arguments);
    }
    let look = &arguments.look;
    let cloud = look.access.as_ref().context("--ready-file: name the cloud's")?.open()?;
    match &look.id {
        Some(id) => show(&cloud, id),
        None => list(&cloud, look),
    }
}

fn list(cloud: &CloudClient, arguments: &Look) -> Result<()> {
    let history = if arguments.all { "ALL" } else { "LATEST_ONLY" };
    let mut path = format!("/greengrass/v2/deployments?historyFilter={history}");
    let group = arguments.group.as_ref().map(|group| format!("thinggroup/{group}"));
    if let Some(target) = arguments.target.as_ref().or(group.as_ref()) {
        path.push_str(&format!("&targetArn={}", encoded(&cloud.target_arn(target)?)));
    }
    let mut deployments = cloud.all("greengrass", &path, BY_TOKEN, "deployments")?;
    if let Some(status) = arguments.status {
        deployments.retain(|deployment| deployment["deploymentStatus"] == status.word());
    }
    cloud.print(&json!({ "deployments": deployments }), || {
        let heads = ["DEPLOYMENT", "TARGET", "REVISION", "STATUS", "CREATED", "NAME"];
        let mut table = Table::new(heads);
        for deployment in &deployments {
            table.row([
                cell::text(&deployment["deploymentId"]),
                cell::target(&deployment["targetArn"]),
                cell::text(&deployment["revisionId"]),
                cell::text(&deployment["deploymentStatus"]),
                cell::time(&deployment["creationTimestamp"]),
                cell::text(&deployment["deploymentName"]),
            ]);
        }
        table.text()
    })
}

fn show(cloud: &CloudClient, id: &str) -> Result<()> {
    let path = format!("/greengrass/v2/deployments/{}", encoded(id));
    let deployment =
        cloud.get("greengrass", &path).with_context(|| format!("asking for deployment `{id}`"))?;
    let counts = match deployment["iotJobId"].as_str() {
        Some(job) => {
            let job = cloud.get("iot", &format!("/jobs/{}", encoded(job)));
            job.context("asking for the deployment's job")?["job"]["jobProcessDetails"].take()
        }
        None => Value::Null,
    };
    let whole = json!({ "deployment": deployment, "jobProcessDetails": counts });
    cloud.print(&whole, || {
        format!(
            "deployment  {id} {}\ntarget      {}, revision {}{}\nname        {}\n\
             created     {}\ndevices     {}\n\n{}",
            cell::text(&deployment["deploymentStatus"]),
            cell::target(&deployment["targetArn"]),
            cell::text(&deployment["revisionId"]),
            if deployment["isLatestForTarget"] == true { ", the latest" } else { "" },
            cell::text(&deployment["deploymentName"]),
            cell::time(&deployment["creationTimestamp"]),
            devices(&counts),
            components(&deployment["components"]).text(),
        )
    })
}

/// `5 succeeded, 2 queued`: how far the job's things are.
fn devices(counts: &Value) -> String {
    let states = [
        "Succeeded",
        "InProgress",
        "Queued",
        "Failed",
        "Rejected",
        "TimedOut",
        "Canceled",
        "Removed",
    ];
    let parts: Vec<String> = states
        .iter()
        .filter_map(|state| {
            let count = counts[format!("numberOf{state}Things")].as_u64()?;
            (count > 0).then(|| format!("{count} {}", state.to_lowercase()))
        })
        .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn components(components: &Value) -> Table {
    let mut table = Table::new(["COMPONENT", "VERSION", "CONFIGURATION"]);
    for (name, spec) in components.as_object().into_iter().flatten() {
        let update = &spec["configurationUpdate"];
        let reset = update["reset"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let reset = reset.map(|pointer| format!("reset {pointer:?}"));
        let merge = update["merge"].as_str().map(|merge| format!("merge {merge}"));
        let changes: Vec<String> = reset.chain(merge).collect();
        table.row([name.clone(), cell::text(&spec["componentVersion"]), changes.join(", ")]);
    }
    table
}
