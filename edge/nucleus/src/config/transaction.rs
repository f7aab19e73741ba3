//! One change of the configuration: any number of steps that happen together.

use std::sync::Arc;

use serde_json::Value;

use super::component_update::{ComponentUpdate, UpdateConfiguration};
use super::error::ChangeConfig;
use super::origin::{Origin, Stamp};
use super::rules::{self, ResolvedConfig};
use super::tree::{self, Node};
use super::{ConfigSnapshot, SnapshotRoot};

/// Levels of nesting below the root: with them a journal record stays within what the JSON reader
/// takes, 128.
const MAX_DEPTH: usize = 100;

/// The working copy of a change. Reads see what was done so far.
#[derive(Debug)]
pub struct Transaction {
    root: Arc<Node>,
}

impl Transaction {
    pub(super) fn new(root: Arc<Node>) -> Self {
        Self { root }
    }

    pub(super) fn into_root(self) -> Arc<Node> {
        self.root
    }

    /// The value at `path`, keys in stored casing.
    pub fn get(&self, path: &[&str]) -> Option<Value> {
        Some(self.root.find(path)?.to_value())
    }

    /// Merges `value` into the node at `path`: objects recursively, everything else replaces. A
    /// leaf newer than `timestamp` (milliseconds since the epoch) stays; a node of another kind
    /// gives way whatever its timestamp (B6.2).
    pub fn merge(
        &mut self,
        path: &[&str],
        value: &Value,
        timestamp: i64,
    ) -> Result<(), ChangeConfig> {
        self.merge_from(None, path, value, timestamp)
    }

    /// [`Self::merge`] of something that people will want to know the origin of.
    pub fn merge_from(
        &mut self,
        origin: Option<&Arc<Origin>>,
        path: &[&str],
        value: &Value,
        timestamp: i64,
    ) -> Result<(), ChangeConfig> {
        check_depth(path, value)?;
        let stamp = Stamp { modified: timestamp, origin };
        rules::merge(tree::open(&mut self.root, path), value, stamp);
        Ok(())
    }

    /// Makes the node at `path` what `value` says: as [`Self::merge`], and children that `value`
    /// lacks are removed (B6.3).
    pub fn replace(
        &mut self,
        path: &[&str],
        value: &Value,
        timestamp: i64,
    ) -> Result<(), ChangeConfig> {
        check_depth(path, value)?;
        let stamp = Stamp { modified: timestamp, origin: None };
        rules::replace(tree::open(&mut self.root, path), value, stamp);
        Ok(())
    }

    /// Removes the node at `path`, if there is one.
    pub fn remove(&mut self, path: &[&str]) {
        tree::remove(&mut self.root, path);
    }

    /// Writes what [`super::ConfigStore::resolve_component`] found: every leaf gets
    /// `merge_timestamp`, and one that the component has written later keeps its own, unless the
    /// document resets it.
    pub fn write_configuration(
        &mut self,
        component: &str,
        resolved: &ResolvedConfig,
        merge_timestamp: i64,
    ) -> Result<(), ChangeConfig> {
        let path = [rules::SERVICES, component, rules::CONFIGURATION];
        check_depth(&path, &resolved.value)?;
        let running = tree::open(&mut self.root, &path);
        rules::write_configuration(running, resolved, merge_timestamp);
        Ok(())
    }

    /// Goes back to `snapshot` as a rollback does: components are as they were, timestamps
    /// included; their `runtime` and `_private` parts, the nucleus's own services and every root
    /// but `services` stay as they are.
    pub fn restore(&mut self, snapshot: &ConfigSnapshot) {
        let SnapshotRoot(then) = &snapshot.root;
        self.root = rules::restore(&self.root, then);
    }

    /// The outer error undoes everything; the inner one keeps what was written.
    pub(super) fn update_component(
        &mut self,
        update: &ComponentUpdate<'_>,
    ) -> Result<Result<(), UpdateConfiguration>, ChangeConfig> {
        let service = [rules::SERVICES, update.component];
        if self.root.find(&service).is_none() {
            return Ok(Err(UpdateConfiguration::UnknownComponent {
                component: update.component.to_owned(),
            }));
        }
        let path = [rules::SERVICES, update.component, rules::CONFIGURATION];
        let levels = path.len() + update.key_path.len();
        check_levels(levels, update.value.values(), || update.key_path.join("."))?;
        Ok(update.write(tree::open(&mut self.root, &path)))
    }
}

fn check_depth(path: &[&str], value: &Value) -> Result<(), ChangeConfig> {
    check_levels(path.len(), std::iter::once(value), || path.join("."))
}

fn check_levels<'a>(
    above: usize,
    mut values: impl Iterator<Item = &'a Value>,
    path: impl FnOnce() -> String,
) -> Result<(), ChangeConfig> {
    let limit = MAX_DEPTH.saturating_sub(above);
    if values.any(|value| !fits(value, limit)) {
        return Err(ChangeConfig::TooDeep { path: path(), limit: MAX_DEPTH });
    }
    Ok(())
}

/// Whether `value` has at most so many levels below itself.
fn fits(value: &Value, levels: usize) -> bool {
    let below = |value| levels > 0 && fits(value, levels - 1);
    match value {
        Value::Array(list) => list.iter().all(below),
        Value::Object(object) => object.values().all(below),
        _ => true,
    }
}
