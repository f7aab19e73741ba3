//! IoT policies: which certificate may do what to which topic, thing or component.
//!
//! A [`PolicyDocument`] is parsed once, when it is created; a [`PolicySet`] is the union of all
//! documents that hold for one principal and answers each check synchronously, without touching
//! the documents' text again. The broker asks it for every message.
//!
//! The language is AWS IoT's: `*` and `?` are wildcards that cross `/`, MQTT's `+` and `#` are
//! ordinary characters, actions match without regard to case and resources with it, an explicit
//! Deny wins over any Allow (AWS IoT developer guide, "AWS IoT Core policies").

mod condition;
mod document;
mod variable;

use std::sync::Arc;

pub use document::PolicyDocument;
pub use variable::{ThingVariables, Variables};

pub(crate) use variable::Variable;

use crate::document::Effect;
pub use crate::document::ParsePolicy;
use document::Statement;

type Pattern = crate::pattern::Pattern<Variable>;

/// What a policy set says about one action on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allowed,
    /// A statement denies it, whatever else allows it.
    DeniedExplicitly,
    /// No statement speaks of it: denied by default.
    NotAllowed,
}

impl Decision {
    /// What follows from whether some statement denies, and some allows.
    pub(crate) fn of(denies: impl FnOnce() -> bool, allows: impl FnOnce() -> bool) -> Self {
        if denies() {
            Self::DeniedExplicitly
        } else if allows() {
            Self::Allowed
        } else {
            Self::NotAllowed
        }
    }

    /// Whether the action may go ahead.
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }
}

/// The union of the policies that hold for one principal.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    denying: Vec<Arc<Statement>>,
    allowing: Vec<Arc<Statement>>,
}

impl PolicySet {
    /// Joins documents; their order does not matter.
    pub fn compile<'a>(documents: impl IntoIterator<Item = &'a PolicyDocument>) -> Self {
        let mut set = Self::default();
        for statement in documents.into_iter().flat_map(|document| &document.statements) {
            match statement.effect {
                Effect::Deny => set.denying.push(Arc::clone(statement)),
                Effect::Allow => set.allowing.push(Arc::clone(statement)),
            }
        }
        set
    }

    /// Decides whether `action` (`iot:Publish`) may be done to `resource` (an ARN, or `*` for the
    /// actions that have none) by the principal that `variables` describe.
    pub fn allows(&self, action: &str, resource: &str, variables: &Variables<'_>) -> Decision {
        let speaks = |statement: &Arc<Statement>| statement.matches(action, resource, variables);
        Decision::of(|| self.denying.iter().any(speaks), || self.allowing.iter().any(speaks))
    }
}

#[cfg(test)]
mod tests;
