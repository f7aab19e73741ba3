//! Changing and ending a job that people made. Those of deployments follow their deployments.

use marram_aws::ApiError;
use marram_aws::iot::{
    AssociateTargetsWithJobRequest, CancelJobRequest, CreateJobRequest, DeleteJobRequest, Empty,
    JobConfiguration, JobResponse, RetryConfig, UpdateJobRequest,
};
use marram_store::JobRow;

use super::fields;
use super::job::{CANCELED, CONTINUOUS, IN_PROGRESS, Job};
use super::look::asked_of;
use super::make::{add_targets, check_targets, request_json};
use super::queue;
use super::spread::Spread;
use crate::fleet::Fleet;
use crate::rollout::Plan;
use crate::unit::Unit;

/// How many executions are deleted per read.
const BATCH: i64 = 500;

impl Fleet {
    /// `UpdateJob`: what is given replaces what was. Executions in progress keep their timers.
    ///
    /// # Errors
    /// There is no such job, it is over, or a member is not valid.
    pub async fn update_job(&self, request: UpdateJobRequest) -> Result<Empty, ApiError> {
        fields::text("description", request.description.as_deref())?;
        fields::configuration(&request.configuration)?;
        check_retries(request.configuration.job_executions_retry_config.as_ref())?;
        let mut unit = self.unit().await?;
        let row = find(&mut unit, &request.job_id, request.namespace_id.as_deref()).await?;
        check_in_progress(&row)?;
        let mut asked = asked_of(&row)?;
        let before = asked.configuration.clone();
        merge(&mut asked, request);
        let updated_at_ms = unit.now_ms;
        let row = JobRow { request_json: request_json(&asked)?, updated_at_ms, ..row };
        unit.tx.put_job(&row).await?;
        if asked.configuration != before
            && let Some(spread) = Spread::load(&mut unit, &row.id).await?
        {
            let plan = Plan::of(&asked.configuration).unwrap_or_default();
            spread.replan(&unit, plan).release(&mut unit).await?;
        }
        unit.commit().await?;
        Ok(Empty {})
    }

    /// `CancelJob`: things that have not begun it will not; those that have go on unless forced.
    ///
    /// # Errors
    /// There is no such job, it is over, or a member is not valid.
    pub async fn cancel_job(&self, request: CancelJobRequest) -> Result<JobResponse, ApiError> {
        fields::reason_code(request.reason_code.as_deref())?;
        fields::text("comment", request.comment.as_deref())?;
        let force = request.force.unwrap_or(false);
        let mut unit = self.unit().await?;
        let row = find(&mut unit, &request.job_id, None).await?;
        check_in_progress(&row)?;
        let row = JobRow {
            status: CANCELED.to_owned(),
            is_force_canceled: force,
            reason_code: request.reason_code,
            comment: request.comment,
            updated_at_ms: unit.now_ms,
            completed_at_ms: Some(unit.now_ms),
            ..row
        };
        unit.tx.put_job(&row).await?;
        queue::cancel_all(&mut unit, &Job::Ordinary(row.clone()), force).await?;
        unit.commit().await?;
        self.response(&row)
    }

