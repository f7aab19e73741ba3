//! Temporary credentials for devices: the credentials provider of AWS IoT.

use marram_aws::ApiError;
use marram_model::data_plane::Credentials;
use marram_store::Session;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::access_keys::{new_access_key_id, new_secret, new_token, token_owner};
use crate::identity::DeviceIdentity;
use crate::registry::Registry;
use crate::roles::role_of_session;
use crate::sealing::NoRandom;

/// Ended credentials are known for another day, so that their user reads "expired", not "unknown".
const KEEP_ENDED_MS: i64 = 24 * 60 * 60 * 1000;

impl Registry {
    /// Credentials for the device `identity` through the role alias `alias`; `thing` is what the
    /// device named in the header `x-amzn-iot-thingname`.
    ///
    /// # Errors
    /// 403 when the certificate is not active, lacks `iot:AssumeRoleWithCertificate` on the alias
    /// or is not attached to `thing`; 404 when there is no such alias.
    pub async fn issue_role_credentials(
        &self,
        identity: &DeviceIdentity,
        alias: &str,
        thing: Option<&str>,
    ) -> Result<Credentials, ApiError> {
        self.check_may_assume(identity, alias, thing)?;
        let mut tx = self.inner.store.begin().await?;
        let alias =
            tx.role_alias(alias).await?.ok_or_else(|| ApiError::not_found("RoleAlias", alias))?;
        let role = role_of_session(&mut tx, &self.inner.account, &alias.role_arn).await?;
        let duration_s = role.map_or(alias.duration_s, |role| role.session_s.min(alias.duration_s));
        let now_ms = self.now_ms();
        let expires_at_ms = now_ms + duration_s * 1000;
        let (session, credentials) = self
            .new_session(|access_key_id, sealed_secret, sealed_token| Session {
                access_key_id,
                sealed_secret,
                sealed_token,
                role_alias: alias.name,
                role_arn: alias.role_arn,
                certificate_id: identity.certificate_id().to_owned(),
                thing_name: thing.map(str::to_owned),
                expires_at_ms,
            })
            .map_err(|error| ApiError::internal(error.to_string()))?;
        tx.insert_session(&session).await?;
        tx.delete_sessions_ended_before(now_ms - KEEP_ENDED_MS).await?;
        tx.commit().await?;
        Ok(credentials)
    }

    fn check_may_assume(
        &self,
        identity: &DeviceIdentity,
        alias: &str,
        thing: Option<&str>,
    ) -> Result<(), ApiError> {
        const ACTION: &str = "iot:AssumeRoleWithCertificate";
        let denied = |reason: String| ApiError::access_denied(format!("Access Denied: {reason}"));
        let id = identity.certificate_id();
        if !identity.is_active() {
            return Err(denied(format!("the certificate `{id}` is not ACTIVE")));
        }
        if let Some(thing) = thing.filter(|thing| !identity.is_attached_to(thing)) {
            return Err(denied(format!("the certificate `{id}` is not attached to `{thing}`")));
        }
        let resource = self.inner.account.role_alias(alias);
        if !identity.decide_http(ACTION, &resource).is_allowed() {
            return Err(denied(format!(
                "no policy of the certificate `{id}` allows {ACTION} on {resource}"
            )));
        }
        Ok(())
    }

    fn new_session(
        &self,
        row: impl FnOnce(String, String, String) -> Session,
    ) -> Result<(Session, Credentials), NoRandom> {
        let access_key_id = new_access_key_id("ASIA")?;
        let secret_access_key = new_secret()?;
        let session_token = new_token()?;
        let sealing = &self.inner.sealing;
        let session = row(
            access_key_id.clone(),
            sealing.seal(&access_key_id, &secret_access_key)?,
            sealing.seal(&token_owner(&access_key_id), &session_token)?,
        );
        let expiration = whole_seconds(session.expires_at_ms);
        Ok((session, Credentials { access_key_id, secret_access_key, session_token, expiration }))
    }
}

/// `2026-01-02T04:04:05Z`.
fn whole_seconds(ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}
