//! Operations that attach policies to targets and certificates to things.

use marram_aws::ApiError;
use marram_aws::iot::{
    Empty, ListAttachedPoliciesRequest, ListPrincipalThingsRequest, ListTargetsForPolicyRequest,
    ListTargetsForPolicyResponse, ListThingPrincipalsRequest, ListThingPrincipalsResponse,
    PoliciesResponse, PolicyTargetRequest, ThingNamesResponse, ThingPrincipalRequest,
};
use marram_store::{Policy, Reader, Tx};

use crate::certificates::existing_certificate;
use crate::groups::{certificates_of_members, existing_group};
use crate::page::Page;
use crate::policies::existing_policy;
use crate::registry::Registry;
use crate::things::existing_thing;

/// What a policy can be attached to.
enum PolicyTarget {
    /// A certificate, by its id.
    Certificate(String),
    /// A thing group, by its name.
    ThingGroup(String),
}

impl Registry {
    /// `AttachPolicy`; idempotent.
    ///
    /// # Errors
    /// The target is not a certificate or thing group, or it or the policy does not exist.
    pub async fn attach_policy(&self, request: PolicyTargetRequest) -> Result<Empty, ApiError> {
        let (mut tx, policy, affected) = self.begin_for_target(&request).await?;
        tx.attach_policy(&policy.name, &request.target).await?;
        self.settle(tx, affected, None).await?;
        Ok(Empty {})
    }

    /// `DetachPolicy`; idempotent.
    ///
    /// # Errors
    /// The target is not a certificate or thing group, or it or the policy does not exist.
    pub async fn detach_policy(&self, request: PolicyTargetRequest) -> Result<Empty, ApiError> {
        let (mut tx, policy, affected) = self.begin_for_target(&request).await?;
        tx.detach_policy(&policy.name, &request.target).await?;
        self.settle(tx, affected, None).await?;
        Ok(Empty {})
    }

