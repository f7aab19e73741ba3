//! Jobs that people made; those that carry deployments are with the deployments.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// `""` for the topics without a namespace.
    pub namespace: String,
    /// `CONTINUOUS` or `SNAPSHOT`.
    pub target_selection: String,
    /// `IN_PROGRESS`, `COMPLETED` or `CANCELED`.
    pub status: String,
    /// Whether it was cancelled with what was in progress.
    pub is_force_canceled: bool,
    /// Why it was cancelled, as a code.
    pub reason_code: Option<String>,
    /// Why it was cancelled or given targets, in words.
    pub comment: Option<String>,
    /// What it was asked to be, with later updates.
    pub request_json: String,
    /// What devices get.
    pub document_json: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it last changed itself, in milliseconds since 1970.
    pub updated_at_ms: i64,
    /// When it was over, in milliseconds since 1970.
    pub completed_at_ms: Option<i64>,
}

/// What a list of jobs shows, also of those that carry deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedJob {
    /// Its id.
    pub id: String,
    /// `CONTINUOUS` or `SNAPSHOT`.
    pub target_selection: String,
    /// `IN_PROGRESS`, `COMPLETED` or `CANCELED`.
    pub status: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it last changed itself, in milliseconds since 1970.
    pub updated_at_ms: i64,
    /// When it was over, in milliseconds since 1970.
    pub completed_at_ms: Option<i64>,
    /// Whether executions still wait for their release.
    pub is_spreading: bool,
}

/// What [`Reader::jobs_before`] lists; all when empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those in this status.
    pub status: Option<String>,
    /// Only those with this selection of targets.
    pub target_selection: Option<String>,
    /// Only those in this namespace.
    pub namespace: Option<String>,
    /// Only those with this target.
    pub target_arn: Option<String>,
}

impl JobRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("job_id")?,
            namespace: row.try_get("namespace")?,
            target_selection: row.try_get("target_selection")?,
            status: row.try_get("status")?,
            is_force_canceled: row.try_get::<i64, _>("is_force_canceled")? != 0,
            reason_code: row.try_get("reason_code")?,
            comment: row.try_get("comment")?,
            request_json: row.try_get("request_json")?,
            document_json: row.try_get("document_json")?,
            created_at_ms: row.try_get("created_at")?,
            updated_at_ms: row.try_get("updated_at")?,
            completed_at_ms: row.try_get("completed_at")?,
        })
    }
}

