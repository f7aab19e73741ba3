//! Job executions for people: lists of them, and ending one.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CancelJobExecutionRequest, DeleteJobExecutionRequest, DescribeJobExecutionRequest,
    DescribeJobExecutionResponse, Empty, JobExecution, JobExecutionStatusDetails,
    JobExecutionSummary, JobExecutionSummaryForJob, JobExecutionSummaryForThing,
    ListJobExecutionsForJobRequest, ListJobExecutionsForJobResponse,
    ListJobExecutionsForThingRequest, ListJobExecutionsForThingResponse,
};
use marram_model::jobs::{JobStatus, RejectCode};
use marram_store::{ExecutionFilter, ExecutionRow};
use serde_json::Value;

use super::job::Job;
use super::look::damaged;
use super::spread::Spread;
use super::{device, fields, queue};
use crate::fleet::Fleet;
use crate::job_execution::{Cancellation, Event};
use crate::paging;
use crate::unit::Unit;

impl Fleet {
    /// `DescribeJobExecution`. Of the attempts only the last is kept.
    ///
    /// # Errors
    /// The thing has no such execution.
    pub async fn describe_job_execution(
        &self,
        request: DescribeJobExecutionRequest,
    ) -> Result<DescribeJobExecutionResponse, ApiError> {
        let DescribeJobExecutionRequest { job_id, thing_name, execution_number } = request;
        let mut reader = self.inner.store.read().await?;
        let row = reader.execution(&job_id, &thing_name).await?;
        let row = wanted(row, &job_id, &thing_name, execution_number)?;
        let details_map: BTreeMap<String, String> = serde_json::from_str(&row.details_json)
            .map_err(|error| damaged("job execution", &row.job_id, &error.to_string()))?;
        let now_s = self.inner.now_ms().div_euclid(1000);
        let times_out_in_s = row.times_out_at_s.filter(|_| row.is_pending).map(|at| at - now_s);
        let execution = JobExecution {
            status: row.status,
            force_canceled: row.is_force_canceled.then_some(true),
            status_details: JobExecutionStatusDetails { details_map },
            thing_arn: self.inner.account.thing(&row.thing),
            queued_at: seconds(row.queued_at_s),
            started_at: row.started_at_s.map(seconds),
            last_updated_at: seconds(row.updated_at_s),
            execution_number: row.number,
            version_number: row.version,
            approximate_seconds_before_timed_out: times_out_in_s,
            job_id: row.job_id,
        };
        Ok(DescribeJobExecutionResponse { execution })
    }

