//! Temporary credentials that a device got for a role alias.

use std::fmt;

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// Temporary credentials: who they were given to, and until when they work.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The secret, encrypted by the registry; base64.
    pub sealed_secret: String,
    /// The session token, encrypted by the registry; base64.
    pub sealed_token: String,
    /// The role alias they were asked for by.
    pub role_alias: String,
    /// The role's ARN at that time.
    pub role_arn: String,
    /// The certificate that asked.
    pub certificate_id: String,
    /// The thing the certificate spoke for, if it named one.
    pub thing_name: Option<String>,
    /// When they end, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("access_key_id", &self.access_key_id)
            .field("role_alias", &self.role_alias)
            .field("certificate_id", &self.certificate_id)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// The temporary credentials `access_key_id`, expired or not.
    ///
    /// # Errors
    /// The database refused.
    pub async fn session(&mut self, access_key_id: &str) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(
            "SELECT access_key_id, sealed_secret, sealed_token, role_alias, role_arn, \
             certificate_id, thing_name, expires_at FROM sessions WHERE access_key_id = $1",
        )
        .bind(access_key_id)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Session {
            access_key_id: row.try_get("access_key_id")?,
            sealed_secret: row.try_get("sealed_secret")?,
            sealed_token: row.try_get("sealed_token")?,
            role_alias: row.try_get("role_alias")?,
            role_arn: row.try_get("role_arn")?,
            certificate_id: row.try_get("certificate_id")?,
            thing_name: row.try_get("thing_name")?,
            expires_at_ms: row.try_get("expires_at")?,
        }))
    }
}

impl Tx {
    /// Adds temporary credentials.
    ///
    /// # Errors
    /// The id is taken, or the database refused.
    pub async fn insert_session(&mut self, session: &Session) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (access_key_id, sealed_secret, sealed_token, role_alias, \
             role_arn, certificate_id, thing_name, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(session.access_key_id.as_str())
        .bind(session.sealed_secret.as_str())
        .bind(session.sealed_token.as_str())
        .bind(session.role_alias.as_str())
        .bind(session.role_arn.as_str())
        .bind(session.certificate_id.as_str())
        .bind(session.thing_name.as_deref())
        .bind(session.expires_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the credentials that ended before `ms`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_sessions_ended_before(&mut self, ms: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE expires_at < $1")
            .bind(ms)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
