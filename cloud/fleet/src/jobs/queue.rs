//! Queues of job executions: how they change, and what devices are told of it.

use marram_aws::ApiError;
use marram_model::jobs::{
    DEPLOYMENT_NAMESPACE, ExecutionReply, JobExecution, JobExecutionSummary, JobStatus, JobsApi,
    JobsTopic, Notify, PendingJobs, StatusDetails,
};
use marram_store::{DeploymentRow, ExecutionRow, Tx};
use serde::Serialize;
use serde_json::Value;

use super::spread::Spread;
use crate::effective;
use crate::job_execution::{Event, Execution, RefuseEvent};
use crate::unit::Unit;

/// AWS lists at most this many executions in one notification.
const MAX_NOTIFIED: usize = 15;

/// How many executions of a job are changed per read.
const BATCH: i64 = 500;

/// The state machine's view of a row.
pub(crate) fn execution_of(row: &ExecutionRow) -> Result<Execution, ApiError> {
    let damaged = |what: String| {
        ApiError::internal(format!("the execution of job {} is damaged: {what}", row.job_id))
    };
    let status: JobStatus = row.status.parse().map_err(|error| damaged(format!("{error}")))?;
    let details: StatusDetails =
        serde_json::from_str(&row.details_json).map_err(|error| damaged(error.to_string()))?;
    Ok(Execution {
        number: row.number,
        status,
        details,
        version: row.version,
        queued_at_s: row.queued_at_s,
        started_at_s: row.started_at_s,
        updated_at_s: row.updated_at_s,
    })
}

/// Queues the job for the thing, unless it is pending there. Where the job has a pace, the device
/// is told when [`Spread::release`] allows it.
pub(crate) async fn enqueue(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    job_id: &str,
    thing: &str,
    mut spread: Option<&mut Spread>,
) -> Result<(), ApiError> {
    let current = unit.tx.execution(job_id, thing).await?;
    if current.as_ref().is_some_and(|row| row.is_pending) {
        return Ok(());
    }
    let now_s = unit.now_s();
    let queued_at_s = unit.tx.next_queued_at(thing, now_s).await?;
    let next = match current {
        None => Execution::queued(1, queued_at_s),
        Some(row) => {
            let ended = execution_of(&row)?;
            if let Some(spread) = &mut spread {
                spread.requeued(ended.status);
            }
            ended
                .after(Event::Requeue { queued_at_s }, now_s)
                .map_err(|refused| ApiError::internal(refused.to_string()))?
        }
    };
    let is_released = spread.is_none_or(|spread| !spread.is_paced());
    put(unit, deployment, ExecutionRow { is_released, ..row_of(job_id, thing, &next) }).await
}

/// Applies `event` to a row; what it refuses is the inner error.
pub(crate) async fn apply(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    row: &ExecutionRow,
    event: Event,
) -> Result<Result<Execution, RefuseEvent>, ApiError> {
    let next = match execution_of(row)?.after(event, unit.now_s()) {
        Ok(next) => next,
        Err(refused) => return Ok(Err(refused)),
    };
    let is_withdrawn = matches!(next.status, JobStatus::Canceled | JobStatus::Removed);
    let spread = match is_withdrawn {
        true => None,
        false => Spread::load(unit, &row.job_id).await?,
    };
    let timeout = |started_at_s| spread.as_ref()?.times_out_at_s(started_at_s);
    let times_out_at_s = next.started_at_s.and_then(timeout);
    put_next(unit, deployment, row, &next, times_out_at_s).await?;
    if let Some(spread) = spread.filter(|_| !next.is_pending()) {
        spread.ended(unit, deployment, next.status).await?;
    }
    Ok(Ok(next))
}

/// Cancels the job's pending executions; those in progress only if forced.
pub(crate) async fn cancel_all(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    job_id: &str,
    force: bool,
) -> Result<(), ApiError> {
    let mut after = String::new();
    loop {
        let rows = unit.tx.pending_executions_of_job(job_id, &after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.thing);
        for row in &rows {
            // Refused only where one in progress is not forced: it runs on.
            if let Ok(next) = execution_of(row)?.after(Event::Cancel { force }, unit.now_s()) {
                put_next(unit, deployment, row, &next, None).await?;
            }
        }
    }
}

async fn put_next(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    row: &ExecutionRow,
    next: &Execution,
    times_out_at_s: Option<i64>,
) -> Result<(), ApiError> {
    let is_released = row.is_released;
    let next = row_of(&row.job_id, &row.thing, next);
    put(unit, deployment, ExecutionRow { is_released, times_out_at_s, ..next }).await
}