    /// A transaction, the policy, and the certificates whose rights change with the target's
    /// policies; policy and target exist.
    async fn begin_for_target(
        &self,
        request: &PolicyTargetRequest,
    ) -> Result<(Tx, Policy, Vec<String>), ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let policy = existing_policy(&mut tx, &request.policy_name).await?;
        let affected = self.affected_by(&mut tx, &request.target).await?;
        Ok((tx, policy, affected))
    }

    /// `ListAttachedPolicies`.
    ///
    /// # Errors
    /// A member is not valid, or the target does not exist.
    pub async fn list_attached_policies(
        &self,
        request: ListAttachedPoliciesRequest,
    ) -> Result<PoliciesResponse, ApiError> {
        let marker = request.marker.as_deref();
        let page = Page::by_marker("attached-policies", marker, request.page_size)?;
        let mut reader = self.inner.store.read().await?;
        let mut targets = vec![request.target.clone()];
        match self.existing_target(&mut reader, &request.target).await? {
            PolicyTarget::ThingGroup(group) if request.recursive => {
                let ancestors = reader.group_ancestors(&group).await?;
                targets.extend(ancestors.iter().map(|name| self.inner.account.thing_group(name)));
            }
            PolicyTarget::ThingGroup(_) | PolicyTarget::Certificate(_) => {}
        }
        let mut names = Vec::new();
        for target in &targets {
            names.extend(reader.policies_of_target(target).await?);
        }
        names.sort();
        names.dedup();
        let (names, next_marker) = page.of_sorted(names);
        let policies = names.into_iter().map(|name| self.policy_summary(name)).collect();
        Ok(PoliciesResponse { policies, next_marker })
    }

    /// `ListTargetsForPolicy`.
    ///
    /// # Errors
    /// A member is not valid, or there is no such policy.
    pub async fn list_targets_for_policy(
        &self,
        request: ListTargetsForPolicyRequest,
    ) -> Result<ListTargetsForPolicyResponse, ApiError> {
        let page = Page::by_marker("targets", request.marker.as_deref(), request.page_size)?;
        let mut reader = self.inner.store.read().await?;
        let policy = existing_policy(&mut reader, &request.policy_name).await?;
        let rows = reader.targets_of_policy_after(&policy.name, &page.after, page.fetch()).await?;
        let (targets, next_marker) = page.cut(rows, String::clone);
        Ok(ListTargetsForPolicyResponse { targets, next_marker })
    }

    /// `AttachThingPrincipal`; idempotent.
    ///
    /// # Errors
    /// The principal is not a certificate, or it or the thing does not exist.
    pub async fn attach_thing_principal(
        &self,
        request: ThingPrincipalRequest,
    ) -> Result<Empty, ApiError> {
        let (mut tx, id) = self.begin_for_principal(&request).await?;
        tx.attach_certificate(&request.thing_name, &id).await?;
        self.settle(tx, vec![id], None).await?;
        Ok(Empty {})
    }

    /// `DetachThingPrincipal`; idempotent.
    ///
    /// # Errors
    /// The principal is not a certificate, or it or the thing does not exist.
    pub async fn detach_thing_principal(
        &self,
        request: ThingPrincipalRequest,
    ) -> Result<Empty, ApiError> {
        let (mut tx, id) = self.begin_for_principal(&request).await?;
        tx.detach_certificate(&request.thing_name, &id).await?;
        self.settle(tx, vec![id], None).await?;
        Ok(Empty {})
    }

    /// A transaction, and the id of the certificate that the request names; it and the thing exist.
    async fn begin_for_principal(
        &self,
        request: &ThingPrincipalRequest,
    ) -> Result<(Tx, String), ApiError> {
        let id = self.certificate_of(&request.principal)?;
        let mut tx = self.inner.store.begin().await?;
        existing_thing(&mut tx, &request.thing_name).await?;
        existing_certificate(&mut tx, &id).await?;
        Ok((tx, id))
    }

    /// `ListThingPrincipals`.
    ///
    /// # Errors
    /// A member is not valid, or there is no such thing.
    pub async fn list_thing_principals(
        &self,
        request: ListThingPrincipalsRequest,
    ) -> Result<ListThingPrincipalsResponse, ApiError> {
        let token = request.next_token.as_deref();
        let page = Page::by_token("principals", token, request.max_results)?;
        let mut reader = self.inner.store.read().await?;
        existing_thing(&mut reader, &request.thing_name).await?;
        let ids = reader.certificates_of_thing(&request.thing_name).await?;
        let (ids, next_token) = page.of_sorted(ids);
        let principals = ids.iter().map(|id| self.inner.account.certificate(id)).collect();
        Ok(ListThingPrincipalsResponse { principals, next_token })
    }

    /// `ListPrincipalThings`.
    ///
    /// # Errors
    /// A member is not valid, or there is no such certificate.
    pub async fn list_principal_things(
        &self,
        request: ListPrincipalThingsRequest,
    ) -> Result<ThingNamesResponse, ApiError> {
        let token = request.next_token.as_deref();
        let page = Page::by_token("things-of-principal", token, request.max_results)?;
        let id = self.certificate_of(&request.principal)?;
        let mut reader = self.inner.store.read().await?;
        existing_certificate(&mut reader, &id).await?;
        let (things, next_token) = page.of_sorted(reader.things_of_certificate(&id).await?);
        Ok(ThingNamesResponse { things, next_token })
    }

    /// The certificates whose policies change with those of `target`.
    pub(crate) async fn affected_by(
        &self,
        reader: &mut Reader,
        target: &str,
    ) -> Result<Vec<String>, ApiError> {
        match self.existing_target(reader, target).await? {
            PolicyTarget::Certificate(id) => Ok(vec![id]),
            PolicyTarget::ThingGroup(group) => certificates_of_members(reader, &group).await,
        }
    }

    async fn existing_target(
        &self,
        reader: &mut Reader,
        arn: &str,
    ) -> Result<PolicyTarget, ApiError> {
        let account = &self.inner.account;
        if let Some(id) = arn.strip_prefix(&account.certificate("")) {
            Ok(PolicyTarget::Certificate(existing_certificate(reader, id).await?.id))
        } else if let Some(name) = arn.strip_prefix(&account.thing_group("")) {
            Ok(PolicyTarget::ThingGroup(existing_group(reader, name).await?.name))
        } else {
            Err(ApiError::invalid_request(format!(
                "`target` is `{arn}`: use the ARN of a certificate ({}…) or of a thing group ({}…)",
                account.certificate(""),
                account.thing_group("")
            )))
        }
    }

    pub(crate) fn certificate_of(&self, principal: &str) -> Result<String, ApiError> {
        let prefix = self.inner.account.certificate("");
        principal.strip_prefix(&prefix).map(str::to_owned).ok_or_else(|| {
            ApiError::invalid_request(format!(
                "`principal` is `{principal}`: use the ARN of a certificate ({prefix}…)"
            ))
        })
    }
}
