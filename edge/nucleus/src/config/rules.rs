//! How values enter the tree: merge, defaults, replace and the update of one component.
//!
//! Source: recipes-and-deployments B6 (`nucleus: componentmanager/KernelConfigResolver.java,
//! config/Topics.java`), with the choices recommended there.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::origin::{Origin, Stamp};
use super::tree::{self, Leaf, Node, compare_names};

/// The root under which every component and service has its subtree.
pub(crate) const SERVICES: &str = "services";

/// The key of a component's configuration in its subtree.
pub(crate) const CONFIGURATION: &str = "configuration";

/// The component whose configuration is the nucleus's.
pub(crate) const NUCLEUS_COMPONENT: &str = "aws.greengrass.Nucleus";

/// Services that no deployment brings or removes (C2, "Always-present services").
const BUILTIN_SERVICES: [&str; 4] =
    ["DeploymentService", "FleetStatusService", "TelemetryAgent", "UpdateSystemPolicyService"];

/// Parts of a component's subtree that a new version and a rollback leave as they are.
const KEPT_BY_COMPONENTS: [&str; 2] = ["runtime", "_private"];

/// Keys of the nucleus without which the device loses its cloud.
const CONNECTION_KEYS: [&str; 6] = [
    "awsRegion",
    "iotRoleAlias",
    "iotDataEndpoint",
    "iotCredEndpoint",
    "greengrassDataPlaneEndpoint",
    "greengrassDataPlanePort",
];

/// Values with this timestamp or an older one are a recipe's defaults: anything replaces them.
const DEFAULTS_TIMESTAMP: i64 = 1;

/// Merges `value` leaf by leaf: objects recursively, everything else replaces.
///
/// A leaf gives way to a value that is as new as itself or newer; nodes of different kinds replace
/// each other whatever the timestamps. `null` is a value, not a deletion.
pub(crate) fn merge(node: &mut Arc<Node>, value: &Value, stamp: Stamp<'_>) {
    let timestamp = stamp.modified;
    match (&**node, value) {
        (_, Value::Object(object)) => merge_object(node, object, stamp),
        (Node::Leaf(old), new) => {
            if timestamp >= old.modified && (timestamp != old.modified || old.value != *new) {
                *node = Arc::new(Node::Leaf(Leaf::new(new.clone(), stamp)));
            }
        }
        (Node::Container(_), new) => *node = Arc::new(Node::from_value(new, stamp)),
    }
}

/// [`merge`] for a value known to be an object.
pub(crate) fn merge_object(node: &mut Arc<Node>, object: &Map<String, Value>, stamp: Stamp<'_>) {
    if node.as_container().is_none() {
        *node = Arc::new(Node::from_object(object, stamp));
        return;
    }
    for (name, value) in object {
        merge_child(node, name, value, stamp, merge);
    }
}

/// Fills what is missing, or still a default, from a recipe's DefaultConfiguration. A node of
/// another kind stays: it is what somebody merged on purpose.
pub(crate) fn fill_defaults(node: &mut Arc<Node>, defaults: &Value, recipe: Option<&Arc<Origin>>) {
    let stamp = Stamp { modified: DEFAULTS_TIMESTAMP, origin: recipe };
    match (&**node, defaults) {
        (Node::Container(_), Value::Object(object)) => {
            for (name, value) in object {
                merge_child(node, name, value, stamp, |child, value, _| {
                    fill_defaults(child, value, recipe);
                });
            }
        }
        (Node::Leaf(old), new) if !new.is_object() && old.modified <= DEFAULTS_TIMESTAMP => {
            *node = Arc::new(Node::from_value(new, stamp));
        }
        _ => {}
    }
}

fn merge_child(
    node: &mut Arc<Node>,
    name: &str,
    value: &Value,
    stamp: Stamp<'_>,
    merge: impl FnOnce(&mut Arc<Node>, &Value, Stamp<'_>),
) {
    let container = Arc::make_mut(node).make_container();
    match container.child_mut(name) {
        Some(child) => merge(child, value, stamp),
        None => container.put(name, Arc::new(Node::from_value(value, stamp))),
    }
}

/// Makes the node what `value` says: like [`merge`], and children that `value` lacks are removed
/// whatever their timestamps. Leaves newer than the stamp keep their value.
pub(crate) fn replace(node: &mut Arc<Node>, value: &Value, stamp: Stamp<'_>) {
    let (Node::Container(_), Value::Object(object)) = (&**node, value) else {
        return merge(node, value, stamp);
    };
    let container = Arc::make_mut(node).make_container();
    container.retain(|name| object.keys().any(|key| compare_names(key, name).is_eq()));
    for (name, value) in object {
        merge_child(node, name, value, stamp, replace);
    }
}

/// A pointer of a RESET list that is no JSON pointer. The deployment's detailed status for it is
/// COMPONENT_CONFIGURATION_NOT_VALID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the configuration update of {component} resets `{pointer}`, which is no JSON pointer: use `\"\"` \
     for everything or a pointer that begins with `/`"
)]
pub struct ResolveConfiguration {
    /// The component whose update names the pointer.
    pub component: String,
    /// The pointer as the document has it.
    pub pointer: String,
}

/// Where the parts of a configuration that a deployment makes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// What the recipe's defaults are stamped with.
    pub recipe: Arc<Origin>,
    /// What the document's update is stamped with.
    pub deployment: Arc<Origin>,
}

