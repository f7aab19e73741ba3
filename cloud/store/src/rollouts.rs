//! Roll-outs: how far each job has spread, and what of it is due.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::executions::ExecutionRow;
use crate::store::{Reader, Tx};

/// How one job spreads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRow {
    /// The job.
    pub job_id: String,
    /// What was asked for.
    pub plan_json: String,
    /// How far it is.
    pub progress_json: String,
    /// When more executions may be released, in seconds since 1970; `None` when none waits.
    pub due_at_s: Option<i64>,
}

impl RolloutRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            job_id: row.try_get("job_id")?,
            plan_json: row.try_get("plan_json")?,
            progress_json: row.try_get("progress_json")?,
            due_at_s: row.try_get("due_at_s")?,
        })
    }
}

impl Reader {
    /// How the job spreads; `None` if it has neither a pace nor an end of its own.
    ///
    /// # Errors
    /// The database refused.
    pub async fn rollout(&mut self, job_id: &str) -> Result<Option<RolloutRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM job_rollouts WHERE job_id = $1")
            .bind(job_id)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(RolloutRow::from_row).transpose()
    }

    /// At most `limit` jobs that may release executions now, the longest due first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn due_rollouts(
        &mut self,
        now_s: i64,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT job_id FROM job_rollouts WHERE due_at_s <= $1 ORDER BY due_at_s LIMIT $2",
        )
        .bind(now_s)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("job_id")?)).collect()
    }

    /// At most `limit` executions of the job that wait for their release, the one queued first
    /// first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unreleased_executions(
        &mut self,
        job_id: &str,
        limit: i64,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM job_executions WHERE job_id = $1 AND is_released = 0 \
             AND is_pending = 1 ORDER BY queued_at_s, thing_name LIMIT $2",
        )
        .bind(job_id)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }

    /// At most `limit` executions whose time is over, the longest over first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn timed_out_executions(
        &mut self,
        now_s: i64,
        limit: i64,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM job_executions WHERE is_pending = 1 AND times_out_at_s <= $1 \
             ORDER BY times_out_at_s LIMIT $2",
        )
        .bind(now_s)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }
}

impl Tx {
    /// Keeps how far the job is, whatever was there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_rollout(&mut self, row: &RolloutRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO job_rollouts (job_id, plan_json, progress_json, due_at_s) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (job_id) DO UPDATE SET \
             plan_json = excluded.plan_json, progress_json = excluded.progress_json, due_at_s = excluded.due_at_s",
        )
        .bind(row.job_id.as_str())
        .bind(row.plan_json.as_str())
        .bind(row.progress_json.as_str())
        .bind(row.due_at_s)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
