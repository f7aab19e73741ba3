//! A component's `accessControl`: which IPC operations it may use on which resources.
//!
//! The rules are read once, when the configuration changes, into patterns that are checked without
//! looking at the text again: the IPC server asks for every message. What cannot be understood
//! grants nothing, and only the smallest unit around it is dropped (a resource, an operation, a
//! policy), each with a [`Warning`]; AWS's nucleus drops all policies of the component instead.
//!
//! Source: `aws-greengrass-nucleus: authorization/*`; the developer guide, "Authorize components to
//! perform IPC operations".

mod pattern;
mod service;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value, json};

use pattern::Pattern;
use service::Service;

/// The rules of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessControl {
    grants: Vec<Grant>,
}

/// What one policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    service: &'static Service,
    /// Bit `n` stands for the service's `n`th operation.
    operations: u16,
    resources: Vec<Pattern>,
}

/// A part of an `accessControl` that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it is, from `accessControl` on.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.problem)
    }
}

impl AccessControl {
    /// Reads an `accessControl` object, or the JSON text of one, as recipes may hold it.
    pub fn parse(value: &Value) -> (Self, Vec<Warning>) {
        let mut reader = Reader::default();
        reader.access_control(value);
        (Self { grants: reader.grants }, reader.warnings)
    }

    /// Whether some policy allows the operation, by its full name (`aws.greengrass#…`), on the
    /// resource. Nothing is allowed on the empty resource.
    pub fn allows(&self, service: &str, operation: &str, resource: &str) -> bool {
        if resource.is_empty() {
            return false;
        }
        let mut grants = self.grants.iter().filter(|grant| grant.service.id == service).peekable();
        let Some(first) = grants.peek() else {
            return false;
        };
        let Some(bit) = first.service.operation_bit(operation) else {
            return false;
        };
        let is_filter = first.service.takes_filter(operation);
        grants.any(|grant| {
            grant.operations & bit != 0
                && grant.resources.iter().any(|pattern| pattern.matches(resource, is_filter))
        })
    }
}

/// The members to add to a component's `accessControl` so that it may use the operation on exactly
/// this resource.
pub fn policy_that_allows(
    component: &str,
    service: &str,
    operation: &str,
    resource: &str,
) -> Value {
    let name = service.rsplit('.').next().unwrap_or(service);
    json!({
        service: {
            format!("{component}:{name}:1"): {
                "operations": [operation],
                "resources": [pattern::escape(resource)],
            }
        }
    })
}

#[derive(Default)]
struct Reader {
    grants: Vec<Grant>,
    warnings: Vec<Warning>,
}

impl Reader {
    fn warn(&mut self, path: &str, problem: impl Into<String>) {
        self.warnings.push(Warning { path: path.to_owned(), problem: problem.into() });
    }

    fn access_control(&mut self, value: &Value) {
        let services = match value {
            Value::Object(services) => services,
            Value::String(text) => match serde_json::from_str(text) {
                Ok(services) => return self.services(&services),
                Err(error) => {
                    let problem =
                        format!("the text is not a JSON object: {error}; write an object");
                    return self.warn("accessControl", problem);
                }
            },
            _ => return self.warn("accessControl", "must be an object"),
        };
        self.services(services);
    }

    fn services(&mut self, services: &Map<String, Value>) {
        let mut policy_ids = HashSet::new();
        for (id, policies) in services {
            let path = format!("accessControl.{id}");
            let Some(service) = service::find(id) else {
                self.warn(&path, "is no service that has policies; the policies are ignored");
                continue;
            };
            let Some(policies) = policies.as_object() else {
                self.warn(&path, "must be an object of policies");
                continue;
            };
            for (policy_id, policy) in policies {
                let path = format!("{path}.{policy_id}");
                if !policy_ids.insert(policy_id) {
                    self.warn(&path, "the policy id is used twice; both policies hold");
                }
                if let Some(grant) = self.policy(&path, service, policy) {
                    self.grants.push(grant);
                }
            }
        }
    }

    fn policy(&mut self, path: &str, service: &'static Service, policy: &Value) -> Option<Grant> {
        let Some(members) = policy.as_object() else {
            self.warn(path, "must be an object; the policy is dropped");
            return None;
        };
        let (mut operations, mut resources) = (None, None);
        for (name, value) in members {
            let list = if name.eq_ignore_ascii_case("operations") {
                &mut operations
            } else if name.eq_ignore_ascii_case("resources") {
                &mut resources
            } else if name.eq_ignore_ascii_case("policyDescription") && value.is_string() {
                continue;
            } else {
                let problem =
                    format!("the member `{name}` is unknown or not text; the policy is dropped");
                self.warn(path, problem);
                return None;
            };
            let texts = value.as_array().map(|list| list.iter().map(Value::as_str));
            let Some(Some(texts)) = texts.map(Iterator::collect::<Option<Vec<_>>>) else {
                self.warn(path, format!("`{name}` must be a list of texts; the policy is dropped"));
                return None;
            };
            *list = Some(texts);
        }
        let Some(operations) = operations else {
            self.warn(path, "has no `operations`; the policy is dropped");
            return None;
        };
        let operations = self.operations(path, service, &operations);
        let resources = self.resources(path, service, &resources.unwrap_or_default());
        Some(Grant { service, operations, resources })
    }

    fn operations(&mut self, path: &str, service: &Service, names: &[&str]) -> u16 {
        let mut bits = 0;
        for name in names {
            if *name == "*" {
                bits |= u16::MAX;
            } else if let Some(bit) = service.operation_bit(name) {
                bits |= bit;
            } else {
                let known = service.operations.join(", ");
                self.warn(
                    path,
                    format!("the operation `{name}` is ignored; use `*` or of {known}"),
                );
            }
        }
        bits
    }

    fn resources(&mut self, path: &str, service: &Service, texts: &[&str]) -> Vec<Pattern> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            match Pattern::parse(text, service.matching) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    self.warn(path, format!("the resource `{text}` is ignored: {error}"));
                }
            }
        }
        patterns
    }
}
