//! What a caller may do, asked before anything is done.

use std::net::IpAddr;

use marram_aws::ApiError;
use marram_blobs::s3;
use marram_policy::iam::{Context, Decision};
use marram_registry::{Permissions, Principal};

/// A verified caller with what policies let them do.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) principal: Principal,
    permissions: Permissions,
    source_ip: String,
    over_tls: bool,
}

impl Authority {
    pub(crate) fn new(
        principal: Principal,
        permissions: Permissions,
        source: IpAddr,
        over_tls: bool,
    ) -> Self {
        let source_ip = source.to_canonical().to_string();
        Self { principal, permissions, source_ip, over_tls }
    }

    /// Whether the caller may do `action` (`iot:CreateThing`) to `resource` (an ARN, or `*`).
    ///
    /// # Errors
    /// `AccessDeniedException`, worded as AWS's, since tools and people search for it.
    pub(crate) fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        let because = match &self.permissions {
            Permissions::All => return Ok(()),
            Permissions::Artifacts => "it signs URLs of component artifacts only".to_owned(),
            Permissions::Policies(policies) => {
                match policies.allows(action, resource, &self.context()) {
                    Decision::Allowed => return Ok(()),
                    Decision::NotAllowed => {
                        format!("because no identity-based policy allows the {action} action")
                    }
                    Decision::DeniedExplicitly => {
                        "with an explicit deny in an identity-based policy".to_owned()
                    }
                }
            }
        };
        Err(ApiError::access_denied(format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {because}",
            self.principal.arn()
        )))
    }

    /// For what no policy can give: only a key with full access may do it.
    ///
    /// # Errors
    /// The caller's key has a policy, or is temporary.
    pub(crate) fn require_full_access(&self, action: &str, why: &str) -> Result<(), ApiError> {
        if self.permissions == Permissions::All {
            return Ok(());
        }
        Err(ApiError::access_denied(format!(
            "User: {} is not authorized to perform: {action}: {why}, so only a key with full \
             access may",
            self.principal.arn()
        )))
    }

    /// Whether it is the cloud's own key, whose only use is in URLs.
    pub(crate) fn is_for_artifacts(&self) -> bool {
        self.permissions == Permissions::Artifacts
    }

    fn context(&self) -> Context<'_> {
        let (thing_name, certificate_id) = match &self.principal {
            Principal::Role { thing_name, certificate_id, .. } => {
                (thing_name.as_deref(), Some(certificate_id.as_str()))
            }
            Principal::User { .. } | Principal::System { .. } => (None, None),
        };
        Context {
            principal_arn: Some(self.principal.arn()),
            user_name: self.principal.user_name(),
            source_ip: Some(&self.source_ip),
            secure_transport: self.over_tls,
            thing_name,
            certificate_id,
        }
    }
}

impl s3::Permit for Authority {
    fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        Self::permit(self, action, resource).map_err(|denied| denied.named_for("s3"))
    }

    fn forbids(&self, action: &str, resource: &str) -> bool {
        matches!(
            &self.permissions,
            Permissions::Policies(policies)
                if policies.allows(action, resource, &self.context()) == Decision::DeniedExplicitly
        )
    }
}
