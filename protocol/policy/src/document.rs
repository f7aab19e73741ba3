//! What IoT policies and IAM policies have in common: JSON documents of statements, and how a
//! malformed one is refused.

use serde_json::{Map, Value};

use crate::pattern::{Pattern, Variable};

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
    pub(crate) fn field(path: &str, problem: impl Into<String>) -> Self {
        Self::Field { path: path.to_owned(), problem: problem.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

impl Effect {
    /// A statement's `Effect`.
    pub(crate) fn of(statement: &Map<String, Value>, path: &str) -> Result<Self, ParsePolicy> {
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Ok(Self::Allow),
            Some("Deny") => Ok(Self::Deny),
            _ => {
                let path = format!("{path}.Effect");
                Err(ParsePolicy::field(&path, "must be \"Allow\" or \"Deny\""))
            }
        }
    }
}

/// The statements of `{Version?, Id?, Statement: {…} | [{…}, …]}`, each read by `parse`, which is
/// told where in the document it stands.
pub(crate) fn statements<S>(
    text: &str,
    parse: fn(&Map<String, Value>, &str) -> Result<S, ParsePolicy>,
) -> Result<Vec<S>, ParsePolicy> {
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
            .map(|(at, value)| {
                let path = format!("Statement[{at}]");
                parse(members(value, &path)?, &path)
            })
            .collect::<Result<Vec<_>, _>>()?,
        single => vec![parse(members(single, "Statement")?, "Statement")?],
    };
    if statements.is_empty() {
        return Err(ParsePolicy::field("Statement", "needs at least one statement"));
    }
    Ok(statements)
}

fn version(value: &Value) -> Result<(), ParsePolicy> {
    match value.as_str() {
        Some("2012-10-17" | "2008-10-17") => Ok(()),
        _ => Err(ParsePolicy::field("Version", "must be \"2012-10-17\"")),
    }
}

/// A string or a list of strings, each read by `parse`.
pub(crate) fn patterns<V>(
    statement: &Map<String, Value>,
    path: &str,
    name: &str,
    parse: fn(&str) -> Result<Pattern<V>, String>,
) -> Result<Vec<Pattern<V>>, ParsePolicy> {
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

/// An action: `service:Action`, without regard to case.
pub(crate) fn action<V: Variable>(text: &str) -> Result<Pattern<V>, String> {
    if text != "*" && !text.contains(':') {
        return Err(format!("has the value `{text}`: write `service:Action`, or `*`"));
    }
    Pattern::parse(text).map(Pattern::ignoring_case).map_err(|error| error.to_string())
}

/// A resource: an ARN.
pub(crate) fn resource<V: Variable>(text: &str) -> Result<Pattern<V>, String> {
    if !text.starts_with("arn:") && !text.starts_with('*') {
        return Err(format!("has the value `{text}`: write an ARN, or `*`"));
    }
    Pattern::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn members<'v>(
    value: &'v Value,
    path: &str,
) -> Result<&'v Map<String, Value>, ParsePolicy> {
    value.as_object().ok_or_else(|| ParsePolicy::field(path, "must be an object"))
}

pub(crate) fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        single => std::slice::from_ref(single),
    }
}
