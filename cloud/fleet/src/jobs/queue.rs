//! Queues of job executions: how they change, and what devices are told of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use marram_aws::ApiError;
use marram_model::jobs::{
    ExecutionReply, JobExecution, JobExecutionSummary, JobStatus, JobsApi, JobsTopic, Leg, Notify,
    PendingJobs, StatusDetails,
};
use marram_store::{ExecutionRow, Tx};
use serde::Serialize;
use serde_json::Value;

use super::job::Job;
use super::spread::Spread;
use crate::deployments::create::is_lite;
use crate::deployments::large;
use crate::effective;
use crate::job_execution::{Attempts, Cancellation, Event, Execution, RefuseEvent, Report};
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
        limit_at_s: row.limit_at_s,
        times_out_at_s: row.times_out_at_s,
        attempts: Attempts { failed: row.failed_attempts, timed_out: row.timed_out_attempts },
        is_force_canceled: row.is_force_canceled,
    })
}

/// Queues the job for the thing, unless it is pending there. Where the job has a pace, the device
/// is told when [`Spread::release`] allows it.
pub(crate) async fn enqueue(
    unit: &mut Unit,
    job: &Job,
    thing: &str,
    mut spread: Option<&mut Spread>,
) -> Result<(), ApiError> {
    let current = unit.tx.execution(job.id(), thing).await?;
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
                spread.forget(&ended);
            }
            ended
                .after(Event::Requeue { queued_at_s }, now_s)
                .map_err(|refused| ApiError::internal(refused.to_string()))?
        }
    };
    let is_released = spread.is_none_or(|spread| !spread.is_paced());
    put(unit, job, thing, &next, is_released).await
}

/// Applies `event` to a row, with what follows from it for the job: its roll-out goes on, it is
/// given up, the thing tries again, or it is completed. What the execution refuses is the inner
/// error; otherwise it is given as it ended, though it may be queued anew by then.
pub(crate) async fn apply(
    unit: &mut Unit,
    job: &Job,
    row: &ExecutionRow,
    event: Event,
) -> Result<Result<Execution, RefuseEvent>, ApiError> {
    let spread = Spread::load(unit, job.id()).await?;
    let limit_s = spread.as_ref().and_then(Spread::timeout_s);
    let event = match event {
        Event::Update(report) => Event::Update(Report { limit_s, ..report }),
        other => other,
    };
    let next = match execution_of(row)?.after(event, unit.now_s()) {
        Ok(next) => next,
        Err(refused) => return Ok(Err(refused)),
    };
    put(unit, job, &row.thing, &next, row.is_released).await?;
    if next.is_pending() {
        return Ok(Ok(next));
    }
    if let Some(spread) = spread.filter(|_| !is_withdrawn(next.status)) {
        let may_retry = job.is_in_force() && spread.allows_retry(&next);
        if spread.ended(unit, job, next.status).await?.is_given_up() {
            return Ok(Ok(next));
        }
        if may_retry {
            retry(unit, job, &row.thing, &next).await?;
        }
    }
    job.settle(unit).await?;
    Ok(Ok(next))
}

/// Withdrawn executions count neither as done nor as failed.
fn is_withdrawn(status: JobStatus) -> bool {
    matches!(status, JobStatus::Canceled | JobStatus::Removed)
}

/// Queues the attempt that follows one that failed; the thing was told of the job long ago, so it
/// waits for no release.
async fn retry(unit: &mut Unit, job: &Job, thing: &str, ended: &Execution) -> Result<(), ApiError> {
    let now_s = unit.now_s();
    let queued_at_s = unit.tx.next_queued_at(thing, now_s).await?;
    let next = ended
        .after(Event::Retry { queued_at_s }, now_s)
        .map_err(|refused| ApiError::internal(refused.to_string()))?;
    put(unit, job, thing, &next, true).await
}

/// Cancels the job's pending executions; those in progress only if forced.
pub(crate) async fn cancel_all(unit: &mut Unit, job: &Job, force: bool) -> Result<(), ApiError> {
    let mut after = String::new();
    loop {
        let rows = unit.tx.pending_executions_of_job(job.id(), &after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.thing);
        for row in &rows {
            let cancel = Event::Cancel(Cancellation { force, ..Cancellation::default() });
            // Refused only where one in progress is not forced: it runs on.
            if let Ok(next) = execution_of(row)?.after(cancel, unit.now_s()) {
                put(unit, job, &row.thing, &next, row.is_released).await?;
            }
        }
    }
}

