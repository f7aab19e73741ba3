//! `effectiveConfig.yaml`: the configuration for people to read, rewritten whole.
//!
//! Only `services` and `system`, keys that begin with `_` left out (C1.1). Nothing reads it back.

use std::path::Path;

use marram_os::file::{WriteFile, write_atomically};
use serde_json::{Map, Value};

use super::tree::Node;

/// The roots that people see.
const ROOTS: [&str; 2] = ["services", "system"];

/// Why the file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteEffectiveConfig {
    /// A value has no form in YAML.
    #[error("the configuration has no form in YAML")]
    Encode(#[source] serde_saphyr::ser::Error),
    /// The file could not be replaced.
    #[error(transparent)]
    Write(#[from] WriteFile),
}

/// Replaces the file at `path` by the configuration in `root`.
pub(crate) fn write(path: &Path, root: &Node) -> Result<(), WriteEffectiveConfig> {
    let mut document = Map::new();
    for name in ROOTS {
        if let Some(node) = root.find(&[name]) {
            document.insert(name.to_owned(), without_private_keys(node.to_value()));
        }
    }
    let text = serde_saphyr::to_string(&document).map_err(WriteEffectiveConfig::Encode)?;
    Ok(write_atomically(path, text.as_bytes(), 0o600)?)
}

/// The value without the keys that begin with `_`, at every depth of objects.
pub fn without_private_keys(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .filter(|(name, _)| !name.starts_with('_'))
                .map(|(name, value)| (name, without_private_keys(value)))
                .collect(),
        ),
        leaf => leaf,
    }
}
