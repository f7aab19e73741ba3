//! The versions of an IoT policy's document.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A version of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number.
    pub version: i64,
    /// Its document, as it was sent.
    pub document: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl PolicyVersion {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.try_get("version")?,
            document: row.try_get("document")?,
            created_at_ms: row.try_get("created_at")?,
        })
    }
}

impl Reader {
    /// All versions of the policy, by number; there are at most five.
    ///
    /// # Errors
    /// The database refused.
    pub async fn policy_versions(&mut self, name: &str) -> Result<Vec<PolicyVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT version, document, created_at FROM policy_versions \
             WHERE policy_name = $1 ORDER BY version",
        )
        .bind(name)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(PolicyVersion::from_row).collect()
    }
}

impl Tx {
    /// Adds a version under the next number, which no version of this policy had before.
    ///
    /// # Errors
    /// There is no such policy, or the database refused.
    pub async fn insert_policy_version(
        &mut self,
        name: &str,
        document: &str,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "UPDATE policies SET last_version = last_version + 1 WHERE policy_name = $1 \
             RETURNING last_version",
        )
        .bind(name)
        .fetch_one(self.connection())
        .await?;
        let version: i64 = row.try_get("last_version")?;
        sqlx::query(
            "INSERT INTO policy_versions (policy_name, version, document, created_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(name)
        .bind(version)
        .bind(document)
        .bind(now_ms)
        .execute(self.connection())
        .await?;
        Ok(version)
    }

    /// Puts a version of the policy in force.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_default_policy_version(
        &mut self,
        name: &str,
        version: i64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE policies SET default_version = $2, modified_at = $3 WHERE policy_name = $1",
        )
        .bind(name)
        .bind(version)
        .bind(now_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes one version of the policy.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_policy_version(
        &mut self,
        name: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM policy_versions WHERE policy_name = $1 AND version = $2")
            .bind(name)
            .bind(version)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
