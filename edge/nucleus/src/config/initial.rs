//! The first configuration: Greengrass's `config.yaml`, or the file that `--init-config` names.
//!
//! The nucleus's own keys are checked by name and type, so that a slip of the pen is an error with
//! a remedy and not a device that never connects. What other components have in the file is
//! theirs and taken as it is.

mod limits;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};

use super::Origin;
use super::rules::{CONFIGURATION, NUCLEUS_COMPONENT, SERVICES};
use super::tree::compare_names;
pub use limits::warn_of_settings;
use schema::UnknownKeys;

/// The name of the nucleus in configuration files of nucleus-lite.
const NUCLEUS_LITE: &str = "aws.greengrass.NucleusLite";

/// A checked configuration file.
#[derive(Debug, Clone, PartialEq)]
pub struct InitialConfig {
    /// Its content: an object with `system` and `services`.
    pub(super) value: Value,
    /// When the file was last edited, in milliseconds since the epoch.
    pub(super) modified_ms: i64,
    /// The file.
    pub(super) origin: Arc<Origin>,
}

/// Why a configuration file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ReadInitialConfig {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{} is not valid YAML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A key or a value is not what the nucleus knows.
    #[error("{}: {problem}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The key, its value and the remedy.
        problem: SchemaProblem,
    },
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaProblem {
    /// No such key.
    #[error("unknown key `{key}` (value {value}); known here: {known}")]
    UnknownKey {
        /// The full path, segments joined by `.`.
        key: String,
        /// The value as JSON.
        value: String,
        /// The keys that are possible instead.
        known: String,
    },
    /// The value has the wrong type.
    #[error("`{key}` is {value}; give it {expected}")]
    WrongType {
        /// The full path, segments joined by `.`.
        key: String,
        /// The value as JSON.
        value: String,
        /// What the key takes.
        expected: &'static str,
    },
}

impl InitialConfig {
    /// Its content.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Reads and checks the YAML file at `path`.
    pub fn read(path: &Path) -> Result<Self, ReadInitialConfig> {
        let failed = |source| ReadInitialConfig::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let modified = std::fs::metadata(path).and_then(|data| data.modified()).map_err(failed)?;
        let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let value = parse(&text).map_err(|error| error.in_file(path))?;
        let modified_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let origin = Arc::new(Origin::File { path: path.display().to_string() });
        Ok(Self { value, modified_ms, origin })
    }
}

/// Reads the file at `path`, unless there is none.
pub(super) fn read_if_present(path: &Path) -> Result<Option<InitialConfig>, ReadInitialConfig> {
    match InitialConfig::read(path) {
        Ok(config) => Ok(Some(config)),
        Err(ReadInitialConfig::Read { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[derive(Debug)]
enum ParseInitial {
    Syntax(serde_saphyr::Error),
    Schema(SchemaProblem),
}

impl ParseInitial {
    fn in_file(self, path: &Path) -> ReadInitialConfig {
        let path = path.to_owned();
        match self {
            Self::Syntax(source) => ReadInitialConfig::Syntax { path, source: Box::new(source) },
            Self::Schema(problem) => ReadInitialConfig::Schema { path, problem },
        }
    }
}

fn parse(text: &str) -> Result<Value, ParseInitial> {
    let document = serde_saphyr::from_str(text).map_err(ParseInitial::Syntax)?;
    check(document).map_err(ParseInitial::Schema)
}

/// Checks the whole document; an empty one is an empty configuration.
fn check(document: Value) -> Result<Value, SchemaProblem> {
    let mut roots = object(document, "")?;
    for (name, root) in &mut roots {
        if compare_names(name, "system").is_eq() {
            schema::check(root, name, schema::SYSTEM, UnknownKeys::Refused)?;
        } else if compare_names(name, SERVICES).is_eq() {
            *root = Value::Object(check_services(root.take(), name)?);
        } else {
            return Err(unknown(name, root, "system, services"));
        }
    }
    Ok(Value::Object(roots))
}

fn check_services(services: Value, at: &str) -> Result<Map<String, Value>, SchemaProblem> {
    let mut checked = Map::new();
    for (name, service) in object(services, at)? {
        let at = format!("{at}.{name}");
        let service = object(service, &at)?;
        let is_nucleus = [NUCLEUS_COMPONENT, NUCLEUS_LITE]
            .iter()
            .any(|nucleus| compare_names(nucleus, &name).is_eq());
        for (key, value) in &service {
            if is_nucleus && compare_names(key, CONFIGURATION).is_eq() {
                let at = format!("{at}.{key}");
                schema::check(value, &at, schema::NUCLEUS, UnknownKeys::Logged)?;
            }
        }
        let name = if is_nucleus { NUCLEUS_COMPONENT.to_owned() } else { name };
        checked.insert(name, Value::Object(service));
    }
    Ok(checked)
}

/// The object that `value` is; nothing at all is an empty one.
fn object(value: Value, at: &str) -> Result<Map<String, Value>, SchemaProblem> {
    match value {
        Value::Object(object) => Ok(object),
        Value::Null => Ok(Map::new()),
        other => Err(SchemaProblem::WrongType {
            key: if at.is_empty() { "the document".to_owned() } else { at.to_owned() },
            value: other.to_string(),
            expected: "a map of keys",
        }),
    }
}

fn unknown(key: &str, value: &Value, known: &str) -> SchemaProblem {
    SchemaProblem::UnknownKey {
        key: key.to_owned(),
        value: value.to_string(),
        known: known.to_owned(),
    }
}

#[cfg(test)]
mod tests;
