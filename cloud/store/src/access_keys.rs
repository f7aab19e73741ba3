//! Long-term access keys of people and of the cloud itself.

use std::fmt;

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A long-term access key.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`.
    pub access_key_id: String,
    /// ARN of whoever signs with it.
    pub principal: String,
    /// The secret, encrypted by the registry; base64.
    pub sealed_secret: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("access_key_id", &self.access_key_id)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// The access key `id`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn access_key(&mut self, id: &str) -> Result<Option<AccessKey>, StoreError> {
        let row = sqlx::query(
            "SELECT access_key_id, principal, sealed_secret, created_at FROM access_keys \
             WHERE access_key_id = $1",
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(AccessKey {
            access_key_id: row.try_get("access_key_id")?,
            principal: row.try_get("principal")?,
            sealed_secret: row.try_get("sealed_secret")?,
            created_at_ms: row.try_get("created_at")?,
        }))
    }
}

impl Tx {
    /// Adds an access key.
    ///
    /// # Errors
    /// The id is taken, or the database refused.
    pub async fn insert_access_key(&mut self, key: &AccessKey) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_keys (access_key_id, principal, sealed_secret, created_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(key.access_key_id.as_str())
        .bind(key.principal.as_str())
        .bind(key.sealed_secret.as_str())
        .bind(key.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
