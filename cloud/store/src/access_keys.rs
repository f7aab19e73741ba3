//! Long-term access keys of people and of the cloud itself.

use std::fmt;

use sqlx::Row;
use sqlx::any::AnyRow;

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
    /// The IAM policy that says what it may do; without one it may do everything.
    pub policy_json: Option<String>,
    /// Whether it may be used.
    pub is_active: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl AccessKey {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            access_key_id: row.try_get("access_key_id")?,
            principal: row.try_get("principal")?,
            sealed_secret: row.try_get("sealed_secret")?,
            policy_json: row.try_get("policy_json")?,
            is_active: row.try_get::<i64, _>("is_active")? != 0,
            created_at_ms: row.try_get("created_at")?,
        })
    }
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
            "SELECT access_key_id, principal, sealed_secret, policy_json, is_active, created_at \
             FROM access_keys WHERE access_key_id = $1",
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(AccessKey::from_row).transpose()
    }

    /// All access keys, oldest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn access_keys(&mut self) -> Result<Vec<AccessKey>, StoreError> {
        let rows = sqlx::query(
            "SELECT access_key_id, principal, sealed_secret, policy_json, is_active, created_at \
             FROM access_keys ORDER BY created_at, access_key_id",
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(AccessKey::from_row).collect()
    }
}

impl Tx {
    /// Adds an access key.
    ///
    /// # Errors
    /// The id is taken, or the database refused.
    pub async fn insert_access_key(&mut self, key: &AccessKey) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_keys (access_key_id, principal, sealed_secret, policy_json, \
             is_active, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(key.access_key_id.as_str())
        .bind(key.principal.as_str())
        .bind(key.sealed_secret.as_str())
        .bind(key.policy_json.as_deref())
        .bind(i64::from(key.is_active))
        .bind(key.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Lets an access key be used, or no longer.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_access_key_active(
        &mut self,
        id: &str,
        is_active: bool,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE access_keys SET is_active = $2 WHERE access_key_id = $1")
            .bind(id)
            .bind(i64::from(is_active))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Removes an access key.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_access_key(&mut self, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM access_keys WHERE access_key_id = $1")
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
