//! Fills in the `{…}` variables of a lifecycle or a configuration
//! (recipes and deployments, A6, with its recommendations).
//!
//! One pass from left to right over the text as it was written: what was filled in is never
//! looked at again. What cannot be filled in stays as it is and is told to the caller, because
//! shell text such as `${FOO:-x}` looks the same.

mod placeholder;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use placeholder::Placeholder;

/// What a component's variables stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Its resolved configuration.
    pub configuration: Value,
    /// `{artifacts:path}`.
    pub artifacts: PathBuf,
    /// `{artifacts:decompressedPath}`.
    pub unarchived: PathBuf,
    /// `{work:path}`.
    pub work: PathBuf,
}

/// What the variables of one component's texts may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The component itself.
    pub own: &'a Facts,
    /// Its direct dependencies that are part of the deployment; no others may be referred to.
    pub dependencies: &'a BTreeMap<&'a str, &'a Facts>,
    /// `{kernel:rootPath}`.
    pub root: &'a str,
    /// `{iot:thingName}`.
    pub thing_name: &'a str,
    /// Which variables are filled in.
    pub variables: Variables,
}

/// Which variables are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variables {
    /// All: in lifecycles.
    All,
    /// All but `configuration`: in configurations, where the owner asked for it.
    SystemOnly,
}

/// A variable that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// Its text, with the braces.
    pub placeholder: String,
    /// Why.
    pub reason: &'static str,
}

/// `value` with the variables in all its texts filled in, keys excepted, and what stays.
pub fn interpolate(value: &Value, scope: &Scope<'_>) -> (Value, Vec<Unresolved>) {
    let mut unresolved = Vec::new();
    let filled = fill(value, scope, &mut unresolved);
    (filled, unresolved)
}

fn fill(value: &Value, scope: &Scope<'_>, unresolved: &mut Vec<Unresolved>) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, scope, unresolved)),
        Value::Array(items) => items.iter().map(|item| fill(item, scope, unresolved)).collect(),
        Value::Object(map) => Value::Object(
            map.iter().map(|(k, v)| (k.clone(), fill(v, scope, unresolved))).collect(),
        ),
        other => other.clone(),
    }
}

fn fill_text(text: &str, scope: &Scope<'_>, unresolved: &mut Vec<Unresolved>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, candidate) = rest.split_at(start);
        filled.push_str(before);
        let Some(placeholder) = Placeholder::at_start_of(candidate) else {
            filled.push('{');
            rest = &candidate[1..];
            continue;
        };
        match scope.value_of(&placeholder) {
            Ok(value) => filled.push_str(&value),
            Err(reason) => {
                filled.push_str(placeholder.text);
                let placeholder = placeholder.text.to_owned();
                unresolved.push(Unresolved { placeholder, reason });
            }
        }
        rest = &candidate[placeholder.text.len()..];
    }
    filled.push_str(rest);
    filled
}

impl Scope<'_> {
    fn value_of(&self, placeholder: &Placeholder<'_>) -> Result<String, &'static str> {
        let facts = match placeholder.component {
            None => self.own,
            Some(name) => *self
                .dependencies
                .get(name)
                .ok_or("it names a component that is no direct dependency of this one")?,
        };
        match (placeholder.namespace, placeholder.key) {
            ("artifacts", "path") => Ok(facts.artifacts.display().to_string()),
            ("artifacts", "decompressedPath") => Ok(facts.unarchived.display().to_string()),
            ("work", "path") => Ok(facts.work.display().to_string()),
            ("kernel", "rootPath") => Ok(self.root.to_owned()),
            ("iot", "thingName") => Ok(self.thing_name.to_owned()),
            ("configuration", _) if self.variables == Variables::SystemOnly => {
                Err("configuration is not filled into configuration")
            }
            ("configuration", pointer) => facts
                .configuration
                .pointer(pointer)
                .map(text_of)
                .ok_or("the configuration has nothing at this JSON pointer"),
            _ => Err("there is no such variable"),
        }
    }
}

/// A scalar as its text, the rest as compact JSON with sorted keys.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => sorted(other).to_string(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(map) => {
            let ordered: BTreeMap<&String, Value> =
                map.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
