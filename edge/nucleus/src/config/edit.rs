//! Edits: what turns one version of the tree into the next, as the journal records it.
//!
//! The live tree and a replay apply the same edits without looking at timestamps, so that both end
//! equal whatever rules made the edits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::origin::Origin;
use super::tree::{self, Child, Container, Leaf, Node, compare_names};

/// One edit of the node at a path from the root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Edit {
    /// Sets a leaf; whatever was there, and leaves on the way, are replaced.
    #[serde(rename = "set")]
    Set(Vec<String>, Value, i64, #[serde(default)] Option<Origin>),
    /// Changes a leaf's timestamp and origin only.
    #[serde(rename = "touch")]
    Touch(Vec<String>, i64, #[serde(default)] Option<Origin>),
    /// Makes an empty container, also in the place of a leaf. The flag says that it replaces one.
    #[serde(rename = "container")]
    Container(Vec<String>, bool),
    /// Removes a node.
    #[serde(rename = "remove")]
    Remove(Vec<String>),
}

impl Edit {
    /// Carries the edit out.
    pub(crate) fn apply(&self, root: &mut Arc<Node>) {
        match self {
            Self::Set(path, value, modified, origin) => {
                let origin = origin.clone().map(Arc::new);
                let leaf = Leaf { value: value.clone(), modified: *modified, origin };
                *tree::open(root, path) = Arc::new(Node::Leaf(leaf));
            }
            Self::Touch(path, modified, origin) => {
                if let Node::Leaf(leaf) = Arc::make_mut(tree::open(root, path)) {
                    leaf.modified = *modified;
                    leaf.origin = origin.clone().map(Arc::new);
                }
            }
            Self::Container(path, _) => *tree::open(root, path) = Arc::default(),
            Self::Remove(path) => {
                tree::remove(root, path);
            }
        }
    }

    /// The path whose value watchers are told of, unless the edit changes no value.
    pub(crate) fn changed_path(&self) -> Option<&[String]> {
        match self {
            Self::Set(path, ..) | Self::Remove(path) | Self::Container(path, true) => Some(path),
            Self::Touch(..) | Self::Container(_, false) => None,
        }
    }
}

/// The edits that turn `old` into `new`.
pub(crate) fn difference(old: &Node, new: &Node) -> Vec<Edit> {
    let mut edits = Vec::new();
    compare(Some(old), new, &mut Vec::new(), &mut edits);
    edits
}

fn compare(old: Option<&Node>, new: &Node, path: &mut Vec<String>, edits: &mut Vec<Edit>) {
    match (old, new) {
        (Some(Node::Leaf(old)), Node::Leaf(new)) if old.value == new.value => {
            if old.modified != new.modified || old.origin != new.origin {
                edits.push(Edit::Touch(path.clone(), new.modified, new.origin.as_deref().cloned()));
            }
        }
        (_, Node::Leaf(new)) => {
            let origin = new.origin.as_deref().cloned();
            edits.push(Edit::Set(path.clone(), new.value.clone(), new.modified, origin));
        }
        (Some(Node::Container(old)), Node::Container(new)) => {
            compare_containers(old, new, path, edits);
        }
        (replaced, Node::Container(new)) => {
            if new.children().is_empty() {
                edits.push(Edit::Container(path.clone(), replaced.is_some()));
            }
            for child in new.children() {
                below(path, &child.name, |path| compare(None, &child.node, path, edits));
            }
        }
    }
}

/// Walks both lists of children, which are in the same order.
fn compare_containers(
    old: &Container,
    new: &Container,
    path: &mut Vec<String>,
    edits: &mut Vec<Edit>,
) {
    let mut gone = old.children().iter().peekable();
    let remove = |child: &Child, path: &mut Vec<String>, edits: &mut Vec<Edit>| {
        below(path, &child.name, |path| edits.push(Edit::Remove(path.clone())));
    };
    for child in new.children() {
        while let Some(old) = gone.next_if(|old| compare_names(&old.name, &child.name).is_lt()) {
            remove(old, path, edits);
        }
        let mut before = gone.next_if(|old| compare_names(&old.name, &child.name).is_eq());
        if let Some(old) = before
            && old.name != child.name
        {
            // Removed and made again with another casing.
            remove(old, path, edits);
            before = None;
        }
        if before.is_some_and(|old| Arc::ptr_eq(&old.node, &child.node)) {
            continue;
        }
        let before = before.map(|old| &*old.node);
        below(path, &child.name, |path| compare(before, &child.node, path, edits));
    }
    gone.for_each(|old| remove(old, path, edits));
}

fn below(path: &mut Vec<String>, name: &str, visit: impl FnOnce(&mut Vec<String>)) {
    path.push(name.to_owned());
    visit(path);
    path.pop();
}
