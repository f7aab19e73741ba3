//! IoT policies and the versions of their documents. Only the default version is in force.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::age::{AgePosition, ByAge};
use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A policy with its default version's document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name, which is its key.
    pub name: String,
    /// A UUID that no later policy of the same name has.
    pub generation_id: String,
    /// The version in force.
    pub default_version: i64,
    /// That version's document, as it was sent.
    pub document: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When its default version last changed, in milliseconds since 1970.
    pub modified_at_ms: i64,
}

impl Policy {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("policy_name")?,
            generation_id: row.try_get("generation_id")?,
            default_version: row.try_get("default_version")?,
            document: row.try_get("document")?,
            created_at_ms: row.try_get("created_at")?,
            modified_at_ms: row.try_get("modified_at")?,
        })
    }
}

const BY_AGE: ByAge = ByAge {
    oldest_first: "SELECT p.policy_name, p.generation_id, p.default_version, \
     v.document, p.created_at, p.modified_at FROM policies p \
     JOIN policy_versions v ON v.policy_name = p.policy_name AND v.version = p.default_version \
     WHERE p.created_at > $1 OR (p.created_at = $1 AND p.policy_name > $2) \
     ORDER BY p.created_at, p.policy_name LIMIT $3",
    newest_first: "SELECT p.policy_name, p.generation_id, p.default_version, \
     v.document, p.created_at, p.modified_at FROM policies p \
     JOIN policy_versions v ON v.policy_name = p.policy_name AND v.version = p.default_version \
     WHERE p.created_at < $1 OR (p.created_at = $1 AND p.policy_name < $2) \
     ORDER BY p.created_at DESC, p.policy_name DESC LIMIT $3",
};

impl Reader {
    /// The policy `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn policy(&mut self, name: &str) -> Result<Option<Policy>, StoreError> {
        let row = sqlx::query(
            "SELECT p.policy_name, p.generation_id, p.default_version, v.document, \
             p.created_at, p.modified_at FROM policies p JOIN policy_versions v \
             ON v.policy_name = p.policy_name AND v.version = p.default_version \
             WHERE p.policy_name = $1",
        )
        .bind(name)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(Policy::from_row).transpose()
    }

    /// At most `limit` policies from `from` on, oldest or newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn policies_from(
        &mut self,
        from: &AgePosition,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<Policy>, StoreError> {
        self.rows_by_age(&BY_AGE, from, oldest_first, limit, Policy::from_row).await
    }
}

impl Tx {
    /// Adds a policy and its default version; `false` when the name is taken.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_policy(&mut self, policy: &Policy) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO policies (policy_name, generation_id, default_version, created_at, \
             modified_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (policy_name) DO NOTHING",
        )
        .bind(policy.name.as_str())
        .bind(policy.generation_id.as_str())
        .bind(policy.default_version)
        .bind(policy.created_at_ms)
        .bind(policy.modified_at_ms)
        .execute(self.connection())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO policy_versions (policy_name, version, document, created_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(policy.name.as_str())
        .bind(policy.default_version)
        .bind(policy.document.as_str())
        .bind(policy.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(true)
    }

    /// Removes a policy and all its versions; `false` when there is none.
    ///
    /// # Errors
    /// It is still attached, or the database refused.
    pub async fn delete_policy(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM policies WHERE policy_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
