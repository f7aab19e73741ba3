//! The `iam` service (2010-05-08), as far as installers and people need it for roles: its
//! operations and their XML.

use crate::query;
use crate::sigv4::percent_encode;
use crate::timestamp::iso8601;
use crate::xml::Writer;

/// The namespace of IAM's answers.
pub const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// The operations that are served, by their names in the model.
#[allow(missing_docs, reason = "the names are the model's")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    AttachRolePolicy,
    CreatePolicy,
    CreateRole,
    DeletePolicy,
    DeleteRole,
    DeleteRolePolicy,
    DetachRolePolicy,
    GetPolicy,
    GetPolicyVersion,
    GetRole,
    GetRolePolicy,
    ListAttachedRolePolicies,
    ListPolicies,
    ListRolePolicies,
    ListRoles,
    PutRolePolicy,
}

impl Operation {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::AttachRolePolicy,
        Self::CreatePolicy,
        Self::CreateRole,
        Self::DeletePolicy,
        Self::DeleteRole,
        Self::DeleteRolePolicy,
        Self::DetachRolePolicy,
        Self::GetPolicy,
        Self::GetPolicyVersion,
        Self::GetRole,
        Self::GetRolePolicy,
        Self::ListAttachedRolePolicies,
        Self::ListPolicies,
        Self::ListRolePolicies,
        Self::ListRoles,
        Self::PutRolePolicy,
    ];

    /// The operation that an `Action` names.
    pub fn named(action: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| format!("{operation:?}") == action)
    }
}

/// A role, as `GetRole` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `/`, or the folders in its ARN.
    pub path: String,
    /// Its name.
    pub name: String,
    /// `AROA…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The document that says who may become it.
    pub trust: String,
    /// What people wrote about it.
    pub description: Option<String>,
    /// The longest session that it allows, in seconds.
    pub max_session_s: i64,
}

impl Role {
    /// The members of the shape `Role`.
    pub fn write(&self, role: &mut Writer) {
        role.text("Path", &self.path);
        role.text("RoleName", &self.name);
        role.text("RoleId", &self.id);
        role.text("Arn", &self.arn);
        role.text("CreateDate", iso8601(self.created_at_ms));
        write_document(role, "AssumeRolePolicyDocument", &self.trust);
        role.optional("Description", self.description.as_ref());
        role.text("MaxSessionDuration", self.max_session_s);
    }
}

/// A managed policy, as `GetPolicy` shows it. It has one version, `v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// `ANPA…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// `/`, or the folders in its ARN.
    pub path: String,
    /// What people wrote about it.
    pub description: Option<String>,
    /// To how many roles it is attached.
    pub attachments: i64,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// What it says.
    pub document: String,
}

/// The only version of a managed policy.
pub const ONLY_VERSION: &str = "v1";

impl Policy {
    /// The members of the shape `Policy`.
    pub fn write(&self, policy: &mut Writer) {
        policy.text("PolicyName", &self.name);
        policy.text("PolicyId", &self.id);
        policy.text("Arn", &self.arn);
        policy.text("Path", &self.path);
        policy.text("DefaultVersionId", ONLY_VERSION);
        policy.text("AttachmentCount", self.attachments);
        policy.text("PermissionsBoundaryUsageCount", 0);
        policy.text("IsAttachable", true);
        policy.optional("Description", self.description.as_ref());
        policy.text("CreateDate", iso8601(self.created_at_ms));
        policy.text("UpdateDate", iso8601(self.created_at_ms));
    }

    /// The members of the shape `PolicyVersion`.
    pub fn write_version(&self, version: &mut Writer) {
        write_document(version, "Document", &self.document);
        version.text("VersionId", ONLY_VERSION);
        version.text("IsDefaultVersion", true);
        version.text("CreateDate", iso8601(self.created_at_ms));
    }
}

/// A policy document travels percent-encoded; SDKs decode it.
pub fn write_document(writer: &mut Writer, name: &str, document: &str) {
    writer.text(name, percent_encode(document.as_bytes(), false));
}

/// A page of a list: its members, and where the next page begins.
pub fn write_page<T>(
    writer: &mut Writer,
    name: &str,
    items: &[T],
    marker: Option<&str>,
    mut item: impl FnMut(&T, &mut Writer),
) {
    writer.element(name, |list| {
        for each in items {
            list.element("member", |member| item(each, member));
        }
    });
    writer.text("IsTruncated", marker.is_some());
    writer.optional("Marker", marker);
}

/// An answer of `operation` with what `result` writes.
pub fn response(
    operation: Operation,
    request_id: &str,
    result: impl FnOnce(&mut Writer),
) -> String {
    query::response(&format!("{operation:?}"), NAMESPACE, request_id, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_by_their_name_only() {
        assert_eq!(Operation::named("CreateRole"), Some(Operation::CreateRole));
        assert_eq!(Operation::named("createrole"), None);
        assert_eq!(Operation::named(""), None);
    }

    #[test]
    fn documents_travel_encoded_and_pages_say_whether_more_follows() {
        let text = response(Operation::ListRoles, "r", |result| {
            write_page(result, "Roles", &["a"], Some("a"), |name, member| {
                member.text("RoleName", name);
                write_document(member, "AssumeRolePolicyDocument", "{\"a\": 1}");
            });
        });
        for part in [
            "<ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">",
            "<Roles><member><RoleName>a</RoleName>",
            "%7B%22a%22%3A%201%7D",
            "<IsTruncated>true</IsTruncated><Marker>a</Marker>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
