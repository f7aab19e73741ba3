//! The `iot-jobs-data` service: the jobs topics' twins over HTTPS, for jobs without a namespace.

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_aws::iot_jobs_data::{
    DescribeJobExecutionRequest, GetPendingJobExecutionsRequest, GetPendingJobExecutionsResponse,
    JobExecution, JobExecutionResponse, JobExecutionState, JobExecutionSummary,
    StartNextPendingJobExecutionRequest, UpdateJobExecutionRequest, UpdateJobExecutionResponse,
};
use marram_model::jobs::{self, DescribeRequest, RejectCode, StatusDetails, UpdateRequest};
use marram_store::ExecutionRow;
use serde_json::Value;

use super::device::{self, Reject, Scope};
use crate::fleet::Fleet;
use crate::unit::Unit;

impl Fleet {
    /// `DescribeJobExecution` of `iot-jobs-data`.
    ///
    /// # Errors
    /// There is no such thing or execution, or the execution is final.
    pub async fn describe_pending_job_execution(
        &self,
        request: DescribeJobExecutionRequest,
    ) -> Result<JobExecutionResponse, ApiError> {
        let mut unit = self.unit().await?;
        let scope = scope(&mut unit, &request.thing_name).await?;
        let asked = DescribeRequest {
            include_job_document: Some(request.include_job_document),
            execution_number: request.execution_number,
            ..DescribeRequest::default()
        };
        let found = device::describe(&mut unit, scope, &request.job_id, &asked).await;
        Ok(answer(unit.now_s(), found.map_err(api_error)?))
    }

    /// `GetPendingJobExecutions`.
    ///
    /// # Errors
    /// There is no such thing.
    pub async fn pending_job_executions(
        &self,
        request: GetPendingJobExecutionsRequest,
    ) -> Result<GetPendingJobExecutionsResponse, ApiError> {
        let mut unit = self.unit().await?;
        let scope = scope(&mut unit, &request.thing_name).await?;
        let pending = device::get_pending(&mut unit, scope).await.map_err(api_error)?;
        Ok(GetPendingJobExecutionsResponse {
            in_progress_jobs: pending.in_progress.into_iter().map(summary).collect(),
            queued_jobs: pending.queued.into_iter().map(summary).collect(),
        })
    }

    /// `StartNextPendingJobExecution`.
    ///
    /// # Errors
    /// There is no such thing, or a member is not valid.
    pub async fn start_next_job_execution(
        &self,
        request: StartNextPendingJobExecutionRequest,
    ) -> Result<JobExecutionResponse, ApiError> {
        let mut unit = self.unit().await?;
        let scope = scope(&mut unit, &request.thing_name).await?;
        let asked = jobs::StartNextRequest {
            status_details: request.status_details.map(details),
            step_timeout_in_minutes: request.step_timeout_in_minutes,
            client_token: None,
        };
        let started = device::start_next(&mut unit, scope, asked).await.map_err(api_error)?;
        let answer = answer(unit.now_s(), started);
        unit.commit().await?;
        Ok(answer)
    }

    /// `UpdateJobExecution`.
    ///
    /// # Errors
    /// There is no such thing or execution, a member is not valid, or the execution is final or
    /// at another version.
    pub async fn update_job_execution(
        &self,
        request: UpdateJobExecutionRequest,
    ) -> Result<UpdateJobExecutionResponse, ApiError> {
        let status = request.status.parse().map_err(|error| {
            ApiError::invalid_request(format!("`status` is `{}`: {error}", request.status))
        })?;
        let mut unit = self.unit().await?;
        let scope = scope(&mut unit, &request.thing_name).await?;
        let asked = UpdateRequest {
            job_id: None,
            thing_name: None,
            status,
            status_details: request.status_details.map(details),
            expected_version: request.expected_version,
            execution_number: request.execution_number,
            include_job_execution_state: Some(request.include_job_execution_state),
            include_job_document: Some(request.include_job_document),
            step_timeout_in_minutes: request.step_timeout_in_minutes,
            client_token: None,
        };
        let updated = device::update(&mut unit, scope, &request.job_id, asked).await;
        let updated = updated.map_err(api_error)?;
        unit.commit().await?;
        Ok(UpdateJobExecutionResponse {
            execution_state: updated.state.map(|state| JobExecutionState {
                status: state.status.to_string(),
                status_details: texts(state.status_details),
                version_number: state.version_number,
            }),
            job_document: updated.document.map(|document| document.to_string()),
        })
    }
}

async fn scope<'t>(unit: &mut Unit, thing: &'t str) -> Result<Scope<'t>, ApiError> {
    match unit.tx.thing(thing).await? {
        Some(_) => Ok(Scope { thing, namespace: "" }),
        None => Err(ApiError::not_found("Thing", thing)),
    }
}

/// `iot-jobs-data` has no error for another version than the expected one: it is a change that is
/// not possible now.
fn api_error(reject: Reject) -> ApiError {
    let Reject { code, message, .. } = reject;
    match code {
        RejectCode::ResourceNotFound => ApiError::new("ResourceNotFoundException", 404, message),
        RejectCode::TerminalStateReached => ApiError::new("TerminalStateException", 410, message),
        RejectCode::InvalidStateTransition => {
            ApiError::new("InvalidStateTransitionException", 409, message)
        }
        RejectCode::VersionMismatch => {
            let message = format!("{code}: {message}");
            ApiError::new("InvalidStateTransitionException", 409, message)
        }
        RejectCode::RequestThrottled => ApiError::new("ThrottlingException", 429, message),
        RejectCode::InternalError => ApiError::internal(message),
        RejectCode::InvalidRequest | RejectCode::InvalidJson | RejectCode::InvalidTopic => {
            ApiError::invalid_request(message)
        }
    }
}

fn answer(now_s: i64, found: Option<(ExecutionRow, jobs::JobExecution)>) -> JobExecutionResponse {
    let execution = found.map(|(row, execution)| JobExecution {
        status: execution.status.to_string(),
        status_details: texts(execution.status_details),
        queued_at: execution.queued_at,
        started_at: execution.started_at,
        last_updated_at: execution.last_updated_at,
        approximate_seconds_before_timed_out: row.times_out_at_s.map(|at_s| (at_s - now_s).max(0)),
        version_number: execution.version_number,
        execution_number: execution.execution_number,
        job_document: execution.job_document.map(|document| document.to_string()),
        job_id: row.job_id,
        thing_name: row.thing,
    });
    JobExecutionResponse { execution }
}

fn summary(summary: jobs::JobExecutionSummary) -> JobExecutionSummary {
    JobExecutionSummary {
        job_id: summary.job_id,
        queued_at: summary.queued_at,
        started_at: summary.started_at,
        last_updated_at: summary.last_updated_at,
        version_number: summary.version_number,
        execution_number: summary.execution_number,
    }
}

fn details(details: BTreeMap<String, String>) -> StatusDetails {
    details.into_iter().map(|(name, value)| (name, Value::from(value))).collect()
}

fn texts(details: Option<StatusDetails>) -> BTreeMap<String, String> {
    let pairs = details.unwrap_or_default().into_iter();
    pairs.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}
