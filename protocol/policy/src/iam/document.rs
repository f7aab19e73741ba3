//! Policy documents: reading them, and what one statement speaks of.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Pattern;
use super::condition::Condition;
use super::context::{Context, KNOWN, Key};
use crate::document::{Effect, ParsePolicy, action, patterns, resource, statements};

/// A policy document, read and ready to be joined into a [`PolicySet`](super::PolicySet).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    pub(super) statements: Vec<Arc<Statement>>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    actions: Scope,
    resources: Scope,
    conditions: Vec<Condition>,
}

/// `Action` and `Resource`, or all but what `NotAction` and `NotResource` list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    patterns: Vec<Pattern>,
    inverted: bool,
}

impl PolicyDocument {
    /// Reads a document: `{Version?, Id?, Statement: {…} | [{…}, …]}`.
    ///
    /// # Errors
    /// Not JSON, a member that is missing, wrong or not supported; the error names its place.
    pub fn parse(text: &str) -> Result<Self, ParsePolicy> {
        let statements = statements(text, Statement::parse)?;
        Ok(Self { statements: statements.into_iter().map(Arc::new).collect() })
    }
}

impl Statement {
    fn parse(statement: &Map<String, Value>, path: &str) -> Result<Self, ParsePolicy> {
        for name in statement.keys() {
            let problem = match name.as_str() {
                "Sid" | "Effect" | "Action" | "NotAction" | "Resource" | "NotResource"
                | "Condition" => continue,
                "Principal" | "NotPrincipal" => {
                    "has no place in the policy of a key or role: it holds for whom it is attached to"
                }
                _ => "is not a member of a statement",
            };
            return Err(ParsePolicy::field(&format!("{path}.{name}"), problem));
        }
        Ok(Self {
            effect: Effect::of(statement, path)?,
            actions: Scope::parse(statement, path, "Action", action)?,
            resources: Scope::parse(statement, path, "Resource", resource)?,
            conditions: match statement.get("Condition") {
                Some(value) => Condition::parse_all(value, &format!("{path}.Condition"))?,
                None => Vec::new(),
            },
        })
    }

    /// Whether the statement speaks of `action` on `resource`. One with a variable that has no
    /// value speaks of nothing.
    pub(super) fn matches(&self, action: &str, resource: &str, context: &Context<'_>) -> bool {
        self.actions.contains(action, context)
            && self.resources.contains(resource, context)
            && self.conditions.iter().all(|condition| condition.holds(context))
            && self.resources.patterns.iter().all(|pattern| pattern.resolves(context))
            && self.conditions.iter().all(|condition| condition.resolves(context))
    }
}

impl Scope {
    fn parse(
        statement: &Map<String, Value>,
        path: &str,
        name: &str,
        parse: fn(&str) -> Result<Pattern, String>,
    ) -> Result<Self, ParsePolicy> {
        let not = format!("Not{name}");
        let inverted = statement.contains_key(&not);
        if inverted && statement.contains_key(name) {
            let problem = format!("stands beside {name}: use one of them");
            return Err(ParsePolicy::field(&format!("{path}.{not}"), problem));
        }
        let name = if inverted { &not } else { name };
        let patterns = patterns(statement, path, name, parse)?;
        for pattern in &patterns {
            check_variables(pattern, &format!("{path}.{name}"))?;
        }
        Ok(Self { patterns, inverted })
    }

    fn contains(&self, text: &str, context: &Context<'_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, context)) != self.inverted
    }
}

/// Refuses a variable that never has a value.
pub(super) fn check_variables(pattern: &Pattern, path: &str) -> Result<(), ParsePolicy> {
    let unknown = pattern.variables().find_map(|key| match key {
        Key::Unknown(name) => Some(name),
        _ => None,
    });
    match unknown {
        None => Ok(()),
        Some(name) => {
            Err(ParsePolicy::field(path, format!("has the variable `{name}`: use {KNOWN}")))
        }
    }
}
