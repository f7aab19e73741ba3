//! The configuration tree: containers with case-insensitive keys, and leaves with a timestamp.
//!
//! A tree is persistent: nodes are shared, and a change copies only the way from the root to what
//! changed. So a snapshot, a reader's view and a transaction's working copy cost one reference, and
//! comparing two versions skips what they share.
//!
//! Source: recipes-and-deployments B6.2 (`nucleus: config/Topics.java, config/Topic.java`).

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::origin::{Origin, Stamp};

/// One node: a leaf or a container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A scalar, a list or `null`.
    Leaf(Leaf),
    /// An object.
    Container(Container),
}

/// A value and when it was set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    /// Never an object, save inside a list.
    pub(crate) value: Value,
    /// Milliseconds since the epoch.
    pub(crate) modified: i64,
    /// Who set it; `None` for the nucleus itself.
    pub(crate) origin: Option<Arc<Origin>>,
}

/// Children in the order of their case-folded names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Container {
    children: Vec<Child>,
}

/// A named node. The name keeps the casing it was first seen with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Child {
    pub(crate) name: Arc<str>,
    pub(crate) node: Arc<Node>,
}

/// Orders key names as if they had no case.
pub(crate) fn compare_names(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let folded = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(folded).cmp(b.bytes().map(folded));
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

impl Leaf {
    /// A leaf that is set now.
    pub(crate) fn new(value: Value, stamp: Stamp<'_>) -> Self {
        Self { value, modified: stamp.modified, origin: stamp.origin.cloned() }
    }
}

impl Container {
    /// The children in the order of their case-folded names.
    pub(crate) fn children(&self) -> &[Child] {
        &self.children
    }

    /// The child called `name` in any casing.
    pub(crate) fn child(&self, name: &str) -> Option<&Child> {
        self.position(name).ok().map(|at| &self.children[at])
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.children.binary_search_by(|child| compare_names(&child.name, name))
    }

    /// The node called `name`, made by `new` when there is none.
    fn entry(&mut self, name: &str, new: impl FnOnce() -> Node) -> &mut Arc<Node> {
        let at = match self.position(name) {
            Ok(at) => at,
            Err(at) => {
                let child = Child { name: Arc::from(name), node: Arc::new(new()) };
                self.children.insert(at, child);
                at
            }
        };
        &mut self.children[at].node
    }

    /// Puts `node` under `name`; an existing child keeps its casing.
    pub(crate) fn put(&mut self, name: &str, node: Arc<Node>) {
        match self.position(name) {
            Ok(at) => self.children[at].node = node,
            Err(at) => self.children.insert(at, Child { name: Arc::from(name), node }),
        }
    }

    /// The child called `name` in any casing, for changing.
    pub(crate) fn child_mut(&mut self, name: &str) -> Option<&mut Arc<Node>> {
        self.position(name).ok().map(|at| &mut self.children[at].node)
    }

    /// Takes the child called `name` away.
    pub(crate) fn take(&mut self, name: &str) -> Option<Arc<Node>> {
        self.position(name).ok().map(|at| self.children.remove(at).node)
    }

    /// Keeps the children that `keep` names.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.children.retain(|child| keep(&child.name));
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::empty()
    }
}

impl Node {
    /// A container without children.
    pub(crate) fn empty() -> Self {
        Self::Container(Container::default())
    }

    /// The node that `value` describes, each leaf with the stamp.
    pub(crate) fn from_value(value: &Value, stamp: Stamp<'_>) -> Self {
        match value {
            Value::Object(object) => Self::from_object(object, stamp),
            leaf => Self::Leaf(Leaf::new(leaf.clone(), stamp)),
        }
    }

    /// The container that `object` describes, each leaf with the stamp.
    pub(crate) fn from_object(object: &Map<String, Value>, stamp: Stamp<'_>) -> Self {
        let mut container = Container::default();
        for (name, value) in object {
            // Two keys that differ in case only are one key; the later value wins.
            container.put(name, Arc::new(Self::from_value(value, stamp)));
        }
        Self::Container(container)
    }

    /// The plain value, keys in their stored casing.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Leaf(leaf) => leaf.value.clone(),
            Self::Container(container) => {
                let children = container.children.iter();
                Value::Object(
                    children
                        .map(|c| (c.name.to_string(), c.node.to_value()))
                        .collect::<Map<_, _>>(),
                )
            }
        }
    }

    /// When the node was last modified: a container is as new as its newest leaf, and one without
    /// leaves has no time, so that its creation never counts (ipc 4.4).
    pub(crate) fn modified(&self) -> Option<i64> {
        match self {
            Self::Leaf(leaf) => Some(leaf.modified),
            Self::Container(container) => {
                container.children.iter().filter_map(|child| child.node.modified()).max()
            }
        }
    }

    /// The node at `path` below this one.
    pub(crate) fn find<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, name| Some(&*node.as_container()?.child(name.as_ref())?.node))
    }

    /// The container that this node is, if it is one.
    pub(crate) fn as_container(&self) -> Option<&Container> {
        match self {
            Self::Leaf(_) => None,
            Self::Container(container) => Some(container),
        }
    }

    /// The casing in which the last segment of `path` is stored.
    pub(crate) fn stored_name<S: AsRef<str>>(&self, path: &[S]) -> Option<Arc<str>> {
        let (last, parents) = path.split_last()?;
        Some(self.find(parents)?.as_container()?.child(last.as_ref())?.name.clone())
    }

    /// The container that this node is; a leaf is replaced by an empty one.
    pub(crate) fn make_container(&mut self) -> &mut Container {
        match self {
            Self::Container(container) => container,
            leaf => {
                *leaf = Self::empty();
                leaf.make_container()
            }
        }
    }
}

/// The node at `path` below `root`, for changing. Missing containers are created and leaves on the
/// way are replaced by containers; a missing last segment becomes an empty container.
pub(crate) fn open<'a, S: AsRef<str>>(root: &'a mut Arc<Node>, path: &[S]) -> &'a mut Arc<Node> {
    path.iter().fold(root, |node, name| {
        Arc::make_mut(node).make_container().entry(name.as_ref(), Node::empty)
    })
}

/// Removes the node at `path`; the root is emptied. Says whether there was one.
pub(crate) fn remove<S: AsRef<str>>(root: &mut Arc<Node>, path: &[S]) -> bool {
    if root.find(path).is_none() {
        return false;
    }
    match path.split_last() {
        None => *root = Arc::default(),
        Some((last, parents)) => {
            Arc::make_mut(open(root, parents)).make_container().take(last.as_ref());
        }
    }
    true
}
