//! The older names of the operations that attach policies: their principals are certificates.

use marram_aws::ApiError;
use marram_aws::iot::{
    Empty, ListAttachedPoliciesRequest, ListPolicyPrincipalsRequest, ListPolicyPrincipalsResponse,
    ListPrincipalPoliciesRequest, ListTargetsForPolicyRequest, PoliciesResponse,
    PolicyTargetRequest, PrincipalPolicyRequest,
};

use crate::registry::Registry;

impl Registry {
    /// `AttachPrincipalPolicy`; idempotent.
    ///
    /// # Errors
    /// The principal is not a certificate, or it or the policy does not exist.
    pub async fn attach_principal_policy(
        &self,
        request: PrincipalPolicyRequest,
    ) -> Result<Empty, ApiError> {
        self.attach_policy(self.as_target(request)?).await
    }

    /// `DetachPrincipalPolicy`; idempotent.
    ///
    /// # Errors
    /// The principal is not a certificate, or it or the policy does not exist.
    pub async fn detach_principal_policy(
        &self,
        request: PrincipalPolicyRequest,
    ) -> Result<Empty, ApiError> {
        self.detach_policy(self.as_target(request)?).await
    }

    fn as_target(&self, request: PrincipalPolicyRequest) -> Result<PolicyTargetRequest, ApiError> {
        self.certificate_of(&request.principal)?;
        Ok(PolicyTargetRequest { policy_name: request.policy_name, target: request.principal })
    }

    /// `ListPrincipalPolicies`: by name.
    ///
    /// # Errors
    /// A member is not valid, or there is no such certificate.
    pub async fn list_principal_policies(
        &self,
        request: ListPrincipalPoliciesRequest,
    ) -> Result<PoliciesResponse, ApiError> {
        self.certificate_of(&request.principal)?;
        self.list_attached_policies(ListAttachedPoliciesRequest {
            target: request.principal,
            recursive: false,
            marker: request.marker,
            page_size: request.page_size,
        })
        .await
    }

    /// `ListPolicyPrincipals`: the certificates that the policy is attached to.
    ///
    /// # Errors
    /// A member is not valid, or there is no such policy.
    pub async fn list_policy_principals(
        &self,
        request: ListPolicyPrincipalsRequest,
    ) -> Result<ListPolicyPrincipalsResponse, ApiError> {
        let targets = self
            .list_targets_for_policy(ListTargetsForPolicyRequest {
                policy_name: request.policy_name,
                marker: request.marker,
                page_size: request.page_size,
            })
            .await?;
        let prefix = self.inner.account.certificate("");
        let principals = targets.targets.into_iter().filter(|arn| arn.starts_with(&prefix));
        Ok(ListPolicyPrincipalsResponse {
            principals: principals.collect(),
            next_marker: targets.next_marker,
        })
    }
}
