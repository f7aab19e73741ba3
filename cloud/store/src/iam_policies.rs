//! Managed IAM policies: documents with a name of their own, to be attached to roles.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A policy that people made with IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// Its name, which is its key.
    pub name: String,
    /// `ANPA…`.
    pub id: String,
    /// `/`, or the folders in its ARN.
    pub path: String,
    /// What people wrote about it.
    pub description: Option<String>,
    /// The document, as it was sent.
    pub policy_json: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl ManagedPolicy {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("policy_name")?,
            id: row.try_get("policy_id")?,
            path: row.try_get("path")?,
            description: row.try_get("description")?,
            policy_json: row.try_get("policy_json")?,
            created_at_ms: row.try_get("created_at")?,
        })
    }
}

impl Reader {
    /// The managed policy `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn managed_policy(
        &mut self,
        name: &str,
    ) -> Result<Option<ManagedPolicy>, StoreError> {
        let row = sqlx::query(
            "SELECT policy_name, policy_id, path, description, policy_json, created_at \
             FROM iam_policies WHERE policy_name = $1",
        )
        .bind(name)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(ManagedPolicy::from_row).transpose()
    }

    /// At most `limit` managed policies with a name behind `after`, by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn managed_policies_after(
        &mut self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ManagedPolicy>, StoreError> {
        let rows = sqlx::query(
            "SELECT policy_name, policy_id, path, description, policy_json, created_at \
             FROM iam_policies WHERE policy_name > $1 ORDER BY policy_name LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ManagedPolicy::from_row).collect()
    }
}

impl Tx {
    /// Adds a managed policy; `false` when the name is taken.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_managed_policy(
        &mut self,
        policy: &ManagedPolicy,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO iam_policies (policy_name, policy_id, path, description, policy_json, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (policy_name) DO NOTHING",
        )
        .bind(policy.name.as_str())
        .bind(policy.id.as_str())
        .bind(policy.path.as_str())
        .bind(policy.description.as_deref())
        .bind(policy.policy_json.as_str())
        .bind(policy.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a managed policy.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_managed_policy(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM iam_policies WHERE policy_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
