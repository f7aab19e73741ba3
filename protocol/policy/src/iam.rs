//! IAM policies: what an access key or a role may do through the control plane.
//!
//! A [`PolicyDocument`] is parsed when it is attached and again when it is used; a [`PolicySet`] is
//! the union of all that hold for one caller. The language is IAM's (IAM user guide, "JSON policy
//! element reference"): `*` and `?` are wildcards that cross every separator, actions match
//! without regard to case and resources with it, an explicit Deny wins over any Allow, and what no
//! statement speaks of is denied.
//!
//! What cannot be evaluated is refused when a document is parsed, never passed over: an unknown
//! condition in a Deny would silently open what its author wanted closed.

mod condition;
mod context;
mod document;

use std::sync::Arc;

use crate::document::Effect;
pub use crate::document::ParsePolicy;
pub use crate::iot::Decision;
pub use context::Context;
pub use document::PolicyDocument;

use context::Key;
use document::Statement;

type Pattern = crate::pattern::Pattern<Key>;

/// The union of the policies that hold for one caller; without any it allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySet {
    statements: Vec<Arc<Statement>>,
}

impl PolicySet {
    /// Joins documents; their order does not matter.
    pub fn compile<'a>(documents: impl IntoIterator<Item = &'a PolicyDocument>) -> Self {
        let statements = documents.into_iter().flat_map(|document| &document.statements);
        Self { statements: statements.map(Arc::clone).collect() }
    }

    /// Decides whether `action` (`greengrass:CreateDeployment`) may be done to `resource` (an ARN,
    /// or `*` for the actions that have none) by the caller that `context` describes.
    pub fn allows(&self, action: &str, resource: &str, context: &Context<'_>) -> Decision {
        let some = |effect| {
            let mut statements = self.statements.iter().filter(|s| s.effect == effect);
            statements.any(|statement| statement.matches(action, resource, context))
        };
        Decision::of(|| some(Effect::Deny), || some(Effect::Allow))
    }
}

#[cfg(test)]
mod tests;
