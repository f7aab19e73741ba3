//! `deployment create`, `status`, `list`, `cancel`.

mod create;

use anyhow::Result;
use clap::Subcommand;
use marram_ipc::Operation;
use serde_json::{Value, json};

use super::{Options, block_on, client};
use crate::output::{self, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Deploy to this device from local recipes and artifacts, without a cloud
    Create(create::Arguments),
    /// Show how a local deployment is doing
    Status(Id),
    /// List local deployments
    List,
    /// Cancel a local deployment
    Cancel(Id),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Id {
    /// The deployment, as `deployment create` printed it
    #[arg(short = 'i', long = "deploymentId", value_name = "ID")]
    deployment: String,
}

pub(super) fn run(command: Command, options: &Options) -> Result<()> {
    let (operation, request) = match &command {
        Command::Create(arguments) => {
            (Operation::CreateLocalDeployment, create::request(arguments)?)
        }
        Command::Status(id) => (Operation::GetLocalDeploymentStatus, id.request()),
        Command::List => (Operation::ListLocalDeployments, json!({})),
        Command::Cancel(id) => (Operation::CancelLocalDeployment, id.request()),
    };
    let answer = block_on_answer(operation, &request, options)?;
    let text = match command {
        _ if options.output == Output::Json => answer.to_string(),
        Command::Create(_) => {
            let id = answer["deploymentId"].as_str().unwrap_or_default();
            format!("Local deployment submitted! Deployment Id: {id}")
        }
        Command::Status(_) => status_text(&answer["deployment"]),
        Command::List => list_text(&answer["localDeployments"]),
        Command::Cancel(_) => answer["message"].as_str().unwrap_or_default().to_owned(),
    };
    Ok(output::line(&text)?)
}

impl Id {
    fn request(&self) -> Value {
        json!({"deploymentId": self.deployment})
    }
}

fn block_on_answer(operation: Operation, request: &Value, options: &Options) -> Result<Value> {
    let mut answer = Value::Null;
    block_on(async {
        answer = client::connect(options).await?.call(operation, request).await?;
        Ok(())
    })?;
    Ok(answer)
}

/// As the official tool prints a status; only what is known is a line.
fn status_text(deployment: &Value) -> String {
    let text = |member: &str| deployment[member].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("{}: {}", text("deploymentId"), text("status")),
        format!("Created on: {}", text("createdOn")),
    ];
    if text("status") == "FAILED" {
        let details = &deployment["deploymentStatusDetails"];
        for (head, member) in [
            ("Detailed Status", "detailedDeploymentStatus"),
            ("Deployment Error Stack", "deploymentErrorStack"),
            ("Deployment Error Types", "deploymentErrorTypes"),
            ("Deployment Failure Cause", "deploymentFailureCause"),
        ] {
            let detail = joined(&details[member]);
            if !detail.is_empty() {
                lines.push(format!("{head}: {detail}"));
            }
        }
    }
    lines.join("\n")
}

fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    }
}

fn list_text(deployments: &Value) -> String {
    let block = |deployment: &Value| {
        let text = |member: &str| deployment[member].as_str().unwrap_or_default();
        format!(
            "Deployment ID: {}\nCreated on: {}\nStatus: {}",
            text("deploymentId"),
            text("createdOn"),
            text("status")
        )
    };
    let blocks: Vec<String> = deployments.as_array().into_iter().flatten().map(block).collect();
    blocks.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::scripted_server::{Answer, ScriptedServer};

    #[test]
    fn a_failed_deployment_says_why_with_percent_signs_and_all() {
        let deployment = json!({
            "deploymentId": "d", "status": "FAILED", "createdOn": "05-03-2024 10:20:30 UTC",
            "deploymentStatusDetails": {
                "detailedDeploymentStatus": "FAILED_NO_STATE_CHANGE",
                "deploymentErrorStack": ["A", "B"], "deploymentErrorTypes": [],
                "deploymentFailureCause": "disk 100%s full",
            },
        });
        let expected = "d: FAILED\nCreated on: 05-03-2024 10:20:30 UTC\n\
                        Detailed Status: FAILED_NO_STATE_CHANGE\nDeployment Error Stack: A, B\n\
                        Deployment Failure Cause: disk 100%s full";
        assert_eq!(status_text(&deployment), expected);
    }

    #[test]
    fn a_list_has_a_block_for_each_deployment() {
        let deployments = json!([
            {"deploymentId": "a", "status": "QUEUED", "createdOn": "x"},
            {"deploymentId": "b", "status": "SUCCEEDED", "createdOn": "y"},
        ]);
        let expected = "Deployment ID: a\nCreated on: x\nStatus: QUEUED\n\n\
                        Deployment ID: b\nCreated on: y\nStatus: SUCCEEDED";
        assert_eq!(list_text(&deployments), expected);
    }

    #[test]
    fn a_cancel_names_the_deployment() {
        let server = ScriptedServer::start(vec![Answer::Response(json!({"message": "ok"}))]);
        let options = Options { root: Some(server.root()), output: Output::Text };
        run(Command::Cancel(Id { deployment: "d".to_owned() }), &options).unwrap();
        let asked = (Operation::CancelLocalDeployment, json!({"deploymentId": "d"}));
        assert_eq!(server.requests(), [asked]);
    }
}
