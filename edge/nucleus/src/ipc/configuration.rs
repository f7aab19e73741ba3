//! GetConfiguration, UpdateConfiguration and SubscribeToConfigurationUpdate.
//!
//! Any component may read and watch any other's configuration; each may change only its own.
//!
//! Source: ipc 4.4 (`nucleus: builtin/services/configstore/*`).

use std::sync::Arc;

use bytes::Bytes;
use marram_ipc::shapes::{
    ConfigurationUpdateEvent, GetConfigurationRequest, GetConfigurationResponse,
    SubscribeToConfigurationUpdateRequest, UpdateConfigurationRequest,
};
use marram_ipc::{ErrorCode, IpcError};
use marram_model::ComponentName;
use marram_os::clock::Clock;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::outbox::Outbox;
use super::pubsub::DELIVERY_DEADLINE;
use crate::config::{Begun, ComponentUpdate, ConfigStore, UpdateConfiguration, Watcher};

const SERVICES: &str = "services";
const CONFIGURATION: &str = "configuration";
/// Keys that begin so are the nucleus's own and left out of objects.
const PRIVATE: char = '_';

/// Answers GetConfiguration with the response's JSON.
pub(super) fn get(
    config: &ConfigStore,
    asking: &ComponentName,
    request: &GetConfigurationRequest,
) -> Result<Vec<u8>, IpcError> {
    let component = request.component_name.as_deref().unwrap_or(asking.as_str());
    let key_path = request.key_path.as_deref().unwrap_or_default();
    let Some(node) = config.get_node(&full_path(component, key_path)) else {
        return Err(key_not_found());
    };
    let value = match node.value {
        Value::Object(members) => without_private_keys(members),
        leaf => Map::from_iter([(node.name, leaf)]),
    };
    Ok(GetConfigurationResponse { component_name: component, value: &value }.payload())
}

/// A change that a component asked for, checked as far as the request alone allows.
#[derive(Debug)]
pub(super) struct Update {
    component: ComponentName,
    key_path: Vec<String>,
    value: Map<String, Value>,
    timestamp_ms: i64,
}

impl Update {
    pub(super) fn check(
        component: &ComponentName,
        request: UpdateConfigurationRequest,
    ) -> Result<Self, IpcError> {
        let Some(timestamp) = request.timestamp else {
            return Err(IpcError::invalid_arguments("Timestamp is required"));
        };
        let value = match request.value_to_merge {
            Some(Value::Object(value)) => value,
            Some(_) => return Err(IpcError::invalid_arguments("ValueToMerge must be an object")),
            None => return Err(IpcError::invalid_arguments("ValueToMerge is required")),
        };
        Ok(Self {
            component: component.clone(),
            key_path: request.key_path.unwrap_or_default(),
            value,
            timestamp_ms: timestamp.ms,
        })
    }

    /// Begins the change; updates take effect in the order in which they are begun.
    pub(super) async fn begin(
        self,
        config: &ConfigStore,
        clock: &dyn Clock,
    ) -> Result<BegunUpdate, IpcError> {
        let update = ComponentUpdate {
            component: self.component.as_str(),
            key_path: &self.key_path,
            value: &self.value,
            timestamp: self.timestamp_ms,
            now: clock.now_ms(),
        };
        let begun = config.begin_update_from_component(&update).await;
        Ok(BegunUpdate(begun.map_err(|error| to_ipc_error(&error))?))
    }
}

/// An update on its way to the disk.
#[derive(Debug)]
pub(super) struct BegunUpdate(Begun<Result<(), UpdateConfiguration>>);

impl BegunUpdate {
    /// Waits until the update is durable, or refused.
    pub(super) async fn ended(self) -> Result<(), IpcError> {
        self.0.ended().await.map_err(|error| to_ipc_error(&error))
    }
}

fn to_ipc_error(error: &UpdateConfiguration) -> IpcError {
    let code = match error {
        UpdateConfiguration::AccessControl | UpdateConfiguration::UnknownComponent { .. } => {
            ErrorCode::InvalidArguments
        }
        UpdateConfiguration::ThroughLeaf { .. } => ErrorCode::Service,
        UpdateConfiguration::Outdated => ErrorCode::FailedUpdateConditionCheck,
        UpdateConfiguration::NotKept(source) => {
            return IpcError::service(format!("{error}: {source}"));
        }
    };
    IpcError::new(code, error.to_string())
}

/// A watch of one node of a component's configuration.
#[derive(Debug)]
pub(super) struct Subscription {
    component: String,
    key_path: Vec<String>,
    watcher: Watcher,
}

impl Subscription {
    /// Begins to watch; the node must exist now, but may go and come again.
    pub(super) fn begin(
        config: &ConfigStore,
        asking: &ComponentName,
        request: SubscribeToConfigurationUpdateRequest,
    ) -> Result<Self, IpcError> {
        let component = request.component_name.unwrap_or_else(|| asking.to_string());
        let key_path = request.key_path.unwrap_or_default();
        let path = full_path(&component, &key_path);
        let watcher = config.watch(&path);
        // A component without any configuration can be watched, since one may come.
        let must_exist = if key_path.is_empty() { &path[..2] } else { &path };
        if config.get_node(must_exist).is_none() {
            return Err(key_not_found());
        }
        Ok(Self { component, key_path, watcher })
    }

    /// Whose configuration it is.
    pub(super) fn component(&self) -> &str {
        &self.component
    }

    /// Sends an event for each change until the configuration is gone.
    pub(super) async fn run(mut self, outbox: Arc<Outbox>, stream: i32) {
        while let Some(change) = self.watcher.changed().await {
            // The path of a change above the subscribed node is not below `configuration`.
            let key_path = match change.path.get(3..) {
                Some(changed) if changed.len() >= self.key_path.len() => changed,
                _ => &self.key_path,
            };
            let event = ConfigurationUpdateEvent { component_name: &self.component, key_path };
            let event = Bytes::from(event.event());
            outbox.deliver(stream, &event, Instant::now() + DELIVERY_DEADLINE).await;
        }
    }
}

fn full_path<'p>(component: &'p str, key_path: &'p [String]) -> Vec<&'p str> {
    let root = [SERVICES, component, CONFIGURATION];
    root.into_iter().chain(key_path.iter().map(String::as_str)).collect()
}

fn key_not_found() -> IpcError {
    IpcError::not_found("Key not found")
}

fn without_private_keys(members: Map<String, Value>) -> Map<String, Value> {
    members
        .into_iter()
        .filter(|(name, _)| !name.starts_with(PRIVATE))
        .map(|(name, value)| match value {
            Value::Object(members) => (name, Value::Object(without_private_keys(members))),
            other => (name, other),
        })
        .collect()
}