    /// `DeleteJob`: with all its executions, at once. Its id may be used again.
    ///
    /// # Errors
    /// There is no such job, or it is in progress and not forced.
    pub async fn delete_job(&self, request: DeleteJobRequest) -> Result<Empty, ApiError> {
        let mut unit = self.unit().await?;
        let row = find(&mut unit, &request.job_id, request.namespace_id.as_deref()).await?;
        if row.status == IN_PROGRESS && request.force != Some(true) {
            let message = format!("job `{}` is IN_PROGRESS: cancel it first, or force", row.id);
            return Err(ApiError::new("InvalidStateTransitionException", 409, message));
        }
        let mut after = String::new();
        loop {
            let rows = unit.tx.pending_executions_of_job(&row.id, &after, BATCH).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.thing);
            for pending in &rows {
                unit.touch_queue(&pending.thing, &pending.namespace).await?;
            }
        }
        unit.tx.delete_job(&row.id).await?;
        unit.tx.delete_tags(&self.inner.account.job(&row.id)).await?;
        unit.commit().await?;
        Ok(Empty {})
    }

    /// `AssociateTargetsWithJob`: more targets for a CONTINUOUS job in progress.
    ///
    /// # Errors
    /// There is no such job or target, the job is over or a SNAPSHOT, or it would have more than
    /// 100 targets.
    pub async fn associate_targets_with_job(
        &self,
        request: AssociateTargetsWithJobRequest,
    ) -> Result<JobResponse, ApiError> {
        fields::text("comment", request.comment.as_deref())?;
        let targets = fields::targets(&request.targets, &self.inner.account)?;
        let mut unit = self.unit().await?;
        let row = find(&mut unit, &request.job_id, request.namespace_id.as_deref()).await?;
        check_in_progress(&row)?;
        if row.target_selection != CONTINUOUS {
            let message = format!("job `{}` is a SNAPSHOT: make another job instead", row.id);
            return Err(ApiError::invalid_request(message));
        }
        check_targets(&mut unit, &targets, &request.targets).await?;
        let comment = request.comment.or_else(|| row.comment.clone());
        let row = JobRow { comment, updated_at_ms: unit.now_ms, ..row };
        unit.tx.put_job(&row).await?;
        add_targets(&mut unit, &Job::Ordinary(row.clone()), &request.targets).await?;
        let count = unit.tx.job_targets(&row.id).await?.len();
        if count > fields::MAX_TARGETS {
            let message = format!(
                "job `{}` would have {count} targets: at most {}, put things into groups",
                row.id,
                fields::MAX_TARGETS
            );
            return Err(ApiError::new("LimitExceededException", 410, message));
        }
        unit.commit().await?;
        self.response(&row)
    }

    fn response(&self, row: &JobRow) -> Result<JobResponse, ApiError> {
        Ok(JobResponse {
            job_arn: self.inner.account.job(&row.id),
            job_id: row.id.clone(),
            description: asked_of(row)?.description,
        })
    }
}

/// The job of that id that people may change.
async fn find(unit: &mut Unit, job_id: &str, namespace: Option<&str>) -> Result<JobRow, ApiError> {
    match Job::find(&mut unit.tx, job_id).await? {
        Some(Job::Ordinary(row)) if namespace.is_none_or(|id| id == row.namespace) => Ok(row),
        Some(Job::Deployment(row)) if !row.is_deleted => {
            let message = format!(
                "job `{job_id}` carries the deployment `{}`: change or cancel that one",
                row.id
            );
            Err(ApiError::invalid_request(message))
        }
        _ => Err(ApiError::not_found("Job", job_id)),
    }
}

fn check_in_progress(row: &JobRow) -> Result<(), ApiError> {
    if row.status == IN_PROGRESS {
        return Ok(());
    }
    let message = format!("job `{}` is {}: it must be IN_PROGRESS", row.id, row.status);
    Err(ApiError::invalid_request(message))
}

/// The number of retries of a job that exists can only be set to 0 (AWS IoT developer guide,
/// "Specify job configurations").
fn check_retries(retry: Option<&RetryConfig>) -> Result<(), ApiError> {
    let criteria = retry.map(|retry| retry.criteria_list.as_slice()).unwrap_or_default();
    if criteria.iter().all(|one| one.number_of_retries == 0) {
        return Ok(());
    }
    let message = "can only be set to 0 for a job that exists";
    Err(fields::wrong("jobExecutionsRetryConfig.criteriaList.numberOfRetries", message))
}

fn merge(asked: &mut CreateJobRequest, update: UpdateJobRequest) {
    let JobConfiguration {
        presigned_url_config,
        job_executions_rollout_config,
        abort_config,
        timeout_config,
        job_executions_retry_config,
    } = update.configuration;
    let kept = &mut asked.configuration;
    replace(&mut asked.description, update.description);
    replace(&mut kept.presigned_url_config, presigned_url_config);
    replace(&mut kept.job_executions_rollout_config, job_executions_rollout_config);
    replace(&mut kept.abort_config, abort_config);
    replace(&mut kept.timeout_config, timeout_config);
    replace(&mut kept.job_executions_retry_config, job_executions_retry_config);
}

fn replace<T>(kept: &mut Option<T>, given: Option<T>) {
    if given.is_some() {
        *kept = given;
    }
}
