//! IAM policies with a name of their own, to be attached to roles, and the one that comes with the
//! cloud.

use marram_aws::ApiError;
use marram_aws::iam::Policy;
use marram_policy::iam::PolicyDocument;
use marram_store::{ManagedPolicy, Reader};

use crate::access_keys::new_access_key_id;
use crate::fields;
use crate::policies::malformed;
use crate::registry::Registry;
use crate::roles::{check_path, no_such_entity};

/// IAM's bound on a managed policy, in characters.
const MAX_DOCUMENT: usize = 6144;

/// What roles get that nobody gave policies to: downloads and uploads of objects, which is what
/// components get the credentials for.
pub(crate) const DEVICE_ACCESS: &str = "arn:aws:iam::aws:policy/MarramDeviceAccess";
const DEVICE_ACCESS_NAME: &str = "MarramDeviceAccess";
const DEVICE_ACCESS_DOCUMENT: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Action": [
      "s3:GetObject",
      "s3:PutObject",
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
      "s3:GetBucketLocation"
    ],
    "Resource": "*"
  }]
}"#;

/// A managed policy to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPolicy {
    /// 1 to 128 of `[\w+=,.@-]`.
    pub name: String,
    /// `/`, or folders: `/ci/`.
    pub path: String,
    /// What people want to remember about it.
    pub description: Option<String>,
    /// The document.
    pub document: String,
}

impl Registry {
    /// IAM's `CreatePolicy`.
    ///
    /// # Errors
    /// A member is not valid, the document is malformed, or the name is taken.
    pub async fn create_managed_policy(&self, new: NewPolicy) -> Result<Policy, ApiError> {
        fields::iam_name("PolicyName", &new.name, 128)?;
        check_path(&new.path)?;
        check_document("PolicyDocument", &new.document, MAX_DOCUMENT)?;
        let row = ManagedPolicy {
            name: new.name,
            id: new_access_key_id("ANPA").map_err(|error| ApiError::internal(error.to_string()))?,
            path: new.path,
            description: new.description,
            policy_json: new.document,
            created_at_ms: self.now_ms(),
        };
        let mut tx = self.inner.store.begin().await?;
        if row.name == DEVICE_ACCESS_NAME || !tx.insert_managed_policy(&row).await? {
            let message = format!("A policy called {} already exists.", row.name);
            return Err(ApiError::new("EntityAlreadyExists", 409, message));
        }
        tx.commit().await?;
        Ok(self.shown(row, 0))
    }

    /// IAM's `GetPolicy` and `GetPolicyVersion`.
    ///
    /// # Errors
    /// There is no such policy.
    pub async fn managed_policy(&self, arn: &str) -> Result<Policy, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let attachments = reader.iam_attachment_count(arn).await?;
        if arn == DEVICE_ACCESS {
            return Ok(device_access(attachments));
        }
        let row = self.existing_policy(&mut reader, arn).await?;
        Ok(self.shown(row, attachments))
    }

    /// IAM's `ListPolicies`: at most `limit` with a name behind `after`, by name. What comes with
    /// the cloud stands first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn managed_policies(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Policy>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let mut found = Vec::new();
        if after.is_empty() {
            found.push(device_access(reader.iam_attachment_count(DEVICE_ACCESS).await?));
        }
        let after = if after == DEVICE_ACCESS_NAME { "" } else { after };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        for row in reader.managed_policies_after(after, limit).await? {
            let attachments = reader.iam_attachment_count(&self.policy_arn(&row)).await?;
            found.push(self.shown(row, attachments));
        }
        Ok(found)
    }

    /// IAM's `DeletePolicy`.
    ///
    /// # Errors
    /// There is no such policy, it is attached, or it comes with the cloud.
    pub async fn delete_managed_policy(&self, arn: &str) -> Result<(), ApiError> {
        let mut tx = self.inner.store.begin().await?;
        if arn == DEVICE_ACCESS {
            let message = format!("{arn} comes with the cloud and cannot be deleted");
            return Err(ApiError::new("AccessDenied", 403, message));
        }
        let row = self.existing_policy(&mut tx, arn).await?;
        if tx.iam_attachment_count(arn).await? > 0 {
            let message = format!("{arn} is attached to a role: detach it first");
            return Err(ApiError::new("DeleteConflict", 409, message));
        }
        tx.delete_managed_policy(&row.name).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn existing_policy(
        &self,
        reader: &mut Reader,
        arn: &str,
    ) -> Result<ManagedPolicy, ApiError> {
        let row = match policy_name(arn) {
            Some(name) => reader.managed_policy(name).await?,
            None => None,
        };
        row.filter(|row| self.policy_arn(row) == arn)
            .ok_or_else(|| no_such_entity(&format!("Policy {arn} does not exist.")))
    }

    fn policy_arn(&self, row: &ManagedPolicy) -> String {
        self.inner.account.iam(&format!("policy{}{}", row.path, row.name))
    }

    fn shown(&self, row: ManagedPolicy, attachments: i64) -> Policy {
        Policy {
            arn: self.policy_arn(&row),
            name: row.name,
            id: row.id,
            path: row.path,
            description: row.description,
            attachments,
            created_at_ms: row.created_at_ms,
            document: row.policy_json,
        }
    }
}

fn device_access(attachments: i64) -> Policy {
    Policy {
        name: DEVICE_ACCESS_NAME.to_owned(),
        id: "ANPAMARRAMDEVICEACCESS".to_owned(),
        arn: DEVICE_ACCESS.to_owned(),
        path: "/".to_owned(),
        description: Some(
            "What the role of a device may do that nobody gave policies to".to_owned(),
        ),
        attachments,
        created_at_ms: 0,
        document: DEVICE_ACCESS_DOCUMENT.to_owned(),
    }
}

/// The document of the managed policy `arn`.
pub(crate) async fn document_of(
    reader: &mut Reader,
    arn: &str,
) -> Result<Option<String>, ApiError> {
    if arn == DEVICE_ACCESS {
        return Ok(Some(DEVICE_ACCESS_DOCUMENT.to_owned()));
    }
    let Some(name) = policy_name(arn) else { return Ok(None) };
    Ok(reader.managed_policy(name).await?.map(|row| row.policy_json))
}

/// The name in a policy's ARN.
fn policy_name(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":policy/")?;
    resource.rsplit('/').next()
}

/// Refuses a document that cannot be evaluated.
pub(crate) fn check_document(member: &str, text: &str, most: usize) -> Result<(), ApiError> {
    fields::length(member, text, 1, most)?;
    PolicyDocument::parse(text).map(drop).map_err(malformed)
}
