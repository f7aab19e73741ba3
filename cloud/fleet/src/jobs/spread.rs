//! Jobs that spread at a pace, end on failures or time out: the shell around [`Plan`] and
//! [`Progress`].
//!
//! What becomes due with time is done by [`Fleet::tick`], from what is stored alone: a restart in
//! between loses nothing, and of several callers each finds only what is still to be done.

use marram_aws::ApiError;
use marram_model::jobs::JobStatus;
use marram_store::{ExecutionRow, RolloutRow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::job::Job;
use super::queue;
use crate::fleet::Fleet;
use crate::job_execution::{Event, Execution};
use crate::rollout::{Plan, Progress};
use crate::unit::Unit;

/// How many executions or jobs are changed in one transaction.
const BATCH: i64 = 500;

/// How one job spreads, while a change works on it.
#[derive(Debug)]
pub(crate) struct Spread {
    job_id: String,
    plan: Plan,
    progress: Progress,
}

/// Whether a job goes on after one of its executions ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    GoesOn,
    GivenUp,
}

impl Verdict {
    pub(super) fn is_given_up(self) -> bool {
        self == Self::GivenUp
    }
}

impl Spread {
    /// A new job's.
    pub(crate) fn begin(unit: &Unit, job_id: &str, plan: Plan) -> Self {
        let progress = Progress::begin(&plan, unit.now_s());
        Self { job_id: job_id.to_owned(), plan, progress }
    }

    /// The same job's under another plan.
    pub(super) fn replan(self, unit: &Unit, plan: Plan) -> Self {
        let progress = self.progress.replan(&plan, unit.now_s());
        Self { plan, progress, ..self }
    }

    /// What is stored of a job.
    pub(crate) async fn load(unit: &mut Unit, job_id: &str) -> Result<Option<Self>, ApiError> {
        let Some(row) = unit.tx.rollout(job_id).await? else { return Ok(None) };
        let plan = from_json(&row, &row.plan_json)?;
        let progress = from_json(&row, &row.progress_json)?;
        Ok(Some(Self { job_id: row.job_id, plan, progress }))
    }

    /// Whether a queued execution has to wait for its release.
    pub(crate) fn is_paced(&self) -> bool {
        self.plan.is_paced()
    }

    /// How long an execution may be in progress, in seconds.
    pub(super) fn timeout_s(&self) -> Option<i64> {
        self.plan.timeout_s()
    }

    /// Whether the thing whose attempt ended like this tries again.
    pub(super) fn allows_retry(&self, ended: &Execution) -> bool {
        self.plan.allows_retry(ended.status, ended.attempts)
    }

    /// An execution that had ended counts no more: it is queued anew, or deleted.
    pub(super) fn forget(&mut self, execution: &Execution) {
        self.progress.forget(execution.status, execution.attempts);
    }

    /// Makes as many waiting executions known to their devices as the pace allows now.
    pub(crate) async fn release(mut self, unit: &mut Unit) -> Result<(), ApiError> {
        let quota = self.progress.quota(&self.plan, unit.now_s());
        let waiting = unit.tx.unreleased_executions(&self.job_id, quota).await?;
        let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        for row in waiting {
            unit.touch_queue(&row.thing, &row.namespace).await?;
            unit.tx.put_execution(&ExecutionRow { is_released: true, ..row }).await?;
        }
        self.progress.released(&self.plan, count);
        self.save(unit).await
    }

    /// An execution ended; with it the whole job, if too many have ended badly.
    pub(super) async fn ended(
        mut self,
        unit: &mut Unit,
        job: &Job,
        status: JobStatus,
    ) -> Result<Verdict, ApiError> {
        self.progress.ended(&self.plan, status, unit.now_s());
        let is_to_abort = job.is_in_force() && self.progress.is_to_abort(&self.plan);
        if is_to_abort {
            let canceled = job.abort(unit).await?;
            queue::cancel_all(unit, &canceled, false).await?;
        }
        self.save(unit).await?;
        Ok(if is_to_abort { Verdict::GivenUp } else { Verdict::GoesOn })
    }

    pub(super) async fn save(mut self, unit: &mut Unit) -> Result<(), ApiError> {
        let is_any_left = !unit.tx.unreleased_executions(&self.job_id, 1).await?.is_empty();
        let due_at_s = is_any_left.then(|| self.progress.due_at_s(&self.plan, unit.now_s()));
        let plan_json = to_json(&self.plan)?;
        let progress_json = to_json(&self.progress)?;
        let row = RolloutRow { job_id: self.job_id, plan_json, progress_json, due_at_s };
        Ok(unit.tx.put_rollout(&row).await?)
    }
}

impl Fleet {
    /// Does what has become due with time: releases the executions of paced jobs, and gives up
    /// those that have been in progress for too long. To be called about every second.
    ///
    /// # Errors
    /// The store refused; the next call goes on.
    pub async fn tick(&self) -> Result<(), ApiError> {
        while self.time_out_some().await? {}
        for job_id in self.due_jobs().await? {
            let mut unit = self.unit().await?;
            if let Some(spread) = Spread::load(&mut unit, &job_id).await? {
                spread.release(&mut unit).await?;
            }
            unit.commit().await?;
        }
        Ok(())
    }

    async fn due_jobs(&self) -> Result<Vec<String>, ApiError> {
        let now_s = self.inner.now_ms().div_euclid(1000);
        let mut reader = self.inner.store.read().await?;
        Ok(reader.due_rollouts(now_s, BATCH).await?)
    }

    /// Whether there may be more.
    async fn time_out_some(&self) -> Result<bool, ApiError> {
        let now_s = self.inner.now_ms().div_euclid(1000);
        // A look costs less than a change, and mostly there is nothing.
        if self.inner.store.read().await?.timed_out_executions(now_s, 1).await?.is_empty() {
            return Ok(false);
        }
        let mut unit = self.unit().await?;
        let mut has_changed = false;
        for row in unit.tx.timed_out_executions(now_s, BATCH).await? {
            let Some(job) = Job::find(&mut unit.tx, &row.job_id).await? else { continue };
            has_changed |= queue::apply(&mut unit, &job, &row, Event::TimeOut).await?.is_ok();
        }
        unit.commit().await?;
        Ok(has_changed)
    }
}

fn from_json<T: DeserializeOwned>(row: &RolloutRow, text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|error| {
        ApiError::internal(format!("the roll-out of job {} is damaged: {error}", row.job_id))
    })
}

fn to_json<T: Serialize>(value: &T) -> Result<String, ApiError> {
    serde_json::to_string(value)
        .map_err(|error| ApiError::internal(format!("a roll-out has no JSON: {error}")))
}

#[cfg(test)]
mod tests;
