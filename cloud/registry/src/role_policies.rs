//! What a role may do: its own policies, and the managed ones attached to it. A change holds for
//! the next call of each session.

use marram_aws::ApiError;

use crate::fields;
use crate::managed_policies::{DEVICE_ACCESS, check_document};
use crate::registry::Registry;
use crate::roles::{existing_role, no_such_entity};

/// IAM's bound on a role's own policies, in characters.
const MAX_DOCUMENT: usize = 10_240;
/// How many of its own policies a role may have; AWS bounds their sum instead.
const MAX_OWN: usize = 20;
/// How many managed policies may be attached to a role: AWS's highest quota.
const MAX_ATTACHED: usize = 20;

impl Registry {
    /// `PutRolePolicy`.
    ///
    /// # Errors
    /// There is no such role, the document is malformed, or the role has too many.
    pub async fn put_role_policy(
        &self,
        role: &str,
        name: &str,
        document: &str,
    ) -> Result<(), ApiError> {
        fields::iam_name("PolicyName", name, 128)?;
        check_document("PolicyDocument", document, MAX_DOCUMENT)?;
        let mut tx = self.inner.store.begin().await?;
        existing_role(&mut tx, role).await?;
        let own = tx.iam_role_policies(role).await?;
        if own.len() >= MAX_OWN && own.iter().all(|(other, _)| other != name) {
            return Err(too_many(role, MAX_OWN));
        }
        tx.put_iam_role_policy(role, name, document).await?;
        Ok(tx.commit().await?)
    }

    /// `ListRolePolicies` and `GetRolePolicy`: names and documents of the role's own policies.
    ///
    /// # Errors
    /// There is no such role.
    pub async fn role_policies(&self, role: &str) -> Result<Vec<(String, String)>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        existing_role(&mut reader, role).await?;
        Ok(reader.iam_role_policies(role).await?)
    }

    /// `DeleteRolePolicy`.
    ///
    /// # Errors
    /// There is no such role, or it has no such policy.
    pub async fn delete_role_policy(&self, role: &str, name: &str) -> Result<(), ApiError> {
        let mut tx = self.inner.store.begin().await?;
        existing_role(&mut tx, role).await?;
        if !tx.delete_iam_role_policy(role, name).await? {
            return Err(no_such_role_policy(role, name));
        }
        Ok(tx.commit().await?)
    }

    /// `AttachRolePolicy`.
    ///
    /// # Errors
    /// There is no such role or policy, or the role has too many.
    pub async fn attach_role_policy(&self, role: &str, policy_arn: &str) -> Result<(), ApiError> {
        let mut tx = self.inner.store.begin().await?;
        existing_role(&mut tx, role).await?;
        if policy_arn != DEVICE_ACCESS {
            self.existing_policy(&mut tx, policy_arn).await?;
        }
        if tx.iam_role_attachments(role).await?.len() >= MAX_ATTACHED {
            return Err(too_many(role, MAX_ATTACHED));
        }
        tx.attach_iam_policy(role, policy_arn).await?;
        Ok(tx.commit().await?)
    }

    /// `DetachRolePolicy`.
    ///
    /// # Errors
    /// There is no such role, or the policy is not attached to it.
    pub async fn detach_role_policy(&self, role: &str, policy_arn: &str) -> Result<(), ApiError> {
        let mut tx = self.inner.store.begin().await?;
        existing_role(&mut tx, role).await?;
        if !tx.detach_iam_policy(role, policy_arn).await? {
            let message = format!("Policy {policy_arn} was not found.");
            return Err(no_such_entity(&message));
        }
        Ok(tx.commit().await?)
    }

    /// `ListAttachedRolePolicies`: the policies' ARNs.
    ///
    /// # Errors
    /// There is no such role.
    pub async fn attached_role_policies(&self, role: &str) -> Result<Vec<String>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        existing_role(&mut reader, role).await?;
        Ok(reader.iam_role_attachments(role).await?)
    }
}

/// 404 for one of a role's own policies.
pub fn no_such_role_policy(role: &str, name: &str) -> ApiError {
    no_such_entity(&format!("The role {role} has no policy with the name {name}."))
}

fn too_many(role: &str, most: usize) -> ApiError {
    let message = format!("the role {role} has {most} policies of this kind, which is the most");
    ApiError::new("LimitExceeded", 409, message)
}
