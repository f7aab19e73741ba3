//! Operations on policies themselves.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CreatePolicyRequest, CreatePolicyResponse, Empty, GetPolicyResponse, OrderedPageRequest,
    PoliciesResponse, PolicyNameRequest, PolicySummary,
};
use marram_policy::iot::{ParsePolicy, PolicyDocument};
use marram_store::{Policy, Reader};

use crate::fields;
use crate::page::AgePage;
use crate::policy_versions::check_only_default;
use crate::registry::{Registry, delete_conflict};
use crate::tags::put_tags;

const MAX_DOCUMENT: usize = 404_600;

impl Registry {
    /// `CreatePolicy`.
    ///
    /// # Errors
    /// A member is not valid, the document is malformed, or the name is taken.
    pub async fn create_policy(
        &self,
        request: CreatePolicyRequest,
    ) -> Result<CreatePolicyResponse, ApiError> {
        fields::policy_name(&request.policy_name)?;
        check_document(&request.policy_document)?;
        fields::tags(&request.tags)?;
        let now_ms = self.now_ms();
        let policy = Policy {
            name: request.policy_name,
            generation_id: uuid::Uuid::new_v4().to_string(),
            default_version: 1,
            document: request.policy_document,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
        };
        let policy_arn = self.inner.account.policy(&policy.name);
        let mut tx = self.inner.store.begin().await?;
        if !tx.insert_policy(&policy).await? {
            return Err(ApiError::already_exists(
                &policy.name,
                &policy_arn,
                format!("policy `{}` exists", policy.name),
            ));
        }
        put_tags(&mut tx, &policy_arn, &request.tags).await?;
        tx.commit().await?;
        Ok(CreatePolicyResponse {
            policy_name: policy.name,
            policy_arn,
            policy_document: policy.document,
            policy_version_id: policy.default_version.to_string(),
        })
    }

    /// `GetPolicy`.
    ///
    /// # Errors
    /// There is no such policy.
    pub async fn get_policy(
        &self,
        request: PolicyNameRequest,
    ) -> Result<GetPolicyResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let policy = existing_policy(&mut reader, &request.policy_name).await?;
        Ok(GetPolicyResponse {
            policy_arn: self.inner.account.policy(&policy.name),
            policy_name: policy.name,
            policy_document: policy.document,
            default_version_id: policy.default_version.to_string(),
            creation_date: EpochMs(policy.created_at_ms),
            last_modified_date: EpochMs(policy.modified_at_ms),
            generation_id: policy.generation_id,
        })
    }

    /// `DeletePolicy`.
    ///
    /// # Errors
    /// There is no such policy, it is attached, or it has versions that are not in force.
    pub async fn delete_policy(&self, request: PolicyNameRequest) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let policy = existing_policy(&mut tx, &request.policy_name).await?;
        if let Some(target) = tx.targets_of_policy_after(&policy.name, "", 1).await?.first() {
            return Err(delete_conflict(format!(
                "policy `{}` is attached, for example to `{target}`: detach it first",
                policy.name
            )));
        }
        check_only_default(&mut tx, &policy).await?;
        tx.delete_tags(&self.inner.account.policy(&policy.name)).await?;
        tx.delete_policy(&policy.name).await?;
        tx.commit().await?;
        self.inner.identities.forget_document(&policy.generation_id, policy.default_version);
        Ok(Empty {})
    }

    /// `ListPolicies`, newest first unless asked otherwise.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_policies(
        &self,
        request: OrderedPageRequest,
    ) -> Result<PoliciesResponse, ApiError> {
        let page = AgePage::parse("policies", &request)?;
        let mut reader = self.inner.store.read().await?;
        let rows = reader.policies_from(&page.from, page.oldest_first, page.fetch()).await?;
        let (rows, next_marker) = page.cut(rows, |row| (row.created_at_ms, &row.name));
        let policies = rows.into_iter().map(|row| self.policy_summary(row.name)).collect();
        Ok(PoliciesResponse { policies, next_marker })
    }

    pub(crate) fn policy_summary(&self, policy_name: String) -> PolicySummary {
        PolicySummary { policy_arn: self.inner.account.policy(&policy_name), policy_name }
    }
}

/// The policy `name`, or 404.
pub(crate) async fn existing_policy(reader: &mut Reader, name: &str) -> Result<Policy, ApiError> {
    fields::policy_name(name)?;
    reader.policy(name).await?.ok_or_else(|| ApiError::not_found("Policy", name))
}

/// Checks a document that a policy is to have.
pub(crate) fn check_document(document: &str) -> Result<(), ApiError> {
    fields::length("policyDocument", document, 1, MAX_DOCUMENT)?;
    PolicyDocument::parse(document).map(drop).map_err(malformed)
}

pub(crate) fn malformed(error: ParsePolicy) -> ApiError {
    let message = match &error {
        ParsePolicy::Json(source) => format!("{error}: {source}"),
        ParsePolicy::Field { .. } => error.to_string(),
    };
    ApiError::new("MalformedPolicyException", 400, message)
}