    /// `ListJobExecutionsForThing`, by job id.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_job_executions_for_thing(
        &self,
        request: ListJobExecutionsForThingRequest,
    ) -> Result<ListJobExecutionsForThingResponse, ApiError> {
        let size = fields::page_size(request.max_results)?;
        check_status(request.status.as_deref())?;
        let after = after(request.next_token.as_deref())?;
        let filter = ExecutionFilter {
            status: request.status,
            job_id: request.job_id,
            namespace: request.namespace_id,
        };
        let mut reader = self.inner.store.read().await?;
        let limit = paging::limit(size);
        let rows = reader.executions_of_thing(&request.thing_name, &filter, &after, limit).await?;
        let (rows, next_token) = paging::cut(rows, size, |row| row.job_id.clone());
        let summary = |row: ExecutionRow| JobExecutionSummaryForThing {
            job_execution_summary: summary(&row),
            job_id: row.job_id,
        };
        let execution_summaries = rows.into_iter().map(summary).collect();
        Ok(ListJobExecutionsForThingResponse { execution_summaries, next_token })
    }

    /// `ListJobExecutionsForJob`, by thing name.
    ///
    /// # Errors
    /// There is no such job, or a member is not valid.
    pub async fn list_job_executions_for_job(
        &self,
        request: ListJobExecutionsForJobRequest,
    ) -> Result<ListJobExecutionsForJobResponse, ApiError> {
        let size = fields::page_size(request.max_results)?;
        check_status(request.status.as_deref())?;
        let after = after(request.next_token.as_deref())?;
        let mut reader = self.inner.store.read().await?;
        if Job::find(&mut reader, &request.job_id).await?.is_none() {
            return Err(ApiError::not_found("Job", &request.job_id));
        }
        let status = request.status.as_deref().unwrap_or_default();
        let limit = paging::limit(size);
        let rows = reader.executions_of_job(&request.job_id, status, &after, limit).await?;
        let (rows, next_token) = paging::cut(rows, size, |row| row.thing.clone());
        let summary = |row: &ExecutionRow| JobExecutionSummaryForJob {
            thing_arn: self.inner.account.thing(&row.thing),
            job_execution_summary: summary(row),
        };
        let execution_summaries = rows.iter().map(summary).collect();
        Ok(ListJobExecutionsForJobResponse { execution_summaries, next_token })
    }

    /// `CancelJobExecution`.
    ///
    /// # Errors
    /// There is no such execution, it is final or at another version, or it is in progress and
    /// not forced.
    pub async fn cancel_job_execution(
        &self,
        request: CancelJobExecutionRequest,
    ) -> Result<Empty, ApiError> {
        let CancelJobExecutionRequest { job_id, thing_name, force, expected_version, .. } = request;
        let details = request.status_details.map(|details| {
            details.into_iter().map(|(name, value)| (name, Value::from(value))).collect()
        });
        device::check_details(details.as_ref())
            .map_err(|reject| ApiError::invalid_request(reject.message))?;
        let mut unit = self.unit().await?;
        let (job, row) = find(&mut unit, &job_id, &thing_name, None).await?;
        let event = Event::Cancel(Cancellation {
            force: force.unwrap_or(false),
            expected_version,
            details,
        });
        if let Err(refused) = queue::apply(&mut unit, &job, &row, event).await? {
            return Err(match refused.code() {
                RejectCode::VersionMismatch => {
                    ApiError::new("VersionConflictException", 409, refused.to_string())
                }
                _ => {
                    let message = if row.status == JobStatus::InProgress.as_str() {
                        format!("{refused}, unless forced")
                    } else {
                        refused.to_string()
                    };
                    ApiError::new("InvalidStateTransitionException", 409, message)
                }
            });
        }
        unit.commit().await?;
        Ok(Empty {})
    }

    /// `DeleteJobExecution`: it counts no more, neither as done nor as failed.
    ///
    /// # Errors
    /// There is no such execution, it is a deployment's, or it is pending and not forced.
    pub async fn delete_job_execution(
        &self,
        request: DeleteJobExecutionRequest,
    ) -> Result<Empty, ApiError> {
        let DeleteJobExecutionRequest { job_id, thing_name, execution_number, .. } = &request;
        let mut unit = self.unit().await?;
        let (job, row) = find(&mut unit, job_id, thing_name, Some(*execution_number)).await?;
        if let Job::Deployment(deployment) = &job {
            let message = format!(
                "job `{job_id}` carries the deployment `{}`, whose executions stay",
                deployment.id
            );
            return Err(ApiError::invalid_request(message));
        }
        if request.namespace_id.as_ref().is_some_and(|id| *id != row.namespace) {
            return Err(unknown(job_id, thing_name));
        }
        if row.is_pending && request.force != Some(true) {
            let message = format!("the execution is {}: cancel it first, or force", row.status);
            return Err(ApiError::new("InvalidStateTransitionException", 409, message));
        }
        unit.touch_queue(&row.thing, &row.namespace).await?;
        unit.tx.delete_execution(job_id, thing_name).await?;
        if let Some(mut spread) = Spread::load(&mut unit, job_id).await? {
            spread.forget(&queue::execution_of(&row)?);
            spread.save(&mut unit).await?;
        }
        job.settle(&mut unit).await?;
        unit.commit().await?;
        Ok(Empty {})
    }
}

async fn find(
    unit: &mut Unit,
    job_id: &str,
    thing: &str,
    number: Option<i64>,
) -> Result<(Job, ExecutionRow), ApiError> {
    let row = unit.tx.execution(job_id, thing).await?;
    let row = wanted(row, job_id, thing, number)?;
    match Job::find(&mut unit.tx, job_id).await? {
        Some(job) => Ok((job, row)),
        None => Err(ApiError::not_found("Job", job_id)),
    }
}

/// The row, if it is of the execution that is asked for.
fn wanted(
    row: Option<ExecutionRow>,
    job_id: &str,
    thing: &str,
    number: Option<i64>,
) -> Result<ExecutionRow, ApiError> {
    let is_wanted = |row: &ExecutionRow| number.is_none_or(|number| number == row.number);
    row.filter(is_wanted).ok_or_else(|| unknown(job_id, thing))
}

fn unknown(job_id: &str, thing: &str) -> ApiError {
    ApiError::not_found("JobExecution", &format!("{job_id} on {thing}"))
}

fn check_status(status: Option<&str>) -> Result<(), ApiError> {
    let all: Vec<_> = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
    fields::one_of("status", status, &all)
}

fn after(token: Option<&str>) -> Result<String, ApiError> {
    paging::after(token).map_err(|error| ApiError::invalid_request(error.message))
}

fn summary(row: &ExecutionRow) -> JobExecutionSummary {
    JobExecutionSummary {
        status: row.status.clone(),
        queued_at: seconds(row.queued_at_s),
        started_at: row.started_at_s.map(seconds),
        last_updated_at: seconds(row.updated_at_s),
        execution_number: row.number,
        retry_attempt: row.failed_attempts + row.timed_out_attempts,
    }
}

fn seconds(at_s: i64) -> EpochMs {
    EpochMs(at_s * 1000)
}
