//! What a component may change of its own configuration over IPC, and with which timestamps.
//!
//! Source: ipc 4.4 (`nucleus: builtin/services/configstore/ConfigStoreIPCEventStreamAgent.java`).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::origin::{Origin, Stamp};
use super::tree::{self, Node, compare_names};
use super::{ChangeConfig, rules};

/// The key that only deployments may write.
const ACCESS_CONTROL: &str = "accessControl";

/// Why an UpdateConfiguration failed. The texts are those the wire carries.
#[derive(Debug, thiserror::Error)]
pub enum UpdateConfiguration {
    /// InvalidArgumentsError: the update names `accessControl`.
    #[error("Config update is not allowed for following fields [accessControl]")]
    AccessControl,
    /// InvalidArgumentsError: the nucleus has no such component.
    #[error("Component config not found for component {component}")]
    UnknownComponent {
        /// The caller.
        component: String,
    },
    /// ServiceError: the key path goes through a value.
    #[error("{leaf} in {component} is already a leaf, cannot become a container")]
    ThroughLeaf {
        /// The caller.
        component: String,
        /// The path of the value, its segments joined by `.`.
        leaf: String,
    },
    /// FailedUpdateConditionCheckError: something at the target is newer. What was not newer has
    /// been written.
    #[error("Proposed timestamp is older than the config's latest modified timestamp")]
    Outdated,
    /// ServiceError: the value could not be kept.
    #[error("the configuration could not be changed")]
    NotKept(#[source] ChangeConfig),
}

/// One update as the component asked for it.
#[derive(Debug, Clone, Copy)]
pub struct ComponentUpdate<'a> {
    /// Whose configuration.
    pub component: &'a str,
    /// Where in it.
    pub key_path: &'a [String],
    /// What is merged there.
    pub value: &'a Map<String, Value>,
    /// Milliseconds since the epoch. Zero and less mean now, whatever is there: the C SDK sends 0
    /// for "no timestamp".
    pub timestamp: i64,
    /// The time, in milliseconds since the epoch.
    pub now: i64,
}

impl ComponentUpdate<'_> {
    /// Checks what depends on the request alone.
    pub(crate) fn check(&self) -> Result<(), UpdateConfiguration> {
        let forbidden = |name: &str| compare_names(name, ACCESS_CONTROL).is_eq();
        let names_it = match self.key_path.first() {
            Some(first) => forbidden(first),
            None => self.value.keys().any(|name| forbidden(name)),
        };
        if names_it { Err(UpdateConfiguration::AccessControl) } else { Ok(()) }
    }

    /// Writes into `configuration` whatever is not newer there, then says whether something was.
    pub(crate) fn write(&self, configuration: &mut Arc<Node>) -> Result<(), UpdateConfiguration> {
        self.check_path(configuration)?;
        let present = configuration.find(self.key_path);
        let exists = present.is_some();
        let timestamp = match self.timestamp {
            // Without a timestamp there is nothing to be outdated by: not by an update that took
            // its time later and its turn earlier, nor by a clock that was set back.
            ..=0 => present.and_then(Node::modified).map_or(self.now, |at| at.max(self.now)),
            given => given,
        };
        let merged_at = if exists { timestamp } else { self.now };
        let target = tree::open(configuration, self.key_path);
        let origin = Arc::new(Origin::Component { name: self.component.to_owned() });
        let stamp = Stamp { modified: merged_at, origin: Some(&origin) };
        rules::merge_object(target, self.value, stamp);
        let outdated = exists && target.modified().is_some_and(|modified| timestamp < modified);
        if outdated { Err(UpdateConfiguration::Outdated) } else { Ok(()) }
    }

    /// Refuses a path through a leaf; a leaf at its very end may be replaced.
    fn check_path(&self, configuration: &Node) -> Result<(), UpdateConfiguration> {
        for length in 1..self.key_path.len() {
            if let Some(Node::Leaf(_)) = configuration.find(&self.key_path[..length]) {
                return Err(UpdateConfiguration::ThroughLeaf {
                    component: self.component.to_owned(),
                    leaf: self.key_path[..length].join("."),
                });
            }
        }
        Ok(())
    }
}
