//! The `Condition` member: `{operator: {key: value or values}}`, all of which must hold.

use serde_json::Value;

use super::Pattern;
use super::variable::{Variable, Variables};
use crate::document::{ParsePolicy, members, one_or_many};
use crate::pattern::Variable as _;

/// One key of one operator: it holds when any of its values does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    key: Variable,
    values: Vec<Pattern>,
}

impl Condition {
    /// Reads a statement's `Condition`, whose place in the document is `path`.
    ///
    /// An unknown operator or key is refused rather than never matched: in a Deny it would
    /// silently open what its author wanted closed.
    pub(super) fn parse_all(value: &Value, path: &str) -> Result<Vec<Self>, ParsePolicy> {
        let mut conditions = Vec::new();
        for (operator, keys) in members(value, path)? {
            let path = format!("{path}.{operator}");
            let parse: fn(&Value, &str) -> Result<Pattern, ParsePolicy> = match operator.as_str() {
                "StringEquals" => literal,
                "StringLike" => like,
                "Bool" => boolean,
                _ => {
                    return Err(ParsePolicy::field(
                        &path,
                        "is not supported: use StringEquals, StringLike or Bool",
                    ));
                }
            };
            for (key, value) in members(keys, &path)? {
                conditions.push(Self::parse(key, value, &format!("{path}.{key}"), parse)?);
            }
        }
        Ok(conditions)
    }

    fn parse(
        key: &str,
        value: &Value,
        path: &str,
        parse: fn(&Value, &str) -> Result<Pattern, ParsePolicy>,
    ) -> Result<Self, ParsePolicy> {
        let key = match Variable::named(key) {
            Variable::Unknown => {
                return Err(ParsePolicy::field(
                    path,
                    "is not a known condition key: use iot:ClientId, iot:CertificateId, \
                     iot:Certificate.Subject.CommonName, iot:Connection.Thing.ThingName, \
                     iot:Connection.Thing.Attributes[name] or iot:Connection.Thing.IsAttached",
                ));
            }
            known => known,
        };
        let mut values = Vec::new();
        for value in one_or_many(value) {
            values.push(parse(value, path)?);
        }
        if values.is_empty() {
            return Err(ParsePolicy::field(path, "needs at least one value"));
        }
        Ok(Self { key, values })
    }

    /// Whether the condition holds; a key without a value holds nothing.
    pub(super) fn holds(&self, variables: &Variables<'_>) -> bool {
        self.key
            .resolve(variables)
            .is_some_and(|actual| self.values.iter().any(|value| value.matches(actual, variables)))
    }

    /// Whether every variable in the values has a value.
    pub(super) fn resolves(&self, variables: &Variables<'_>) -> bool {
        self.values.iter().all(|value| value.resolves(variables))
    }
}

fn text<'v>(value: &'v Value, path: &str) -> Result<&'v str, ParsePolicy> {
    value.as_str().ok_or_else(|| ParsePolicy::field(path, "must be a string or a list of strings"))
}

fn literal(value: &Value, path: &str) -> Result<Pattern, ParsePolicy> {
    Pattern::without_wildcards(text(value, path)?)
        .map_err(|source| ParsePolicy::field(path, source.to_string()))
}

fn like(value: &Value, path: &str) -> Result<Pattern, ParsePolicy> {
    Pattern::parse(text(value, path)?)
        .map_err(|source| ParsePolicy::field(path, source.to_string()))
}

fn boolean(value: &Value, path: &str) -> Result<Pattern, ParsePolicy> {
    let text = match value {
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::String(text) if text == "true" || text == "false" => text,
        _ => return Err(ParsePolicy::field(path, "must be \"true\" or \"false\"")),
    };
    literal(&Value::from(text), path)
}
