//! Job executions: where each thing stands with each job, a deployment's or one of its own.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// One thing's execution of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionRow {
    /// The job.
    pub job_id: String,
    /// The thing.
    pub thing: String,
    /// The job's namespace; `""` for the topics without one.
    pub namespace: String,
    /// Counts how often the job was queued for the thing, from 1.
    pub number: i64,
    /// As IoT Jobs names it.
    pub status: String,
    /// Whether it is queued or in progress.
    pub is_pending: bool,
    /// Whether its device may know of it.
    pub is_released: bool,
    /// Whether it was cancelled while it was in progress.
    pub is_force_canceled: bool,
    /// How many attempts before this one ended FAILED and were retried.
    pub failed_attempts: i64,
    /// How many attempts before this one ended TIMED_OUT and were retried.
    pub timed_out_attempts: i64,
    /// An object of texts: the device's last details.
    pub details_json: String,
    /// Counts changes from 1.
    pub version: i64,
    /// When it was queued, in seconds since 1970; grows strictly per thing.
    pub queued_at_s: i64,
    /// When it was first in progress, in seconds since 1970.
    pub started_at_s: Option<i64>,
    /// When it last changed, in seconds since 1970.
    pub updated_at_s: i64,
    /// When the job's own time for it is over, in seconds since 1970.
    pub limit_at_s: Option<i64>,
    /// When it is given up if it is still pending, in seconds since 1970.
    pub times_out_at_s: Option<i64>,
}

/// Which executions of a thing to read; all when empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only those in this status.
    pub status: Option<String>,
    /// Only the one of this job.
    pub job_id: Option<String>,
    /// Only those of jobs in this namespace.
    pub namespace: Option<String>,
}

/// The executions of a job that are in one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionCount {
    /// As IoT Jobs names it.
    pub status: String,
    /// How many there are.
    pub executions: i64,
    /// When the last of them changed, in seconds since 1970.
    pub updated_at_s: i64,
}

impl ExecutionRow {
    pub(crate) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            job_id: row.try_get("job_id")?,
            thing: row.try_get("thing_name")?,
            namespace: row.try_get("namespace")?,
            number: row.try_get("execution_number")?,
            status: row.try_get("status")?,
            is_pending: row.try_get::<i64, _>("is_pending")? != 0,
            is_released: row.try_get::<i64, _>("is_released")? != 0,
            is_force_canceled: row.try_get::<i64, _>("is_force_canceled")? != 0,
            failed_attempts: row.try_get("failed_attempts")?,
            timed_out_attempts: row.try_get("timed_out_attempts")?,
            details_json: row.try_get("details_json")?,
            version: row.try_get("version")?,
            queued_at_s: row.try_get("queued_at_s")?,
            started_at_s: row.try_get("started_at_s")?,
            updated_at_s: row.try_get("updated_at_s")?,
            limit_at_s: row.try_get("limit_at_s")?,
            times_out_at_s: row.try_get("times_out_at_s")?,
        })
    }
}

