//! Jobs that spread at a pace, end on failures or time out: the shell around [`Plan`] and
//! [`Progress`].
//!
//! What becomes due with time is done by [`Fleet::tick`], from what is stored alone: a restart in
//! between loses nothing, and of several callers each finds only what is still to be done.

use marram_aws::ApiError;
use marram_aws::greengrassv2::{CreateDeploymentRequest, DeploymentStatus};
use marram_model::jobs::JobStatus;
use marram_store::{DeploymentRow, ExecutionRow, RolloutRow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::queue;
use crate::fleet::Fleet;
use crate::job_execution::Event;
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

impl Spread {
    /// A new job's; `None` where nothing holds it back and nothing ends it.
    pub(crate) fn begin(
        unit: &Unit,
        job_id: &str,
        request: &CreateDeploymentRequest,
    ) -> Option<Self> {
        let plan = Plan::of(request.iot_job_configuration.as_ref())?;
        let progress = Progress::begin(&plan, unit.now_s());
        Some(Self { job_id: job_id.to_owned(), plan, progress })
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

    /// When an execution that is in progress since `started_at_s` is given up.
    pub(crate) fn times_out_at_s(&self, started_at_s: i64) -> Option<i64> {
        self.plan.times_out_at_s(started_at_s)
    }

    /// An execution that had ended is queued anew.
    pub(crate) fn requeued(&mut self, ended_as: JobStatus) {
        self.progress.requeued(ended_as);
    }

    /// Makes as many waiting executions known to their devices as the pace allows now.
    pub(crate) async fn release(mut self, unit: &mut Unit) -> Result<(), ApiError> {
        let quota = self.progress.quota(&self.plan, unit.now_s());
        let waiting = unit.tx.unreleased_executions(&self.job_id, quota).await?;
        let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        for row in waiting {
            unit.touch_queue(&row.thing).await?;
            unit.tx.put_execution(&ExecutionRow { is_released: true, ..row }).await?;
        }
        self.progress.released(&self.plan, count);
        self.save(unit).await
    }

    /// An execution ended; with it the whole job, if too many have ended badly.
    pub(crate) async fn ended(
        mut self,
        unit: &mut Unit,
        deployment: &DeploymentRow,
        status: JobStatus,
    ) -> Result<(), ApiError> {
        self.progress.ended(&self.plan, status, unit.now_s());
        let is_active = deployment.status == DeploymentStatus::Active.as_str();
        let is_to_abort = is_active && self.progress.is_to_abort(&self.plan);
        if is_to_abort {
            let status = DeploymentStatus::Canceled.as_str();
            tracing::warn!(
                deployment_id = deployment.id,
                "too many failures: the rest is cancelled"
            );
            unit.tx.set_deployment_status(&deployment.id, status).await?;
            let canceled = DeploymentRow { status: status.to_owned(), ..deployment.clone() };
            queue::cancel_all(unit, &canceled, &self.job_id, false).await?;
        }
        self.save(unit).await
    }

    async fn save(self, unit: &mut Unit) -> Result<(), ApiError> {
        let is_any_left = !unit.tx.unreleased_executions(&self.job_id, 1).await?.is_empty();
        let due_at_s = is_any_left.then(|| self.progress.next_window_at_s());
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
            let Some(deployment) = unit.tx.deployment_of_job(&row.job_id).await? else { continue };
            has_changed |=
                queue::apply(&mut unit, &deployment, &row, Event::TimeOut).await?.is_ok();
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
