//! The sample component `com.example.HelloWorld`: its files, its creation and its deployment.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marram_cloud::Ready;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::aws::{AwsClient, encoded};

pub(crate) const NAME: &str = "com.example.HelloWorld";
pub(crate) const VERSION: &str = "1.0.0";

const BUCKET: &str = "marram-quickstart";
const RECIPE: &str = include_str!("../../samples/com.example.HelloWorld/recipe.yaml");
const ARTIFACT: &str = include_str!("../../samples/com.example.HelloWorld/hello.sh");
const PERIOD: Duration = Duration::from_millis(20);

/// Uploads the artifact, creates the component version and waits until it is DEPLOYABLE.
pub(crate) async fn create(aws: &AwsClient, timeout: Duration) -> Result<()> {
    aws.send("s3", "PUT", &format!("/{BUCKET}"), &[], b"")
        .await
        .or_else(AwsClient::already_exists)
        .context("creating the artifact bucket")?;
    let key = format!("/{BUCKET}/{NAME}/{VERSION}/hello.sh");
    aws.send("s3", "PUT", &key, &[], ARTIFACT.as_bytes())
        .await
        .context("uploading the artifact")?;
    let recipe = STANDARD.encode(RECIPE.replace("BUCKET", BUCKET));
    let body = json!({"inlineRecipe": recipe});
    let created = aws
        .call("greengrass", "POST", "/greengrass/v2/createComponentVersion", &[], Some(body))
        .await
        .context("creating the component version")?;
    let arn = created["arn"].as_str().context("the reply has no `arn`")?;
    until_deployable(aws, arn, timeout).await
}

async fn until_deployable(aws: &AwsClient, arn: &str, timeout: Duration) -> Result<()> {
    let path = format!("/greengrass/v2/components/{}/metadata", encoded(arn));
    let deadline = Instant::now() + timeout;
    loop {
        let component = aws.call("greengrass", "GET", &path, &[], None).await?;
        let status = &component["status"];
        match status["componentState"].as_str() {
            Some("DEPLOYABLE") => return Ok(()),
            Some("FAILED") => bail!("the component version FAILED: {}", status["errors"]),
            _ if Instant::now() >= deadline => bail!("the component version is still {status}"),
            _ => sleep(PERIOD).await,
        }
    }
}

/// Deploys the component to a thing group, with a configuration of its own; gives the id.
pub(crate) async fn deploy(aws: &AwsClient, ready: &Ready, group: &str) -> Result<String> {
    let target = format!("arn:aws:iot:{}:{}:thinggroup/{group}", ready.region, ready.account_id);
    let merge = json!({"message": "Marram"}).to_string();
    let body = json!({
        "targetArn": target,
        "deploymentName": "Quickstart",
        "components": {NAME: {
            "componentVersion": VERSION,
            "configurationUpdate": {"merge": merge},
        }},
    });
    let reply = aws
        .call("greengrass", "POST", "/greengrass/v2/deployments", &[], Some(body))
        .await
        .context("creating the deployment")?;
    let id = reply.get("deploymentId").and_then(Value::as_str);
    Ok(id.context("the reply has no `deploymentId`")?.to_owned())
}

/// What the component printed, out of a line of its log.
fn greeting(line: &str) -> Option<&str> {
    let said = line.get(line.find("Hello, ")?..)?;
    Some(said.split_once(". {").map_or(said, |(said, _)| said))
}

/// The first line that the component printed, from its log.
pub(crate) async fn first_output(log: &Path, timeout: Duration) -> Result<String> {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Some(said) = text.lines().find_map(greeting) {
            return Ok(said.to_owned());
        }
        sleep(PERIOD).await;
    }
    bail!("the component printed nothing to {} in {} s", log.display(), timeout.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_cut_out_of_the_log_line() {
        let line = "2026-11-23T22:07:37.432Z [INFO] (Copier) com.example.HelloWorld: stdout. \
                    Hello, Marram! This is MyCore.. {scriptName=run, currentState=RUNNING}";
        assert_eq!(greeting(line), Some("Hello, Marram! This is MyCore."));
        assert_eq!(greeting("com.example.HelloWorld: run started"), None);
    }
}
