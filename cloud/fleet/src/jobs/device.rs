//! What a device does with its jobs, whichever way it asks: the operations behind the jobs topics
//! and behind `iot-jobs-data`.

use std::ops::RangeInclusive;

use marram_aws::ApiError;
use marram_model::jobs::{
    DescribeRequest, ExecutionState, JobExecution, JobStatus, NEXT, PendingJobs, RejectCode,
    StartNextRequest, StatusDetails, UpdateRequest,
};
use marram_store::ExecutionRow;
use serde_json::Value;

use super::job::Job;
use super::queue;
use crate::job_execution::{Event, Execution, Report, StepTimer};
use crate::unit::Unit;

/// AWS's limit for one value of the status details, in characters.
const MAX_DETAIL_CHARS: usize = 1024;
/// AWS's limit for one name of the status details, in characters.
const MAX_KEY_CHARS: usize = 128;
/// AWS's limit for the entries of the status details.
const MAX_DETAILS: usize = 10;

/// A step timer runs for a minute up to a week.
const STEP_MINUTES: RangeInclusive<i64> = 1..=10_080;
/// Stands for no step timer.
const NO_STEP: i64 = -1;

/// nucleus-lite reads replies to updates into 1024 bytes; longer details are left out of them.
const MAX_REPLIED_DETAILS_BYTES: usize = 500;

/// Why a request is rejected.
#[derive(Debug)]
pub(super) struct Reject {
    pub(super) code: RejectCode,
    pub(super) message: String,
    pub(super) state: Option<ExecutionState>,
}

impl Reject {
    pub(super) fn new(code: RejectCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), state: None }
    }

    fn no_job(job_id: &str) -> Self {
        Self::new(RejectCode::ResourceNotFound, format!("there is no job `{job_id}` here"))
    }
}

impl From<ApiError> for Reject {
    fn from(error: ApiError) -> Self {
        tracing::error!(%error, "a jobs request failed");
        Self::new(RejectCode::InternalError, "the request failed: try again")
    }
}

/// Whose jobs, and in which namespace (`""` for none).
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) thing: &'a str,
    pub(super) namespace: &'a str,
}

/// `GetPendingJobExecutions`.
pub(super) async fn get_pending(unit: &mut Unit, scope: Scope<'_>) -> Result<PendingJobs, Reject> {
    Ok(queue::by_status(&pending(unit, scope).await?))
}

/// `DescribeJobExecution`; `$next` may be none. Of a final execution there is nothing to do.
pub(super) async fn describe(
    unit: &mut Unit,
    scope: Scope<'_>,
    job_id: &str,
    asked: &DescribeRequest,
) -> Result<Option<(ExecutionRow, JobExecution)>, Reject> {
    let row = if job_id == NEXT {
        queue::head(&pending(unit, scope).await?).cloned()
    } else {
        let row = find(unit, scope, job_id).await?;
        if !row.is_pending {
            let message = format!("job `{job_id}` is {}", row.status);
            return Err(Reject::new(RejectCode::TerminalStateReached, message));
        }
        Some(row)
    };
    let Some(row) = row else { return Ok(None) };
    if asked.execution_number.is_some_and(|number| number != row.number) {
        let message = format!("job `{}` is at execution number {}", row.job_id, row.number);
        return Err(Reject::new(RejectCode::ResourceNotFound, message));
    }
    let with_document = asked.include_job_document.unwrap_or(true);
    let execution = queue::describe(&mut unit.tx, &row, with_document).await?;
    Ok(Some((row, execution)))
}

/// `StartNextPendingJobExecution`: one that is in progress already stays as it is.
pub(super) async fn start_next(
    unit: &mut Unit,
    scope: Scope<'_>,
    asked: StartNextRequest,
) -> Result<Option<(ExecutionRow, JobExecution)>, Reject> {
    check_details(asked.status_details.as_ref())?;
    let step = step_timer(asked.step_timeout_in_minutes)?;
    let pending = pending(unit, scope).await?;
    let Some(row) = queue::head(&pending) else { return Ok(None) };
    if row.status == JobStatus::Queued.as_str() {
        let details = asked.status_details;
        let report = Report { details, step, ..Report::of(JobStatus::InProgress) };
        change(unit, row, Event::Update(report)).await?;
    }
    let row = find(unit, scope, &row.job_id).await?;
    let execution = queue::describe(&mut unit.tx, &row, true).await?;
    Ok(Some((row, execution)))
}

