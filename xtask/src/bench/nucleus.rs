//! A device without a cloud, and a client that asks it for local deployments.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use marram_ipc::Operation;
use marram_ipc::client::{ClientConnection, Message};
use serde_json::{Value, json};

use crate::programs::{self, Core, Scratch};

/// Longest wait for anything that must come.
const DEADLINE: Duration = Duration::from_secs(120);
const READ_BYTES: usize = 64 * 1024;
/// How often a state is asked for.
const POLL: Duration = Duration::from_millis(1);

/// A running `marramd` on a root folder of its own.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) root: PathBuf,
    recipes: PathBuf,
    pub(super) core: Core,
    pub(super) client: Client,
}

impl Device {
    pub(super) fn start(scratch: &Scratch) -> Result<Self> {
        let root = scratch.fresh("core")?;
        let recipes = scratch.fresh("recipes")?;
        programs::prepare_offline(&root)?;
        let core = Core::start(&root)?;
        let client = Client::of_people(&root)?;
        Ok(Self { root, recipes, core, client })
    }

    /// Stops the runtime and starts it again; when it was started.
    pub(super) fn restart(self) -> Result<(Self, Instant)> {
        let Self { root, recipes, core, .. } = self;
        core.stop()?;
        let began = Instant::now();
        let core = Core::start(&root)?;
        let client = Client::of_people(&root)?;
        Ok((Self { root, recipes, core, client }, began))
    }

    /// Leaves a recipe where the next deployment finds it.
    pub(super) fn recipe(&self, name: &str, version: &str, more: Value) -> Result<()> {
        let mut recipe = json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": name, "ComponentVersion": version,
        });
        if let (Some(recipe), Value::Object(more)) = (recipe.as_object_mut(), more) {
            recipe.extend(more);
        }
        let file = self.recipes.join(format!("{name}-{version}.json"));
        Ok(fs::write(file, recipe.to_string())?)
    }

    /// Asks for a local deployment; its id.
    pub(super) fn deploy(&mut self, name: &str, version: &str) -> Result<String> {
        let request = json!({
            "rootComponentVersionsToAdd": {name: version},
            "recipeDirectoryPath": self.recipes,
        });
        let answer = self.client.call(Operation::CreateLocalDeployment, &request)?;
        Ok(answer["deploymentId"].as_str().context("no deployment id")?.to_owned())
    }

    /// Waits until a deployment has ended well.
    pub(super) fn until_deployed(&mut self, id: &str) -> Result<()> {
        let request = json!({"deploymentId": id});
        self.until("the deployment has ended", |client| {
            let answer = client.call(Operation::GetLocalDeploymentStatus, &request)?;
            let deployment = &answer["deployment"];
            match deployment["status"].as_str() {
                Some("SUCCEEDED") => Ok(true),
                Some("FAILED" | "CANCELED") => bail!("the deployment failed: {deployment}"),
                _ => Ok(false),
            }
        })
    }

    /// Waits until a component of that version is RUNNING.
    pub(super) fn until_running(&mut self, name: &str, version: &str) -> Result<()> {
        let request = json!({"componentName": name});
        self.until("the component is RUNNING", |client| {
            let Ok(answer) = client.call(Operation::GetComponentDetails, &request) else {
                return Ok(false);
            };
            let details = &answer["componentDetails"];
            if details["state"] == "BROKEN" {
                bail!("{name} is BROKEN");
            }
            Ok(details["state"] == "RUNNING" && details["version"] == version)
        })
    }

    fn until(
        &mut self,
        what: &str,
        mut check: impl FnMut(&mut Client) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        while !check(&mut self.client)? {
            if Instant::now() > deadline {
                bail!("not after {} s: {what}", DEADLINE.as_secs());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The last lines of the runtime's log, for an error.
    pub(super) fn log(&self) -> String {
        let text = fs::read_to_string(self.root.join("logs/greengrass.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A blocking client, one request at a time.
#[derive(Debug)]
pub(super) struct Client {
    socket: UnixStream,
    connection: ClientConnection,
}

impl Client {
    /// With the token that the nucleus leaves for people.
    fn of_people(root: &Path) -> Result<Self> {
        let mut entries = fs::read_dir(root.join("cli_ipc_info"))?;
        let file = entries.next().context("the nucleus left no token")??.path();
        let info: Value = serde_json::from_slice(&fs::read(file)?)?;
        let text = |name: &str| info[name].as_str().with_context(|| format!("no {name}"));
        let socket = UnixStream::connect(text("domain_socket_path")?)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let mut client = Self { socket, connection: ClientConnection::new() };
        let hello = client.connection.connect(text("cli_auth_token")?);
        client.socket.write_all(&hello)?;
        match client.receive()? {
            Message::ConnectAck { accepted: true } => Ok(client),
            other => bail!("the nucleus answered CONNECT with {other:?}"),
        }
    }

    pub(super) fn call(&mut self, operation: Operation, request: &Value) -> Result<Value> {
        let (_, frame) = self.connection.request(operation, request);
        self.socket.write_all(&frame)?;
        match self.receive()? {
            Message::Response { payload, .. } => Ok(serde_json::from_slice(&payload)?),
            other => bail!("{operation:?} was answered {other:?}"),
        }
    }

    fn receive(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = self.connection.next_message()? {
                return Ok(message);
            }
            let input = self.connection.input();
            let before = input.len();
            input.resize(before + READ_BYTES, 0);
            let read = self.socket.read(&mut input[before..])?;
            input.truncate(before + read);
            if read == 0 {
                bail!("the nucleus closed the connection");
            }
        }
    }
}