/// What one component's configuration becomes by a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedConfig {
    /// The whole configuration.
    pub value: Value,
    /// The same with the origin of each leaf, before variables were filled in.
    made_of: Arc<Node>,
    /// What the document resets: there, no older timestamp protects a value of the component's own.
    resets: Vec<Vec<String>>,
}

/// B6.1: running configuration, RESET, the recipe's defaults, MERGE; `running` stays as it is.
pub(crate) fn resolve_component(
    running: Option<&Node>,
    component: &str,
    defaults: &Value,
    reset: &[String],
    update: Option<(&Map<String, Value>, i64)>,
    sources: &Sources,
) -> Result<ResolvedConfig, ResolveConfiguration> {
    let mut node = Arc::new(running.cloned().unwrap_or_default());
    let resets = reset_paths(&node, component, reset)?;
    for path in &resets {
        tree::remove(&mut node, path);
    }
    fill_defaults(&mut node, defaults, Some(&sources.recipe));
    if let Some((update, modified)) = update {
        merge_object(&mut node, update, Stamp { modified, origin: Some(&sources.deployment) });
    }
    Ok(ResolvedConfig { value: node.to_value(), made_of: node, resets })
}

/// Writes a resolved configuration over the running one (B6.3): every leaf gets the merge
/// timestamp, and those that the component wrote later, and that no RESET names, keep theirs.
pub(crate) fn write_configuration(
    running: &mut Arc<Node>,
    resolved: &ResolvedConfig,
    merge_timestamp: i64,
) {
    for path in &resolved.resets {
        tree::remove(running, path);
    }
    replace(running, &resolved.value, Stamp { modified: merge_timestamp, origin: None });
    adopt_origins(running, &resolved.made_of, merge_timestamp);
}

/// Gives each leaf that is not newer than `until` the origin that it has in `made_of`.
fn adopt_origins(node: &mut Arc<Node>, made_of: &Node, until: i64) {
    match (Arc::make_mut(node), made_of) {
        (Node::Leaf(leaf), Node::Leaf(made_of)) if leaf.modified <= until => {
            leaf.origin.clone_from(&made_of.origin);
        }
        (Node::Container(container), Node::Container(made_of)) => {
            for child in made_of.children() {
                if let Some(node) = container.child_mut(&child.name) {
                    adopt_origins(node, &child.node, until);
                }
            }
        }
        _ => {}
    }
}

/// The paths that RESET removes: the connection keys of the nucleus are never among them, because
/// their defaults are empty and no later deployment would reach the device (C3).
fn reset_paths(
    running: &Node,
    component: &str,
    reset: &[String],
) -> Result<Vec<Vec<String>>, ResolveConfiguration> {
    let keeps = |path: &[String]| {
        component.eq_ignore_ascii_case(NUCLEUS_COMPONENT)
            && matches!(path, [key] if CONNECTION_KEYS.iter().any(|k| compare_names(k, key).is_eq()))
    };
    let mut paths = Vec::new();
    for pointer in reset {
        if pointer.is_empty() {
            let Node::Container(container) = running else { continue };
            let everything = container.children().iter().map(|child| vec![child.name.to_string()]);
            return Ok(everything.filter(|path| !keeps(path)).collect());
        }
        let path = parse_pointer(pointer).ok_or_else(|| ResolveConfiguration {
            component: component.to_owned(),
            pointer: pointer.clone(),
        })?;
        if keeps(&path) {
            tracing::warn!(pointer, "a connection key of the nucleus is not reset");
        } else {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The segments of an RFC 6901 pointer that is not empty.
fn parse_pointer(pointer: &str) -> Option<Vec<String>> {
    let segments = pointer.strip_prefix('/')?.split('/');
    Some(segments.map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect())
}

/// The tree after a rollback (B5.8.5, B6.3): components are as `snapshot` has them, timestamps
/// included; what they keep through deployments, the nucleus's own services and every other root
/// stay as they are now.
pub(crate) fn restore(live: &Arc<Node>, snapshot: &Node) -> Arc<Node> {
    let services_of = |root: &Node| {
        root.find(&[SERVICES]).and_then(Node::as_container).cloned().unwrap_or_default()
    };
    let (now, then) = (services_of(live), services_of(snapshot));
    let mut restored = live.clone();
    let services = Arc::make_mut(tree::open(&mut restored, &[SERVICES])).make_container();
    services.retain(|name| is_builtin_service(name) || then.child(name).is_some());
    for child in then.children().iter().filter(|child| !is_builtin_service(&child.name)) {
        let mut service = child.node.clone();
        if let Some(live) = now.child(&child.name) {
            keep_runtime(&mut service, &live.node);
        }
        services.put(&child.name, service);
    }
    restored
}

fn keep_runtime(service: &mut Arc<Node>, live: &Node) {
    for key in KEPT_BY_COMPONENTS {
        tree::remove(service, &[key]);
        if let Some(kept) = live.find(&[key]) {
            *tree::open(service, &[key]) = Arc::new(kept.clone());
        }
    }
}

/// Whether `services.<name>` belongs to the nucleus itself, so that deployments and rollbacks leave
/// it alone.
pub fn is_builtin_service(name: &str) -> bool {
    BUILTIN_SERVICES.iter().any(|builtin| compare_names(builtin, name).is_eq())
}