/// A row of an execution that its device knows and that has no time-out.
fn row_of(job_id: &str, thing: &str, next: &Execution) -> ExecutionRow {
    ExecutionRow {
        job_id: job_id.to_owned(),
        thing: thing.to_owned(),
        number: next.number,
        status: next.status.to_string(),
        is_pending: next.is_pending(),
        is_released: true,
        details_json: Value::Object(next.details.clone()).to_string(),
        version: next.version,
        queued_at_s: next.queued_at_s,
        started_at_s: next.started_at_s,
        updated_at_s: next.updated_at_s,
        times_out_at_s: None,
    }
}

async fn put(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    row: ExecutionRow,
) -> Result<(), ApiError> {
    unit.touch_queue(&row.thing).await?;
    unit.tx.put_execution(&row).await?;
    effective::record_execution(unit, deployment, &row.thing, &execution_of(&row)?).await
}

/// What is pending for the thing as far as it may know, the one queued first first.
pub(crate) async fn visible(tx: &mut Tx, thing: &str) -> Result<Vec<ExecutionRow>, ApiError> {
    let mut pending = tx.pending_executions(thing).await?;
    pending.retain(|row| row.is_released);
    Ok(pending)
}

/// The execution that `$next` names: the one in progress, or else the one queued first.
/// `pending` is in the order of queueing.
pub(crate) fn head(pending: &[ExecutionRow]) -> Option<&ExecutionRow> {
    let in_progress = pending.iter().find(|row| row.status == JobStatus::InProgress.as_str());
    in_progress.or_else(|| pending.first())
}

/// One execution as replies and notifications carry it.
pub(crate) async fn describe(
    tx: &mut Tx,
    row: &ExecutionRow,
    with_document: bool,
) -> Result<JobExecution, ApiError> {
    let execution = execution_of(row)?;
    let job_document = if with_document { Some(document(tx, &row.job_id).await?) } else { None };
    Ok(JobExecution {
        job_id: row.job_id.clone(),
        thing_name: Some(row.thing.clone()),
        status: execution.status,
        status_details: Some(execution.details).filter(|details| !details.is_empty()),
        queued_at: row.queued_at_s,
        started_at: row.started_at_s,
        last_updated_at: row.updated_at_s,
        version_number: row.version,
        execution_number: row.number,
        job_document,
    })
}

/// The job's document, a JSON object.
pub(crate) async fn document(tx: &mut Tx, job_id: &str) -> Result<Value, ApiError> {
    let Some(deployment) = tx.deployment_of_job(job_id).await? else {
        return Err(ApiError::internal(format!("job {job_id} has no deployment")));
    };
    serde_json::from_str(&deployment.document_json).map_err(|error| {
        ApiError::internal(format!("the document of job {job_id} is damaged: {error}"))
    })
}

/// One execution in a list.
pub(crate) fn summary(row: &ExecutionRow) -> JobExecutionSummary {
    JobExecutionSummary {
        job_id: row.job_id.clone(),
        queued_at: row.queued_at_s,
        started_at: row.started_at_s,
        last_updated_at: row.updated_at_s,
        version_number: row.version,
        execution_number: row.number,
    }
}

/// Pending executions by status.
pub(crate) fn by_status(pending: &[ExecutionRow]) -> PendingJobs {
    let (in_progress, queued): (Vec<_>, Vec<_>) =
        pending.iter().partition(|row| row.status == JobStatus::InProgress.as_str());
    PendingJobs {
        queued: queued.into_iter().map(summary).collect(),
        in_progress: in_progress.into_iter().map(summary).collect(),
    }
}

/// What the device must be told, after a change, of a queue that was `before`: nothing if the
/// same executions are pending; the new list; and the first one's document if that is another.
pub(crate) async fn notifications(
    tx: &mut Tx,
    thing: &str,
    before: &[ExecutionRow],
    now_ms: i64,
) -> Result<Vec<(String, Vec<u8>)>, ApiError> {
    let after = visible(tx, thing).await?;
    let key = |row: &ExecutionRow| (row.job_id.clone(), row.number);
    if before.iter().map(key).eq(after.iter().map(key)) {
        return Ok(Vec::new());
    }
    let timestamp = now_ms.div_euclid(1000);
    let jobs = by_status(&after[..after.len().min(MAX_NOTIFIED)]);
    let mut messages = vec![message(thing, JobsApi::Notify, &Notify { timestamp, jobs })?];
    if head(before).map(key) != head(&after).map(key) {
        let execution = match head(&after) {
            Some(row) => Some(describe(tx, row, true).await?),
            None => None,
        };
        let next = ExecutionReply { client_token: None, timestamp, execution };
        messages.push(message(thing, JobsApi::NotifyNext, &next)?);
    }
    Ok(messages)
}

fn message<T: Serialize>(
    thing: &str,
    api: JobsApi,
    body: &T,
) -> Result<(String, Vec<u8>), ApiError> {
    let topic = JobsTopic::namespaced(DEPLOYMENT_NAMESPACE, api).to_topic(thing);
    let payload = serde_json::to_vec(body)
        .map_err(|error| ApiError::internal(format!("a notification has no JSON: {error}")))?;
    Ok((topic, payload))
}
