//! `marram cloud keys`: the access keys of people and programs, and what they may do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::access::{Access, CloudClient};
use super::cell;
use crate::aws::encoded;
use crate::exit::BadInput;
use crate::table::Table;

const SERVICE: &str = "marram";

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:  marram cloud keys create ci --policy ci.json --ready-file cloud.json"
)]
pub(crate) enum Command {
    /// All keys, without their secrets
    List(List),
    /// Make a key for a new user; its secret is shown this once
    Create(Create),
    /// Make a second key for the same user with the same policy; its secret is shown this once
    Rotate(Rotate),
    /// Refuse every call that is signed with the key, from now on
    Disable(One),
    /// Let a disabled key be used again
    Enable(One),
    /// Remove a key for ever
    Delete(One),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The name of the user that the key acts as
    name: String,
    /// An IAM policy document (JSON) that says what the key may do
    #[arg(long, value_name = "FILE", required_unless_present = "full_access")]
    policy: Option<PathBuf>,
    /// In place of a policy: the key may do everything
    #[arg(long, conflicts_with = "policy")]
    full_access: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rotate {
    /// The key to take the place of, `AKIA…`
    key: String,
    /// Let the old key work no more, from now on; else both work until it is disabled or deleted
    #[arg(long)]
    disable_old: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The key, `AKIA…`
    key: String,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List(list) => show(&list.access.open()?),
        Command::Create(create) => made(&create.access.open()?, "/keys", &asked(create)?),
        Command::Rotate(rotate) => {
            let target = format!("/keys/{}/rotate", encoded(&rotate.key));
            made(&rotate.access.open()?, &target, &json!({ "disableOld": rotate.disable_old }))
        }
        Command::Disable(one) => change(one, "POST", "/disable", "disabled"),
        Command::Enable(one) => change(one, "POST", "/enable", "enabled"),
        Command::Delete(one) => change(one, "DELETE", "", "deleted"),
    }
}

fn show(cloud: &CloudClient) -> Result<()> {
    let answer = cloud.get(SERVICE, "/keys").context("listing access keys")?;
    cloud.print(&answer, || {
        let mut table = Table::new(["KEY", "USER", "STATUS", "MAY", "CREATED"]);
        for key in answer["keys"].as_array().into_iter().flatten() {
            let may = if key["fullAccess"] == true { "everything" } else { "what its policy says" };
            table.row([
                cell::text(&key["accessKeyId"]),
                cell::text(&key["name"]),
                cell::text(&key["status"]),
                may.to_owned(),
                cell::time(&key["createdAt"]),
            ]);
        }
        table.text()
    })
}

fn asked(create: &Create) -> Result<Value> {
    Ok(match &create.policy {
        Some(file) => json!({ "name": create.name, "policy": document(file)? }),
        None => json!({ "name": create.name, "fullAccess": true }),
    })
}

fn document(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| BadInput(format!("--policy {}: {error}", file.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| BadInput(format!("--policy {}: not JSON: {error}", file.display())).into())
}

/// Makes a key. Its secret goes to standard output only.
fn made(cloud: &CloudClient, target: &str, body: &Value) -> Result<()> {
    let answer =
        cloud.call(SERVICE, "POST", target, Some(body.clone())).context("making an access key")?;
    cloud.print(&answer, || {
        format!(
            "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}",
            cell::text(&answer["accessKeyId"]),
            cell::text(&answer["secretAccessKey"]),
        )
    })
}

fn change(one: &One, method: &str, operation: &str, done: &str) -> Result<()> {
    let cloud = one.access.open()?;
    let target = format!("/keys/{}{operation}", encoded(&one.key));
    let answer = cloud
        .call(SERVICE, method, &target, None)
        .with_context(|| format!("the access key {} is not {done}", one.key))?;
    cloud.print(&answer, || format!("{} is {done}", one.key))
}
