//! One step of a lifecycle.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::fields::brief;

/// One step: a script and how to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The command text for the shell; `None` if it is blank, which is done at once.
    pub script: Option<String>,
    /// Whether it runs as the privileged user.
    pub requires_privilege: bool,
    /// When there is nothing to do.
    pub skip_if: Option<SkipIf>,
    /// How long it may take; `None` is the step's default.
    pub timeout: Option<Duration>,
    /// Variables of this step, over those of the lifecycle.
    pub setenv: BTreeMap<String, String>,
    /// Whether a rollback runs it again; of bootstrap only.
    pub bootstrap_on_rollback: bool,
}

/// When a step has nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipIf {
    /// Whether the condition is turned round.
    pub negated: bool,
    /// What is asked.
    pub condition: Condition,
}

/// What a step's `Skipif` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Whether a program is found on the nucleus's PATH, or is an executable file.
    OnPath(String),
    /// Whether a file exists; it may begin with `~/`, `~root/`, `~config/` or `~packages/`.
    Exists(String),
}

/// Why a step cannot run: the reason of a `*_CONFIG_NOT_VALID`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigNotValid {
    /// Neither a script nor a map.
    #[error("the step is {0}: write a script, or a map with `Script`")]
    Kind(String),
    /// A map without a script.
    #[error("the step has no `Script`: add it, or remove the step")]
    NoScript,
    /// A field that is wrong.
    #[error("`{field}` of the step is {value}: {remedy}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What to write.
        remedy: &'static str,
    },
}

impl Step {
    pub(super) fn parse(value: &Value) -> Result<Self, ConfigNotValid> {
        match value {
            Value::String(script) => Ok(Self::of_script(script)),
            Value::Object(map) => Self::parse_map(map),
            other => Err(ConfigNotValid::Kind(brief(other))),
        }
    }

    fn of_script(script: &str) -> Self {
        Self {
            script: Some(script.to_owned()).filter(|script| !script.trim().is_empty()),
            requires_privilege: false,
            skip_if: None,
            timeout: None,
            setenv: BTreeMap::new(),
            bootstrap_on_rollback: false,
        }
    }

    fn parse_map(map: &Map<String, Value>) -> Result<Self, ConfigNotValid> {
        let script = get(map, "Script").ok_or(ConfigNotValid::NoScript)?;
        let script = scalar_text(script)
            .ok_or_else(|| not_valid("Script", script, "write the text of a command"))?;
        let mut step = Self::of_script(&script);
        if let Some(value) = get(map, "RequiresPrivilege") {
            step.requires_privilege = is_true(value);
        }
        if let Some(value) = get(map, "BootstrapOnRollback") {
            step.bootstrap_on_rollback = is_true(value);
        }
        if let Some(value) = get(map, "Skipif") {
            let skip_if = value.as_str().and_then(SkipIf::parse);
            step.skip_if = Some(skip_if.ok_or_else(|| {
                not_valid("Skipif", value, "write `onpath PROGRAM` or `exists FILE`")
            })?);
        }
        if let Some(value) = get(map, "Timeout") {
            let timeout = seconds(value);
            step.timeout =
                Some(timeout.ok_or_else(|| not_valid("Timeout", value, "write whole seconds"))?);
        }
        if let Some(value) = get(map, "Setenv") {
            let names = "write a map of names to values";
            step.setenv = environment(value).ok_or_else(|| not_valid("Setenv", value, names))?;
        }
        Ok(step)
    }
}

impl SkipIf {
    /// `[!] (exists|onpath) WHAT`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        let (verb, what) = rest.split_once(' ')?;
        let what = what.trim_start_matches(' ');
        if what.is_empty() {
            return None;
        }
        let condition = match verb {
            "onpath" => Condition::OnPath(what.to_owned()),
            "exists" => Condition::Exists(what.to_owned()),
            _ => return None,
        };
        Some(Self { negated, condition })
    }
}

fn not_valid(field: &'static str, value: &Value, remedy: &'static str) -> ConfigNotValid {
    ConfigNotValid::Field { field, value: brief(value), remedy }
}

/// A key in any case; of several spellings the last; `null` counts as absent.
fn get<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = map.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What the nucleus takes for true, in any case.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|n| n != 0.0),
        Value::String(text) => ["true", "yes", "on", "t", "y"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text.trim())),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// A number of seconds, as a number or as digits; fractions are dropped.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds.trunc()).ok()
}

/// Variables; what is no text is written as JSON would, and `null` is left out.
pub(super) fn environment(value: &Value) -> Option<BTreeMap<String, String>> {
    let variables = value.as_object()?.iter().filter(|(_, value)| !value.is_null());
    let text = |value: &Value| scalar_text(value).unwrap_or_else(|| value.to_string());
    Some(variables.map(|(name, value)| (name.clone(), text(value))).collect())
}
