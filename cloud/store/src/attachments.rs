//! What is attached to what: policies to certificates and thing groups, certificates to things.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

impl Reader {
    /// The names of all policies attached to exactly `target` (an ARN), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn policies_of_target(&mut self, target: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT policy_name FROM policy_attachments WHERE target = $1 ORDER BY policy_name",
        )
        .bind(target)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("policy_name")?)).collect()
    }

    /// At most `limit` ARNs that `policy` is attached to and that sort after `after` (`""` for
    /// the first), in order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn targets_of_policy_after(
        &mut self,
        policy: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT target FROM policy_attachments WHERE policy_name = $1 AND target > $2 \
             ORDER BY target LIMIT $3",
        )
        .bind(policy)
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("target")?)).collect()
    }

    /// The ids of all certificates attached to `thing`, in order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn certificates_of_thing(&mut self, thing: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT certificate_id FROM thing_principals WHERE thing_name = $1 \
             ORDER BY certificate_id",
        )
        .bind(thing)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("certificate_id")?)).collect()
    }

    /// The names of all things that the certificate `id` is attached to, by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn things_of_certificate(&mut self, id: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT thing_name FROM thing_principals WHERE certificate_id = $1 \
             ORDER BY thing_name",
        )
        .bind(id)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("thing_name")?)).collect()
    }
}

impl Tx {
    /// Attaches `policy` to `target` (an ARN); `false` when it was.
    ///
    /// # Errors
    /// There is no such policy, or the database refused.
    pub async fn attach_policy(&mut self, policy: &str, target: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO policy_attachments (policy_name, target) VALUES ($1, $2) \
             ON CONFLICT (policy_name, target) DO NOTHING",
        )
        .bind(policy)
        .bind(target)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Detaches `policy` from `target`; `false` when it was not attached.
    ///
    /// # Errors
    /// The database refused.
    pub async fn detach_policy(&mut self, policy: &str, target: &str) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM policy_attachments WHERE policy_name = $1 AND target = $2")
                .bind(policy)
                .bind(target)
                .execute(self.connection())
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Detaches every policy from `target`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn detach_all_policies(&mut self, target: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM policy_attachments WHERE target = $1")
            .bind(target)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Attaches the certificate `id` to `thing`; `false` when it was.
    ///
    /// # Errors
    /// One of them does not exist, or the database refused.
    pub async fn attach_certificate(&mut self, thing: &str, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO thing_principals (thing_name, certificate_id) VALUES ($1, $2) \
             ON CONFLICT (thing_name, certificate_id) DO NOTHING",
        )
        .bind(thing)
        .bind(id)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Detaches the certificate `id` from `thing`; `false` when it was not attached.
    ///
    /// # Errors
    /// The database refused.
    pub async fn detach_certificate(&mut self, thing: &str, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "DELETE FROM thing_principals WHERE thing_name = $1 AND certificate_id = $2",
        )
        .bind(thing)
        .bind(id)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
