//! Policy documents: reading them, and what one statement speaks of.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Pattern;
use super::condition::Condition;
use super::variable::Variables;
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
        let statements = statements(text, Statement::parse)?;
        Ok(Self { statements: statements.into_iter().map(Arc::new).collect() })
    }
}

impl Statement {
    fn parse(statement: &Map<String, Value>, path: &str) -> Result<Self, ParsePolicy> {
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
        Ok(Self {
            effect: Effect::of(statement, path)?,
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
