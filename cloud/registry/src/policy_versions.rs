//! Operations on the versions of policies. Which one is in force holds for the very next message
//! of every device that the policy is attached to.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CreatePolicyVersionRequest, CreatePolicyVersionResponse, Empty, GetPolicyVersionResponse,
    ListPolicyVersionsResponse, PolicyNameRequest, PolicyVersionRequest, PolicyVersionSummary,
};
use marram_store::{Policy, PolicyVersion, Reader};

use crate::policies::{check_document, existing_policy};
use crate::registry::{Registry, delete_conflict};

/// AWS's quota.
const MAX_VERSIONS: usize = 5;

impl Registry {
    /// `CreatePolicyVersion`. Numbers of deleted versions are not given again.
    ///
    /// # Errors
    /// There is no such policy, it has five versions, or the document is malformed.
    pub async fn create_policy_version(
        &self,
        request: CreatePolicyVersionRequest,
    ) -> Result<CreatePolicyVersionResponse, ApiError> {
        let document = request.policy_document;
        check_document(&document)?;
        let now_ms = self.now_ms();
        let mut tx = self.inner.store.begin().await?;
        let policy = existing_policy(&mut tx, &request.policy_name).await?;
        let count = tx.policy_versions(&policy.name).await?.len();
        if count >= MAX_VERSIONS {
            return Err(versions_limit("policy", &policy.name, count));
        }
        let version = tx.insert_policy_version(&policy.name, &document, now_ms).await?;
        let affected = match request.set_as_default {
            false => Vec::new(),
            true => {
                tx.set_default_policy_version(&policy.name, version, now_ms).await?;
                self.affected_by_policy(&mut tx, &policy.name).await?
            }
        };
        self.settle(tx, affected, None).await?;
        Ok(CreatePolicyVersionResponse {
            policy_arn: self.inner.account.policy(&policy.name),
            policy_document: document,
            policy_version_id: version.to_string(),
            is_default_version: request.set_as_default,
        })
    }

    /// `GetPolicyVersion`.
    ///
    /// # Errors
    /// There is no such policy or version.
    pub async fn get_policy_version(
        &self,
        request: PolicyVersionRequest,
    ) -> Result<GetPolicyVersionResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let (policy, version) = existing_version(&mut reader, &request).await?;
        Ok(GetPolicyVersionResponse {
            policy_arn: self.inner.account.policy(&policy.name),
            policy_name: policy.name,
            policy_document: version.document,
            policy_version_id: version.version.to_string(),
            is_default_version: version.version == policy.default_version,
            creation_date: EpochMs(version.created_at_ms),
            last_modified_date: EpochMs(version.created_at_ms),
            generation_id: policy.generation_id,
        })
    }

    /// `ListPolicyVersions`: newest first.
    ///
    /// # Errors
    /// There is no such policy.
    pub async fn list_policy_versions(
        &self,
        request: PolicyNameRequest,
    ) -> Result<ListPolicyVersionsResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let policy = existing_policy(&mut reader, &request.policy_name).await?;
        let versions = reader.policy_versions(&policy.name).await?;
        let row = |version: &PolicyVersion| PolicyVersionSummary {
            version_id: version.version.to_string(),
            is_default_version: version.version == policy.default_version,
            create_date: EpochMs(version.created_at_ms),
        };
        Ok(ListPolicyVersionsResponse { policy_versions: versions.iter().rev().map(row).collect() })
    }

    /// `SetDefaultPolicyVersion`.
    ///
    /// # Errors
    /// There is no such policy or version.
    pub async fn set_default_policy_version(
        &self,
        request: PolicyVersionRequest,
    ) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let (policy, version) = existing_version(&mut tx, &request).await?;
        tx.set_default_policy_version(&policy.name, version.version, self.now_ms()).await?;
        let affected = self.affected_by_policy(&mut tx, &policy.name).await?;
        self.settle(tx, affected, None).await?;
        Ok(Empty {})
    }

    /// `DeletePolicyVersion`.
    ///
    /// # Errors
    /// There is no such policy or version, or it is the one in force.
    pub async fn delete_policy_version(
        &self,
        request: PolicyVersionRequest,
    ) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let (policy, version) = existing_version(&mut tx, &request).await?;
        if version.version == policy.default_version {
            return Err(ApiError::invalid_request(format!(
                "version {} of policy `{}` is in force: set another default version first",
                version.version, policy.name
            )));
        }
        tx.delete_policy_version(&policy.name, version.version).await?;
        tx.commit().await?;
        self.inner.identities.forget_document(&policy.generation_id, version.version);
        Ok(Empty {})
    }

    /// The certificates whose rights change with the policy's.
    async fn affected_by_policy(
        &self,
        reader: &mut Reader,
        name: &str,
    ) -> Result<Vec<String>, ApiError> {
        let mut certificates = Vec::new();
        for target in reader.targets_of_policy_after(name, "", i64::MAX).await? {
            certificates.extend(self.affected_by(reader, &target).await?);
        }
        Ok(certificates)
    }
}

/// 409 for one version too many.
pub(crate) fn versions_limit(noun: &str, name: &str, count: usize) -> ApiError {
    let message = format!("{noun} `{name}` has {count} versions: delete one first");
    ApiError::new("VersionsLimitExceededException", 409, message)
}

/// 409 for a policy that is deleted while it has versions that are not in force.
pub(crate) async fn check_only_default(
    reader: &mut Reader,
    policy: &Policy,
) -> Result<(), ApiError> {
    let versions = reader.policy_versions(&policy.name).await?;
    let other = versions.iter().find(|version| version.version != policy.default_version);
    other.map_or(Ok(()), |version| {
        Err(delete_conflict(format!(
            "policy `{}` has other versions than the one in force, for example {}: delete them \
             first",
            policy.name, version.version
        )))
    })
}

async fn existing_version(
    reader: &mut Reader,
    request: &PolicyVersionRequest,
) -> Result<(Policy, PolicyVersion), ApiError> {
    let policy = existing_policy(reader, &request.policy_name).await?;
    let id = &request.policy_version_id;
    let Ok(number) = id.parse::<i64>() else {
        return Err(ApiError::invalid_request(format!(
            "`policyVersionId` is `{id}`: use a version's number"
        )));
    };
    let versions = reader.policy_versions(&policy.name).await?;
    match versions.into_iter().find(|version| version.version == number) {
        Some(version) => Ok((policy, version)),
        None => Err(ApiError::not_found("PolicyVersion", &format!("{}:{id}", policy.name))),
    }
}