/// What `UpdateJobExecution` answers.
#[derive(Debug, Default)]
pub(super) struct Updated {
    pub(super) state: Option<ExecutionState>,
    pub(super) document: Option<Value>,
}

/// `UpdateJobExecution`.
pub(super) async fn update(
    unit: &mut Unit,
    scope: Scope<'_>,
    job_id: &str,
    asked: UpdateRequest,
) -> Result<Updated, Reject> {
    check_details(asked.status_details.as_ref())?;
    let step = step_timer(asked.step_timeout_in_minutes)?;
    let row = find(unit, scope, job_id).await?;
    let event = Event::Update(Report {
        status: asked.status,
        details: asked.status_details,
        expected_version: asked.expected_version,
        number: asked.execution_number,
        step,
        limit_s: None,
    });
    let next = change(unit, &row, event).await?;
    let wants_state = asked.include_job_execution_state == Some(true);
    let document = match asked.include_job_document {
        Some(true) => Some(queue::document(&mut unit.tx, job_id, &row.thing).await?),
        _ => None,
    };
    Ok(Updated { state: wants_state.then(|| state_of(&next)), document })
}

async fn pending(unit: &mut Unit, scope: Scope<'_>) -> Result<Vec<ExecutionRow>, Reject> {
    Ok(queue::visible(&mut unit.tx, scope.thing, scope.namespace).await?)
}

async fn find(unit: &mut Unit, scope: Scope<'_>, job_id: &str) -> Result<ExecutionRow, Reject> {
    let row = unit.tx.execution(job_id, scope.thing).await.map_err(ApiError::from)?;
    row.filter(|row| row.is_released && row.namespace == scope.namespace)
        .ok_or_else(|| Reject::no_job(job_id))
}

async fn change(unit: &mut Unit, row: &ExecutionRow, event: Event) -> Result<Execution, Reject> {
    let Some(job) = Job::find(&mut unit.tx, &row.job_id).await? else {
        return Err(Reject::no_job(&row.job_id));
    };
    match queue::apply(unit, &job, row, event).await? {
        Ok(next) => Ok(next),
        Err(refused) => {
            let with_state = matches!(
                refused.code(),
                RejectCode::InvalidStateTransition | RejectCode::VersionMismatch
            );
            let mut reject = Reject::new(refused.code(), refused.to_string());
            if with_state {
                reject.state = Some(state_of(&queue::execution_of(row)?));
            }
            Err(reject)
        }
    }
}

fn state_of(execution: &Execution) -> ExecutionState {
    let details = &execution.details;
    let fits = Value::Object(details.clone()).to_string().len() <= MAX_REPLIED_DETAILS_BYTES;
    ExecutionState {
        status: execution.status,
        status_details: (fits && !details.is_empty()).then(|| details.clone()),
        version_number: execution.version,
    }
}

fn step_timer(minutes: Option<i64>) -> Result<Option<StepTimer>, Reject> {
    match minutes {
        None => Ok(None),
        Some(NO_STEP) => Ok(Some(StepTimer::Off)),
        Some(minutes) if STEP_MINUTES.contains(&minutes) => Ok(Some(StepTimer::Minutes(minutes))),
        Some(other) => {
            let (least, most) = (STEP_MINUTES.start(), STEP_MINUTES.end());
            let message = format!(
                "stepTimeoutInMinutes is {other}: use {least} to {most}, or {NO_STEP} for none"
            );
            Err(Reject::new(RejectCode::InvalidRequest, message))
        }
    }
}

/// Checks the details that are to be stored.
pub(super) fn check_details(details: Option<&StatusDetails>) -> Result<(), Reject> {
    let Some(details) = details else { return Ok(()) };
    let wrong = |message| Err(Reject::new(RejectCode::InvalidRequest, message));
    if details.len() > MAX_DETAILS {
        return wrong(format!(
            "statusDetails has {} entries: at most {MAX_DETAILS}",
            details.len()
        ));
    }
    for (key, value) in details {
        let is_key = |c: char| c.is_ascii_alphanumeric() || ":_-".contains(c);
        if !(1..=MAX_KEY_CHARS).contains(&key.len()) || !key.chars().all(is_key) {
            return wrong(format!(
                "statusDetails has the name `{key}`: use 1 to {MAX_KEY_CHARS} letters, digits \
                 and `:_-`"
            ));
        }
        if value.as_str().is_none_or(|text| text.chars().count() > MAX_DETAIL_CHARS) {
            return wrong(format!(
                "statusDetails.{key} must be a text of at most {MAX_DETAIL_CHARS} characters"
            ));
        }
    }
    Ok(())
}
