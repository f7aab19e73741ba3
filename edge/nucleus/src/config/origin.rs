//! Where a value of the configuration comes from: kept with each leaf and told to people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tree::Node;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Origin {
    /// The DefaultConfiguration of a component's recipe.
    Recipe {
        /// The component's version whose recipe it was.
        version: String,
    },
    /// A deployment of the cloud.
    Deployment {
        /// Its id.
        id: String,
        /// The thing or thing group that it targets, as the device's books name it, and the
        /// revision: `thinggroup/Line7:4`.
        target: String,
    },
    /// A deployment that somebody made on the device.
    LocalDeployment {
        /// Its id.
        id: String,
    },
    /// A component, over IPC.
    Component {
        /// Its name.
        name: String,
    },
    /// A configuration file that the nucleus was started with.
    File {
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe { version } => write!(f, "default of recipe {version}"),
            Self::Deployment { id, target } => write!(f, "deployment {id} to {target}"),
            Self::LocalDeployment { id } => write!(f, "local deployment {id}"),
            Self::Component { name } => write!(f, "component {name}"),
            Self::File { path } => write!(f, "file {path}"),
        }
    }
}

/// When and by whom a leaf is set. Leaves that were set together share the origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    /// Milliseconds since the epoch.
    pub(crate) modified: i64,
    /// `None` for the nucleus's own bookkeeping.
    pub(crate) origin: Option<&'a Arc<Origin>>,
}

/// A value with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedValue {
    /// Its keys below where was looked, in stored casing.
    pub path: Vec<String>,
    /// A scalar, a list or `null`.
    pub value: Value,
    /// When it was set, in milliseconds since the epoch.
    pub modified: i64,
    /// Who set it; `None` for the nucleus itself.
    pub origin: Option<Origin>,
}

/// Adds what is at and below the node, which is at `path`.
pub(super) fn explain(node: &Node, path: &mut Vec<String>, explained: &mut Vec<ExplainedValue>) {
    match node {
        Node::Leaf(leaf) => explained.push(ExplainedValue {
            path: path.clone(),
            value: leaf.value.clone(),
            modified: leaf.modified,
            origin: leaf.origin.as_deref().cloned(),
        }),
        Node::Container(container) => {
            for child in container.children() {
                path.push(child.name.to_string());
                explain(&child.node, path, explained);
                path.pop();
            }
        }
    }
}
