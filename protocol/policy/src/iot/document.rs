//! Policy documents: reading them, and what one statement speaks of.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::condition::Condition;
use super::pattern::Pattern;
use super::variable::Variables;

/// A policy document, read and ready to be joined into a [`PolicySet`](super::PolicySet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    pub(super) statements: Vec<Arc<Statement>>,
}

/// Why a policy document is malformed (`MalformedPolicyException`).
#[derive(Debug, thiserror::Error)]
pub enum ParsePolicy {
    /// Not JSON.
    #[error("the policy document is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but not a policy.
    #[error("policy document: `{path}` {problem}")]
    Field {
        /// Where in the document, for example `Statement[0].Action`.
        path: String,
        /// What is wrong there, and what would be right.
        problem: String,
    },
}

impl ParsePolicy {
    pub(super) fn field(path: &str, problem: impl Into<String>) -> Self {
        Self::Field { path: path.to_owned(), problem: problem.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    actions: Vec<Pattern>,
    resources: Vec<Pattern>,
    conditions: Vec<Condition>,
}

impl PolicyDocument {
    /// Reads a document: `{Version?, Id?, Statement: {…} | [{…}, …]}`.
    ///
    /// # Errors
    /// Not JSON, a member that is missing, wrong or not supported; the error names its place.
    pub fn parse(text: &str) -> Result<Self, ParsePolicy> {
        let document: Value = serde_json::from_str(text).map_err(ParsePolicy::Json)?;
        let document = members(&document, "$")?;
        for (name, value) in document {
            match name.as_str() {
                "Version" => version(value)?,
                "Id" | "Statement" => {}
                _ => return Err(ParsePolicy::field(name, "is not a member of a policy")),
            }
        }
        let Some(statement) = document.get("Statement") else {
            return Err(ParsePolicy::field("Statement", "is missing"));
        };
        // The Java installer's role-alias policy has one statement without a list around it.
        let statements = match statement {
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(at, value)| Statement::parse(value, &format!("Statement[{at}]")))
                .collect::<Result<Vec<_>, _>>()?,
            single => vec![Statement::parse(single, "Statement")?],
        };
        if statements.is_empty() {
            return Err(ParsePolicy::field("Statement", "needs at least one statement"));
        }
        Ok(Self { statements: statements.into_iter().map(Arc::new).collect() })
    }
}

impl Statement {
    fn parse(value: &Value, path: &str) -> Result<Self, ParsePolicy> {
        let statement = members(value, path)?;
        for name in statement.keys() {
            let problem = match name.as_str() {
                "Sid" | "Effect" | "Action" | "Resource" | "Condition" => continue,
                "NotAction" | "NotResource" | "Principal" | "NotPrincipal" => {
                    "is not supported in IoT policies: list what is meant in Action and Resource"
                }
                _ => "is not a member of a statement",
            };
            return Err(ParsePolicy::field(&format!("{path}.{name}"), problem));
        }
        let effect = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => {
                let path = format!("{path}.Effect");
                return Err(ParsePolicy::field(&path, "must be \"Allow\" or \"Deny\""));
            }
        };
        Ok(Self {
            effect,
            actions: patterns(statement, path, "Action", action)?,
            resources: patterns(statement, path, "Resource", resource)?,
            conditions: match statement.get("Condition") {
                Some(value) => Condition::parse_all(value, &format!("{path}.Condition"))?,
                None => Vec::new(),
            },
        })
    }

    /// Whether the statement speaks of `action` on `resource`. One with a variable that has no
    /// value speaks of nothing.
    pub(super) fn matches(&self, action: &str, resource: &str, variables: &Variables<'_>) -> bool {
        let nobody = Variables::default();
        self.actions.iter().any(|pattern| pattern.matches(action, &nobody))
            && self.resources.iter().any(|pattern| pattern.matches(resource, variables))
            && self.conditions.iter().all(|condition| condition.holds(variables))
            && self.resources.iter().all(|pattern| pattern.resolves(variables))
            && self.conditions.iter().all(|condition| condition.resolves(variables))
    }
}

fn version(value: &Value) -> Result<(), ParsePolicy> {
    match value.as_str() {
        Some("2012-10-17" | "2008-10-17") => Ok(()),
        _ => Err(ParsePolicy::field("Version", "must be \"2012-10-17\"")),
    }
}

/// A string or a list of strings, each read by `parse`.
fn patterns(
    statement: &Map<String, Value>,
    path: &str,
    name: &str,
    parse: fn(&str) -> Result<Pattern, String>,
) -> Result<Vec<Pattern>, ParsePolicy> {
    let path = format!("{path}.{name}");
    let Some(value) = statement.get(name) else {
        return Err(ParsePolicy::field(&path, "is missing"));
    };
    let patterns = one_or_many(value)
        .iter()
        .map(|value| {
            let Some(text) = value.as_str() else {
                return Err(ParsePolicy::field(&path, "must be a string or a list of strings"));
            };
            parse(text).map_err(|problem| ParsePolicy::field(&path, problem))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if patterns.is_empty() {
        return Err(ParsePolicy::field(&path, "needs at least one value"));
    }
    Ok(patterns)
}

fn action(text: &str) -> Result<Pattern, String> {
    if text != "*" && !text.contains(':') {
        return Err(format!("has the value `{text}`: write `service:Action`, or `*`"));
    }
    Pattern::parse(text).map(Pattern::ignoring_case).map_err(|error| error.to_string())
}

fn resource(text: &str) -> Result<Pattern, String> {
    if !text.starts_with("arn:") && !text.starts_with('*') {
        return Err(format!("has the value `{text}`: write an ARN, or `*`"));
    }
    Pattern::parse(text).map_err(|error| error.to_string())
}

pub(super) fn members<'v>(
    value: &'v Value,
    path: &str,
) -> Result<&'v Map<String, Value>, ParsePolicy> {
    value.as_object().ok_or_else(|| ParsePolicy::field(path, "must be an object"))
}

pub(super) fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        single => std::slice::from_ref(single),
    }
}
