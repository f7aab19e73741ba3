//! What the holder of an access key may do.

use marram_aws::ApiError;
use marram_model::arn::Account;
use marram_policy::iam::{PolicyDocument, PolicySet};
use marram_store::Reader;

use crate::managed_policies::document_of;
use crate::roles::role_of_session;

/// What the holder of an access key may do through the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// Everything: the key has no policy.
    All,
    /// Reading component artifacts: the cloud's own key.
    Artifacts,
    /// What policies allow.
    Policies(PolicySet),
}

/// What an access key's policy allows.
pub(crate) fn of_key(id: &str, policy_json: Option<&str>) -> Result<Permissions, ApiError> {
    let Some(text) = policy_json else { return Ok(Permissions::All) };
    let document = stored(text, &format!("access key `{id}`"))?;
    Ok(Permissions::Policies(PolicySet::compile([&document])))
}

/// What a role's policies allow; nothing for a role that does not exist.
pub(crate) async fn of_role(
    reader: &mut Reader,
    account: &Account,
    role_arn: &str,
) -> Result<Permissions, ApiError> {
    let mut documents = Vec::new();
    if let Some(role) = role_of_session(reader, account, role_arn).await? {
        let role = &role.name;
        for (name, text) in reader.iam_role_policies(role).await? {
            documents.push(stored(&text, &format!("policy `{name}` of role `{role}`"))?);
        }
        for arn in reader.iam_role_attachments(role).await? {
            // Deleting a policy needs that it is attached nowhere.
            let text = document_of(reader, &arn).await?.ok_or_else(|| {
                ApiError::internal(format!("the policy `{arn}` of the role `{role}` is gone"))
            })?;
            documents.push(stored(&text, &format!("policy `{arn}`"))?);
        }
    }
    Ok(Permissions::Policies(PolicySet::compile(&documents)))
}

/// A document that cannot be read any more must not be passed over: it may deny something.
fn stored(text: &str, owner: &str) -> Result<PolicyDocument, ApiError> {
    PolicyDocument::parse(text)
        .map_err(|error| ApiError::internal(format!("the stored document of the {owner}: {error}")))
}