impl Reader {
    /// The job `id`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn job(&mut self, id: &str) -> Result<Option<JobRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE job_id = $1")
            .bind(id)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(JobRow::from_row).transpose()
    }

    /// The ARNs that the job is for, sorted.
    ///
    /// # Errors
    /// The database refused.
    pub async fn job_targets(&mut self, id: &str) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("SELECT target_arn FROM job_targets WHERE job_id = $1 ORDER BY target_arn")
                .bind(id)
                .fetch_all(self.connection())
                .await?;
        rows.iter().map(|row| Ok(row.try_get("target_arn")?)).collect()
    }

    /// The jobs in progress that things get when they join a target, of the target `target_arn`,
    /// or all where that is `""`; the oldest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn continuous_jobs(&mut self, target_arn: &str) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE status = 'IN_PROGRESS' AND target_selection = 'CONTINUOUS' \
             AND ($1 = '' OR job_id IN (SELECT job_id FROM job_targets WHERE target_arn = $1)) \
             ORDER BY created_at, job_id",
        )
        .bind(target_arn)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(JobRow::from_row).collect()
    }

    /// At most `limit` jobs, newest first, older than `before` (creation time in milliseconds and
    /// id; `None` for the newest); the jobs of deployments too, which are all CONTINUOUS and in
    /// the namespace `deployments`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn jobs_before(
        &mut self,
        filter: &JobFilter,
        deployments: &str,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> Result<Vec<ListedJob>, StoreError> {
        let (before_ms, before_id) = before.unwrap_or((i64::MAX, ""));
        let rows = sqlx::query(
            "SELECT j.*, (SELECT COUNT(*) FROM job_rollouts r \
               WHERE r.job_id = j.job_id AND r.due_at_s IS NOT NULL) AS spreading FROM ( \
               SELECT job_id, namespace, target_selection, status, created_at, updated_at, \
                 completed_at FROM jobs \
                 WHERE $1 = '' OR job_id IN \
                   (SELECT job_id FROM job_targets WHERE target_arn = $1) \
               UNION ALL SELECT job_id, $2, 'CONTINUOUS', CASE status \
                 WHEN 'ACTIVE' THEN 'IN_PROGRESS' WHEN 'CANCELED' THEN 'CANCELED' \
                 ELSE 'COMPLETED' END, created_at, created_at, NULL FROM deployments \
                 WHERE job_id IS NOT NULL AND is_deleted = 0 AND ($1 = '' OR target_arn = $1) \
             ) j WHERE (created_at < $3 OR (created_at = $3 AND job_id < $4)) \
             AND ($5 = '' OR status = $5) AND ($6 = '' OR target_selection = $6) \
             AND ($7 = 0 OR namespace = $8) \
             ORDER BY created_at DESC, job_id DESC LIMIT $9",
        )
        .bind(filter.target_arn.as_deref().unwrap_or_default())
        .bind(deployments)
        .bind(before_ms)
        .bind(before_id)
        .bind(filter.status.as_deref().unwrap_or_default())
        .bind(filter.target_selection.as_deref().unwrap_or_default())
        .bind(i64::from(filter.namespace.is_some()))
        .bind(filter.namespace.as_deref().unwrap_or_default())
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        let jobs = rows.iter().map(|row| {
            Ok(ListedJob {
                id: row.try_get("job_id")?,
                target_selection: row.try_get("target_selection")?,
                status: row.try_get("status")?,
                created_at_ms: row.try_get("created_at")?,
                updated_at_ms: row.try_get("updated_at")?,
                completed_at_ms: row.try_get("completed_at")?,
                is_spreading: row.try_get::<i64, _>("spreading")? != 0,
            })
        });
        jobs.collect()
    }
}

impl Tx {
    /// Keeps a job, whatever was there under its id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_job(&mut self, row: &JobRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO jobs (job_id, namespace, target_selection, status, is_force_canceled, \
             reason_code, comment, request_json, document_json, created_at, updated_at, \
             completed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (job_id) DO UPDATE SET status = excluded.status, \
             is_force_canceled = excluded.is_force_canceled, \
             reason_code = excluded.reason_code, comment = excluded.comment, \
             request_json = excluded.request_json, updated_at = excluded.updated_at, \
             completed_at = excluded.completed_at",
        )
        .bind(row.id.as_str())
        .bind(row.namespace.as_str())
        .bind(row.target_selection.as_str())
        .bind(row.status.as_str())
        .bind(i64::from(row.is_force_canceled))
        .bind(row.reason_code.as_deref())
        .bind(row.comment.as_deref())
        .bind(row.request_json.as_str())
        .bind(row.document_json.as_str())
        .bind(row.created_at_ms)
        .bind(row.updated_at_ms)
        .bind(row.completed_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Adds a target to the job, unless it has it.
    ///
    /// # Errors
    /// There is no such job, or the database refused.
    pub async fn put_job_target(&mut self, id: &str, target_arn: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO job_targets (job_id, target_arn) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(target_arn)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes a job with its targets, its roll-out and its executions.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_job(&mut self, id: &str) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM job_executions WHERE job_id = $1",
            "DELETE FROM job_rollouts WHERE job_id = $1",
            "DELETE FROM job_targets WHERE job_id = $1",
            "DELETE FROM jobs WHERE job_id = $1",
        ] {
            sqlx::query(sql).bind(id).execute(self.connection()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
