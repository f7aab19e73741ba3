//! Reads typed objects out of a recipe's tree: names in any case, every problem collected.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::problem::Problem;

/// Collects what is wrong, so that an author sees all of it at once.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// Unknown fields are problems, not warnings.
    pub(crate) is_strict: bool,
}

impl Report {
    pub(crate) fn problem(
        &mut self,
        field: &str,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let field = field.to_owned();
        self.problems.push(Problem { field, reason: reason.into(), remedy: remedy.into() });
    }

    fn unknown(&mut self, field: String, known: &[&str]) {
        let problem = Problem {
            field,
            reason: "is not a field of recipes".to_owned(),
            remedy: format!("remove it, or use one of {}", known.join(", ")),
        };
        if self.is_strict {
            self.problems.push(problem);
        } else {
            self.warnings.push(problem);
        }
    }
}

/// The fields of one object, by lower-case name; of names that differ only in case the last wins.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    by_name: BTreeMap<String, &'a Value>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, all of which must be among `known`. Reports what is no object.
    pub(crate) fn read(
        report: &mut Report,
        path: &str,
        value: &'a Value,
        known: &[&str],
    ) -> Option<Self> {
        let Value::Object(map) = value else {
            report.problem(path, format!("is {}", brief(value)), "write an object with fields");
            return None;
        };
        let mut by_name = BTreeMap::new();
        for (name, value) in map {
            if known.iter().any(|k| k.eq_ignore_ascii_case(name)) {
                by_name.insert(name.to_ascii_lowercase(), value);
            } else {
                report.unknown(join_path(path, name), known);
            }
        }
        Some(Self { path: path.to_owned(), by_name })
    }

    /// The path of one of the fields.
    pub(crate) fn path_of(&self, name: &str) -> String {
        join_path(&self.path, name)
    }

    /// A field; `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.by_name.get(&name.to_ascii_lowercase()).copied().filter(|value| !value.is_null())
    }

    /// A text that may be absent.
    pub(crate) fn text(&self, report: &mut Report, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Value::String(text) => Some(text),
            other => {
                let reason = format!("is {}", brief(other));
                report.problem(&self.path_of(name), reason, "write a text, in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, report: &mut Report, name: &str) -> Option<&'a str> {
        if self.get(name).is_none() {
            report.problem(&self.path_of(name), "is missing", "add it");
        }
        self.text(report, name)
    }

    /// A text that must be there and be of a type that checks itself.
    pub(crate) fn required<T>(&self, report: &mut Report, name: &str) -> Option<T>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let text = self.required_text(report, name)?;
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                report.problem(&self.path_of(name), format!("is `{text}`"), error.to_string());
                None
            }
        }
    }

    /// A word from a list, in any case; the first is used where the field is absent.
    pub(crate) fn word<T: Copy>(
        &self,
        report: &mut Report,
        name: &str,
        words: &[T],
        text_of: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(report, name)?;
        let found = words.iter().copied().find(|word| text_of(*word).eq_ignore_ascii_case(text));
        if found.is_none() {
            let expected: Vec<&str> = words.iter().map(|word| text_of(*word)).collect();
            let remedy = format!("use one of {}", expected.join(", "));
            report.problem(&self.path_of(name), format!("is `{text}`"), remedy);
        }
        found
    }

    /// An object that may be absent, which counts as empty.
    pub(crate) fn map(&self, report: &mut Report, name: &str) -> Map<String, Value> {
        match self.get(name) {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(other) => {
                let reason = format!("is {}", brief(other));
                report.problem(&self.path_of(name), reason, "write an object");
                Map::new()
            }
        }
    }

    /// A list that may be absent, which counts as empty, with the path of each item.
    pub(crate) fn list(&self, report: &mut Report, name: &str) -> Vec<(String, &'a Value)> {
        let path = self.path_of(name);
        match self.get(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)).collect()
            }
            Some(other) => {
                report.problem(&path, format!("is {}", brief(other)), "write a list");
                Vec::new()
            }
        }
    }
}

/// `parent.child`, or only the child at the top.
pub(crate) fn join_path(parent: &str, child: &str) -> String {
    if parent.is_empty() { child.to_owned() } else { format!("{parent}.{child}") }
}

/// A value in a few words, for messages.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{}`", text.chars().take(60).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
