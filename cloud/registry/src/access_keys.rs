//! Access keys: whose they are, and the secrets that signatures are verified with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marram_aws::ApiError;

use crate::keys::name_of;
use crate::permissions::{self, Permissions};
use crate::registry::Registry;
use crate::sealing::{NoRandom, random};

/// Whoever signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A long-term key of the people who run this cloud.
    User {
        /// Its ARN.
        arn: String,
    },
    /// The cloud's own key, with which it signs the URLs of component artifacts.
    System {
        /// Its ARN.
        arn: String,
    },
    /// Temporary credentials that a device got for a role alias.
    Role {
        /// The ARN of its session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/CERTIFICATE`.
        arn: String,
        /// The role.
        role_arn: String,
        /// The alias it was asked for by.
        role_alias: String,
        /// The certificate that asked.
        certificate_id: String,
        /// The thing that the certificate spoke for, if it named one.
        thing_name: Option<String>,
    },
}

impl Principal {
    /// The name of the user; none for a role.
    pub fn user_name(&self) -> Option<&str> {
        match self {
            Self::User { arn } | Self::System { arn } => Some(name_of(arn)),
            Self::Role { .. } => None,
        }
    }

    /// What `GetCallerIdentity` answers.
    pub fn arn(&self) -> &str {
        match self {
            Self::User { arn } | Self::System { arn } | Self::Role { arn, .. } => arn,
        }
    }
}

/// An access key with what is needed to verify a signature.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownAccessKey {
    /// The secret.
    pub secret_access_key: String,
    /// Whose it is.
    pub principal: Principal,
    /// What its holder may do.
    pub permissions: Permissions,
    /// For a temporary key: what was issued with it.
    pub session: Option<KnownSession>,
}

/// What was issued with a temporary key.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownSession {
    /// The token that every request must carry.
    pub token: String,
    /// When the key stops working, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

impl fmt::Debug for KnownAccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownAccessKey")
            .field("principal", &self.principal)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KnownSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownSession")
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// The access key `id`, long-term or temporary; expired ones are given too, so that the
    /// verifier can say so, but no disabled ones.
    ///
    /// # Errors
    /// The store failed, or the key file does not belong to it.
    pub async fn principal_for_access_key(
        &self,
        id: &str,
    ) -> Result<Option<KnownAccessKey>, ApiError> {
        let mut reader = self.inner.store.read().await?;
        if let Some(key) = reader.access_key(id).await? {
            if !key.is_active {
                return Ok(None);
            }
            let arn = key.principal;
            let (principal, permissions) = match id == self.inner.system_key.access_key_id {
                true => (Principal::System { arn }, Permissions::Artifacts),
                false => {
                    (Principal::User { arn }, permissions::of_key(id, key.policy_json.as_deref())?)
                }
            };
            return Ok(Some(KnownAccessKey {
                secret_access_key: self.unseal(id, &key.sealed_secret)?,
                principal,
                permissions,
                session: None,
            }));
        }
        let Some(session) = reader.session(id).await? else { return Ok(None) };
        let account = &self.inner.account;
        let role = session.role_arn.rsplit('/').next().unwrap_or_default();
        Ok(Some(KnownAccessKey {
            secret_access_key: self.unseal(id, &session.sealed_secret)?,
            permissions: permissions::of_role(&mut reader, &self.inner.account, &session.role_arn)
                .await?,
            session: Some(KnownSession {
                token: self.unseal(&token_owner(id), &session.sealed_token)?,
                expires_at_ms: session.expires_at_ms,
            }),
            principal: Principal::Role {
                arn: format!(
                    "arn:{}:sts::{}:assumed-role/{role}/{}",
                    account.partition, account.account_id, session.certificate_id
                ),
                role_arn: session.role_arn,
                role_alias: session.role_alias,
                certificate_id: session.certificate_id,
                thing_name: session.thing_name,
            },
        }))
    }

    fn unseal(&self, id: &str, sealed: &str) -> Result<String, ApiError> {
        self.inner.sealing.unseal(id, sealed).map_err(|error| ApiError::internal(error.to_string()))
    }
}

/// `prefix` (`AKIA`, `ASIA`) and 16 letters and digits, as IAM makes them.
pub(crate) fn new_access_key_id(prefix: &str) -> Result<String, NoRandom> {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bytes: [u8; 16] = random()?;
    let tail = bytes.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)]));
    Ok(prefix.chars().chain(tail).collect())
}

/// 240 random bits in 40 characters, the length of IAM's secrets.
pub(crate) fn new_secret() -> Result<String, NoRandom> {
    Ok(STANDARD.encode(random::<30>()?))
}

/// A session token; AWS's are longer, but nothing reads them.
pub(crate) fn new_token() -> Result<String, NoRandom> {
    Ok(STANDARD.encode(random::<48>()?))
}

/// Under which a session token is sealed: not that of the key's secret, so that the two cannot be
/// exchanged.
pub(crate) fn token_owner(access_key_id: &str) -> String {
    format!("{access_key_id}/token")
}