async fn put(
    unit: &mut Unit,
    job: &Job,
    thing: &str,
    next: &Execution,
    is_released: bool,
) -> Result<(), ApiError> {
    unit.touch_queue(thing, job.namespace()).await?;
    let row = ExecutionRow {
        job_id: job.id().to_owned(),
        thing: thing.to_owned(),
        namespace: job.namespace().to_owned(),
        number: next.number,
        status: next.status.to_string(),
        is_pending: next.is_pending(),
        is_released,
        is_force_canceled: next.is_force_canceled,
        failed_attempts: next.attempts.failed,
        timed_out_attempts: next.attempts.timed_out,
        details_json: Value::Object(next.details.clone()).to_string(),
        version: next.version,
        queued_at_s: next.queued_at_s,
        started_at_s: next.started_at_s,
        updated_at_s: next.updated_at_s,
        limit_at_s: next.limit_at_s,
        times_out_at_s: next.times_out_at_s,
    };
    unit.tx.put_execution(&row).await?;
    match job {
        Job::Deployment(deployment) => {
            effective::record_execution(unit, deployment, thing, next).await
        }
        Job::Ordinary(_) => Ok(()),
    }
}

/// What is pending for the thing in the namespace as far as it may know, the one queued first
/// first.
pub(crate) async fn visible(
    tx: &mut Tx,
    thing: &str,
    namespace: &str,
) -> Result<Vec<ExecutionRow>, ApiError> {
    let mut pending = tx.pending_executions(thing).await?;
    pending.retain(|row| row.is_released && row.namespace == namespace);
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
    let job_document =
        if with_document { Some(document(tx, &row.job_id, &row.thing).await?) } else { None };
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

/// The job's document, a JSON object, as the thing gets it.
pub(crate) async fn document(tx: &mut Tx, job_id: &str, thing: &str) -> Result<Value, ApiError> {
    Documents::default().of(tx, job_id, thing).await
}

/// Documents of jobs, each read once: a change may tell many devices of one job.
#[derive(Debug, Default)]
pub(crate) struct Documents(HashMap<String, Forms>);

/// A document as it is, and as those get it who can ask for the rest of a large one.
#[derive(Debug)]
struct Forms {
    whole: Value,
    short: Option<Value>,
}

impl Documents {
    async fn of(&mut self, tx: &mut Tx, job_id: &str, thing: &str) -> Result<Value, ApiError> {
        let forms = match self.0.entry(job_id.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(forms(tx, job_id).await?),
        };
        match &forms.short {
            // Without a configuration that it cannot ask for, nucleus-lite would apply the rest.
            Some(short) if !is_lite(tx, thing).await? => Ok(short.clone()),
            _ => Ok(forms.whole.clone()),
        }
    }
}

async fn forms(tx: &mut Tx, job_id: &str) -> Result<Forms, ApiError> {
    let Some(job) = Job::find(tx, job_id).await? else {
        return Err(ApiError::internal(format!("there is no job {job_id}")));
    };
    let short = match &job {
        Job::Deployment(row) if !large::fits_job(row) => Some(large::document_in_job(row)?),
        _ => None,
    };
    Ok(Forms { whole: job.document()?, short })
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
    (thing, namespace): (&str, &str),
    before: &[ExecutionRow],
    documents: &mut Documents,
    now_ms: i64,
) -> Result<Vec<(String, Vec<u8>)>, ApiError> {
    let after = visible(tx, thing, namespace).await?;
    let key = |row: &ExecutionRow| (row.job_id.clone(), row.number);
    if before.iter().map(key).eq(after.iter().map(key)) {
        return Ok(Vec::new());
    }
    let timestamp = now_ms.div_euclid(1000);
    let jobs = by_status(&after[..after.len().min(MAX_NOTIFIED)]);
    let topic = |api| {
        let namespace = Some(namespace).filter(|id| !id.is_empty()).map(str::to_owned);
        JobsTopic { api, namespace, leg: Leg::Plain }.to_topic(thing)
    };
    let notify = payload(&Notify { timestamp, jobs })?;
    let mut messages = vec![(topic(JobsApi::Notify), notify)];
    if head(before).map(key) != head(&after).map(key) {
        let execution = match head(&after) {
            Some(row) => Some(JobExecution {
                job_document: Some(documents.of(tx, &row.job_id, thing).await?),
                ..describe(tx, row, false).await?
            }),
            None => None,
        };
        let next = ExecutionReply { client_token: None, timestamp, execution };
        messages.push((topic(JobsApi::NotifyNext), payload(&next)?));
    }
    Ok(messages)
}

fn payload<T: Serialize>(body: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(body)
        .map_err(|error| ApiError::internal(format!("a notification has no JSON: {error}")))
}
