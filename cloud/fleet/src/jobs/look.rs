//! Looking at jobs, for people: the read-only part of `iot`'s control plane that Greengrass's
//! tools use. Jobs are made, rolled out and cancelled through their deployments.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{CreateDeploymentRequest, DeploymentStatus};
use marram_aws::iot::{
    DescribeJobExecutionRequest, DescribeJobExecutionResponse, DescribeJobRequest,
    DescribeJobResponse, Job, JobExecution, JobExecutionStatusDetails, JobExecutionSummary,
    JobExecutionSummaryForThing, JobProcessDetails, ListJobExecutionsForThingRequest,
    ListJobExecutionsForThingResponse,
};
use marram_model::jobs::DEPLOYMENT_NAMESPACE;
use marram_store::{DeploymentRow, ExecutionCount, ExecutionFilter, ExecutionRow, Reader};

use crate::fleet::Fleet;
use crate::paging;

const MAX_PAGE: i64 = 250;
const DEFAULT_PAGE: i64 = 50;

impl Fleet {
    /// `DescribeJob`.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn describe_job(
        &self,
        request: DescribeJobRequest,
    ) -> Result<DescribeJobResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = deployment_of_job(&mut reader, &request.job_id).await?;
        let counts = reader.count_executions(&request.job_id).await?;
        let asked: CreateDeploymentRequest = serde_json::from_str(&row.request_json)
            .map_err(|error| damaged("deployment", &row.id, &error.to_string()))?;
        let configured = asked.iot_job_configuration.unwrap_or_default();
        let status = job_status(&row);
        let changed_ms = counts.iter().map(|count| count.updated_at_s * 1000).max();
        let changed_ms = changed_ms.unwrap_or_default().max(row.created_at_ms);
        let job = Job {
            job_arn: self.inner.account.job(&request.job_id),
            job_id: request.job_id,
            target_selection: "CONTINUOUS".to_owned(),
            status: status.to_owned(),
            force_canceled: None,
            reason_code: None,
            comment: None,
            targets: vec![row.target_arn],
            description: row.name,
            job_executions_rollout_config: configured.job_executions_rollout_config,
            abort_config: configured.abort_config,
            timeout_config: configured.timeout_config,
            created_at: EpochMs(row.created_at_ms),
            last_updated_at: EpochMs(changed_ms),
            completed_at: None,
            job_process_details: process_details(&counts),
            namespace_id: Some(DEPLOYMENT_NAMESPACE.to_owned()),
        };
        Ok(DescribeJobResponse { job })
    }

    /// `DescribeJobExecution`. Of the attempts only the last is kept.
    ///
    /// # Errors
    /// The thing has no such execution.
    pub async fn describe_job_execution(
        &self,
        request: DescribeJobExecutionRequest,
    ) -> Result<DescribeJobExecutionResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = reader.execution(&request.job_id, &request.thing_name).await?;
        let wanted = |row: &ExecutionRow| request.execution_number.is_none_or(|n| n == row.number);
        let Some(row) = row.filter(wanted) else {
            let id = format!("{} on {}", request.job_id, request.thing_name);
            return Err(ApiError::not_found("JobExecution", &id));
        };
        let details_map: BTreeMap<String, String> = serde_json::from_str(&row.details_json)
            .map_err(|error| damaged("job execution", &row.job_id, &error.to_string()))?;
        let now_s = self.inner.now_ms().div_euclid(1000);
        let times_out_in_s = row.times_out_at_s.filter(|_| row.is_pending).map(|at| at - now_s);
        let execution = JobExecution {
            status: row.status,
            force_canceled: None,
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
    /// A size or token that is not valid.
    pub async fn list_job_executions_for_thing(
        &self,
        request: ListJobExecutionsForThingRequest,
    ) -> Result<ListJobExecutionsForThingResponse, ApiError> {
        let size = page_size(request.max_results)?;
        let after = paging::after(request.next_token.as_deref())
            .map_err(|error| ApiError::invalid_request(error.message))?;
        let is_elsewhere = request.namespace_id.is_some_and(|id| id != DEPLOYMENT_NAMESPACE);
        let filter = ExecutionFilter { status: request.status, job_id: request.job_id };
        let rows = if is_elsewhere {
            Vec::new()
        } else {
            let mut reader = self.inner.store.read().await?;
            let limit = paging::limit(size);
            reader.executions_of_thing(&request.thing_name, &filter, &after, limit).await?
        };
        let (rows, next_token) = paging::cut(rows, size, |row| row.job_id.clone());
        let execution_summaries = rows.into_iter().map(summary).collect();
        Ok(ListJobExecutionsForThingResponse { execution_summaries, next_token })
    }
}

async fn deployment_of_job(reader: &mut Reader, job_id: &str) -> Result<DeploymentRow, ApiError> {
    let row = reader.deployment_of_job(job_id).await?.filter(|row| !row.is_deleted);
    row.ok_or_else(|| ApiError::not_found("Job", job_id))
}

/// A group's job goes on as long as its deployment is in force, because things may still join.
fn job_status(row: &DeploymentRow) -> &'static str {
    match row.status.as_str() {
        status if status == DeploymentStatus::Active.as_str() => "IN_PROGRESS",
        status if status == DeploymentStatus::Canceled.as_str() => "CANCELED",
        _ => "COMPLETED",
    }
}

fn process_details(counts: &[ExecutionCount]) -> JobProcessDetails {
    let of = |status: &str| {
        counts.iter().find(|count| count.status == status).map_or(0, |count| count.executions)
    };
    JobProcessDetails {
        processing_targets: Vec::new(),
        number_of_canceled_things: of("CANCELED"),
        number_of_succeeded_things: of("SUCCEEDED"),
        number_of_failed_things: of("FAILED"),
        number_of_rejected_things: of("REJECTED"),
        number_of_queued_things: of("QUEUED"),
        number_of_in_progress_things: of("IN_PROGRESS"),
        number_of_removed_things: of("REMOVED"),
        number_of_timed_out_things: of("TIMED_OUT"),
    }
}

fn summary(row: ExecutionRow) -> JobExecutionSummaryForThing {
    JobExecutionSummaryForThing {
        job_id: row.job_id,
        job_execution_summary: JobExecutionSummary {
            status: row.status,
            queued_at: seconds(row.queued_at_s),
            started_at: row.started_at_s.map(seconds),
            last_updated_at: seconds(row.updated_at_s),
            execution_number: row.number,
        },
    }
}

fn page_size(max_results: Option<i64>) -> Result<usize, ApiError> {
    let wanted = max_results.unwrap_or(DEFAULT_PAGE);
    usize::try_from(wanted).ok().filter(|_| (1..=MAX_PAGE).contains(&wanted)).ok_or_else(|| {
        ApiError::invalid_request(format!("`maxResults` is {wanted}: use 1 to {MAX_PAGE}"))
    })
}

fn seconds(at_s: i64) -> EpochMs {
    EpochMs(at_s * 1000)
}

fn damaged(noun: &str, id: &str, reason: &str) -> ApiError {
    ApiError::internal(format!("what is stored of {noun} `{id}` is damaged: {reason}"))
}