impl Reader {
    /// The thing's execution of the job.
    ///
    /// # Errors
    /// The database refused.
    pub async fn execution(
        &mut self,
        job_id: &str,
        thing: &str,
    ) -> Result<Option<ExecutionRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM job_executions WHERE job_id = $1 AND thing_name = $2")
            .bind(job_id)
            .bind(thing)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(ExecutionRow::from_row).transpose()
    }

    /// The thing's queued and in-progress executions, the one queued first first; those that the
    /// device may not know of yet too.
    ///
    /// # Errors
    /// The database refused.
    pub async fn pending_executions(
        &mut self,
        thing: &str,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM job_executions WHERE thing_name = $1 AND is_pending = 1 \
             ORDER BY queued_at_s",
        )
        .bind(thing)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }

    /// At most `limit` queued and in-progress executions of the job for things whose names sort
    /// after `after` (`""` for the first), by thing name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn pending_executions_of_job(
        &mut self,
        job_id: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM job_executions WHERE job_id = $1 AND is_pending = 1 \
             AND thing_name > $2 ORDER BY thing_name LIMIT $3",
        )
        .bind(job_id)
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }

    /// The queued and in-progress executions of things that do not exist.
    ///
    /// # Errors
    /// The database refused.
    pub async fn orphaned_executions(&mut self) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT e.* FROM job_executions e LEFT JOIN things t ON t.thing_name = e.thing_name \
             WHERE e.is_pending = 1 AND t.thing_name IS NULL ORDER BY e.thing_name, e.job_id",
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }

    /// At most `limit` executions of the thing, whatever their status, of jobs whose ids sort
    /// after `after` (`""` for the first), by job id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn executions_of_thing(
        &mut self,
        thing: &str,
        filter: &ExecutionFilter,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM job_executions WHERE thing_name = $1 AND job_id > $2 \
             AND ($3 = '' OR status = $3) AND ($4 = '' OR job_id = $4) \
             AND ($5 = 0 OR namespace = $6) ORDER BY job_id LIMIT $7",
        )
        .bind(thing)
        .bind(after)
        .bind(filter.status.as_deref().unwrap_or_default())
        .bind(filter.job_id.as_deref().unwrap_or_default())
        .bind(i64::from(filter.namespace.is_some()))
        .bind(filter.namespace.as_deref().unwrap_or_default())
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }

    /// At most `limit` executions of the job, those in `status` if it is not `""`, for things
    /// whose names sort after `after` (`""` for the first), by thing name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn executions_of_job(
        &mut self,
        job_id: &str,
        status: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM job_executions WHERE job_id = $1 AND thing_name > $2 \
             AND ($3 = '' OR status = $3) ORDER BY thing_name LIMIT $4",
        )
        .bind(job_id)
        .bind(after)
        .bind(status)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ExecutionRow::from_row).collect()
    }

    /// How many executions the job has in each status that occurs.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_executions(
        &mut self,
        job_id: &str,
    ) -> Result<Vec<ExecutionCount>, StoreError> {
        let rows = sqlx::query(
            "SELECT status, COUNT(*) AS executions, MAX(updated_at_s) AS updated_at_s \
             FROM job_executions WHERE job_id = $1 GROUP BY status ORDER BY status",
        )
        .bind(job_id)
        .fetch_all(self.connection())
        .await?;
        let counts = rows.iter().map(|row| {
            Ok(ExecutionCount {
                status: row.try_get("status")?,
                executions: row.try_get("executions")?,
                updated_at_s: row.try_get("updated_at_s")?,
            })
        });
        counts.collect()
    }
}

impl Tx {
    /// Keeps an execution, whatever was there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_execution(&mut self, row: &ExecutionRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO job_executions (job_id, thing_name, namespace, execution_number, status, \
             is_pending, is_released, is_force_canceled, failed_attempts, timed_out_attempts, \
             details_json, version, queued_at_s, started_at_s, updated_at_s, limit_at_s, \
             times_out_at_s) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT (job_id, thing_name) DO UPDATE SET \
             execution_number = excluded.execution_number, status = excluded.status, \
             is_pending = excluded.is_pending, is_released = excluded.is_released, \
             is_force_canceled = excluded.is_force_canceled, \
             failed_attempts = excluded.failed_attempts, \
             timed_out_attempts = excluded.timed_out_attempts, \
             details_json = excluded.details_json, version = excluded.version, \
             queued_at_s = excluded.queued_at_s, started_at_s = excluded.started_at_s, \
             updated_at_s = excluded.updated_at_s, limit_at_s = excluded.limit_at_s, \
             times_out_at_s = excluded.times_out_at_s",
        )
        .bind(row.job_id.as_str())
        .bind(row.thing.as_str())
        .bind(row.namespace.as_str())
        .bind(row.number)
        .bind(row.status.as_str())
        .bind(i64::from(row.is_pending))
        .bind(i64::from(row.is_released))
        .bind(i64::from(row.is_force_canceled))
        .bind(row.failed_attempts)
        .bind(row.timed_out_attempts)
        .bind(row.details_json.as_str())
        .bind(row.version)
        .bind(row.queued_at_s)
        .bind(row.started_at_s)
        .bind(row.updated_at_s)
        .bind(row.limit_at_s)
        .bind(row.times_out_at_s)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the thing's execution of the job.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_execution(&mut self, job_id: &str, thing: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM job_executions WHERE job_id = $1 AND thing_name = $2")
            .bind(job_id)
            .bind(thing)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The moment to queue the thing's next execution at: `now_s`, or one second after the last
    /// one. Devices drop an execution that is not newer than the last one they saw.
    ///
    /// # Errors
    /// The database refused.
    pub async fn next_queued_at(&mut self, thing: &str, now_s: i64) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO job_queues (thing_name, queued_at_s) VALUES ($1, $2) \
             ON CONFLICT (thing_name) DO UPDATE SET queued_at_s = \
             CASE WHEN job_queues.queued_at_s >= excluded.queued_at_s \
             THEN job_queues.queued_at_s + 1 ELSE excluded.queued_at_s END \
             RETURNING queued_at_s",
        )
        .bind(thing)
        .bind(now_s)
        .fetch_one(self.connection())
        .await?;
        Ok(row.try_get("queued_at_s")?)
    }
}
