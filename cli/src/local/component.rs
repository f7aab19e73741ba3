//! `component list`, `details`, `restart`, `stop`.

use anyhow::{Result, bail};
use clap::Subcommand;
use marram_ipc::Operation;
use serde_json::{Value, json};

use super::client::Client;
use super::{Options, block_on, client};
use crate::output::{self, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the components that run on this device
    List,
    /// Show one component: version, state, configuration; of a failed one also why, and the
    /// last lines that it wrote to stderr
    Details {
        /// The component
        #[arg(short, long)]
        name: String,
    },
    /// Restart components
    #[command(after_help = "Example:  greengrass-cli component restart --names com.a,com.b")]
    Restart {
        /// The components, separated by commas or `&`
        #[arg(short, long)]
        names: String,
    },
    /// Stop components, until they are restarted or the nucleus is
    #[command(after_help = "Example:  greengrass-cli component stop --names com.a,com.b")]
    Stop {
        /// The components, separated by commas or `&`
        #[arg(short, long)]
        names: String,
    },
}

pub(super) fn run(command: Command, options: &Options) -> Result<()> {
    block_on(async {
        let mut nucleus = client::connect(options).await?;
        match command {
            Command::List => list(&mut nucleus, options.output).await,
            Command::Details { name } => details(&mut nucleus, &name, options.output).await,
            Command::Restart { names } => {
                for_each(&mut nucleus, &names, Operation::RestartComponent, "restartStatus").await
            }
            Command::Stop { names } => {
                for_each(&mut nucleus, &names, Operation::StopComponent, "stopStatus").await
            }
        }
    })
}

async fn list(nucleus: &mut Client, output: Output) -> Result<()> {
    let answer = nucleus.call(Operation::ListComponents, &json!({})).await?;
    let components = answer["components"].as_array().map_or(&[][..], Vec::as_slice);
    if output == Output::Json {
        return Ok(output::json(&json!(components))?);
    }
    output::line("Components currently running in Greengrass:")?;
    for component in components {
        output::line(&as_text(component))?;
    }
    Ok(())
}

async fn details(nucleus: &mut Client, name: &str, output: Output) -> Result<()> {
    let request = json!({"componentName": name});
    let answer = nucleus.call(Operation::GetComponentDetails, &request).await?;
    let component = &answer["componentDetails"];
    match output {
        Output::Text => output::line(&(as_text(component) + &trouble(component)))?,
        Output::Json => output::json(component)?,
    }
    Ok(())
}

async fn for_each(
    nucleus: &mut Client,
    names: &str,
    operation: Operation,
    status: &str,
) -> Result<()> {
    for name in names.split([',', '&']).map(str::trim).filter(|name| !name.is_empty()) {
        let answer = nucleus.call(operation, &json!({"componentName": name})).await?;
        if answer[status] == "FAILED" {
            let why = answer["message"].as_str().unwrap_or("the nucleus gave no reason");
            bail!("{name}: {why}; see `component details --name {name}`");
        }
    }
    Ok(())
}

/// As the official tool prints a component.
fn as_text(component: &Value) -> String {
    let text = |member: &str| component[member].as_str().unwrap_or_default();
    format!(
        "Component Name: {}\n    Version: {}\n    State: {}\n    Configuration: {}",
        text("componentName"),
        text("version"),
        text("state"),
        component["configuration"]
    )
}

/// What went wrong, below what the official tool prints; nothing if nothing did.
fn trouble(component: &Value) -> String {
    let reason = component["statusReason"].as_str();
    let mut text = reason.map(|reason| format!("\n    Reason: {reason}")).unwrap_or_default();
    let lines = component["lastStderr"].as_array().into_iter().flatten();
    let lines: Vec<&str> = lines.filter_map(Value::as_str).collect();
    if !lines.is_empty() {
        text.push_str(&format!(
            "\n    Last lines of stderr:\n        {}",
            lines.join("\n        ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::scripted_server::{Answer, ScriptedServer, TOKEN};

    #[test]
    fn a_component_is_printed_as_the_official_tool_does() {
        let component = json!({"componentName": "a", "version": "1.0.0", "state": "RUNNING"});
        let expected =
            "Component Name: a\n    Version: 1.0.0\n    State: RUNNING\n    Configuration: null";
        assert_eq!(as_text(&component), expected);
        let component = json!({"configuration": {"k": 1}});
        assert!(as_text(&component).ends_with(r#"Configuration: {"k":1}"#));
    }

    #[test]
    fn a_failed_component_says_why() {
        let component = json!({
            "componentName": "a", "state": "BROKEN", "statusReason": "RUN_ERROR: It failed.",
            "lastStderr": ["one", "two"],
        });
        assert_eq!(
            trouble(&component),
            "\n    Reason: RUN_ERROR: It failed.\n    Last lines of stderr:\n        one\n        two"
        );
        assert_eq!(trouble(&json!({"componentName": "a", "state": "RUNNING"})), "");
    }

    #[tokio::test]
    async fn each_name_is_restarted_and_a_refusal_is_told() {
        let done = Answer::Response(json!({"restartStatus": "SUCCEEDED"}));
        let refused = Answer::Response(json!({"restartStatus": "FAILED", "message": "broken"}));
        let server = ScriptedServer::start(vec![done, refused]);
        let mut nucleus = Client::open(&server.credentials(TOKEN)).await.unwrap();
        let restart = Operation::RestartComponent;
        let error = for_each(&mut nucleus, "a , b&c", restart, "restartStatus").await.unwrap_err();
        assert!(error.to_string().starts_with("b: broken"), "{error}");
        let names: Vec<Value> = server
            .requests()
            .into_iter()
            .map(|(_, request)| request["componentName"].clone())
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_command_finds_the_nucleus_by_its_root_folder() {
        let server = ScriptedServer::start(vec![Answer::Response(json!({"componentDetails": {}}))]);
        let options = Options { root: Some(server.root()), output: Output::Text };
        run(Command::Details { name: "a".to_owned() }, &options).unwrap();
        let asked = (Operation::GetComponentDetails, json!({"componentName": "a"}));
        assert_eq!(server.requests(), [asked]);
    }
}
