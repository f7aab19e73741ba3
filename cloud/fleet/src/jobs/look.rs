//! Looking at jobs, for people: those that they made, and those of deployments.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{CreateDeploymentRequest, DeploymentStatus};
use marram_aws::iot::{
    CreateJobRequest, DescribeJobRequest, DescribeJobResponse, GetJobDocumentRequest,
    GetJobDocumentResponse, Job as DescribedJob, JobProcessDetails, JobSummary, ListJobsRequest,
    ListJobsResponse,
};
use marram_model::jobs::DEPLOYMENT_NAMESPACE;
use marram_store::{DeploymentRow, ExecutionCount, JobFilter, JobRow, ListedJob, Reader};

use super::fields;
use super::job::{CANCELED, COMPLETED, CONTINUOUS, IN_PROGRESS, Job, SNAPSHOT};
use crate::fleet::Fleet;
use crate::paging;

/// What `ListJobs` may be asked for; the last two never are.
const STATUSES: &[&str] = &[IN_PROGRESS, CANCELED, COMPLETED, "DELETION_IN_PROGRESS", "SCHEDULED"];

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
        let found = find(&mut reader, &request.job_id).await?;
        let counts = reader.count_executions(&request.job_id).await?;
        let rollout = reader.rollout(&request.job_id).await?;
        let mut response = match found {
            Job::Deployment(row) => self.describe_of_deployment(row)?,
            Job::Ordinary(row) => {
                let targets = reader.job_targets(&row.id).await?;
                self.describe_ordinary(row, targets)?
            }
        };
        let job = &mut response.job;
        let changed_ms = counts.iter().map(|count| count.updated_at_s * 1000).max();
        job.last_updated_at = job.last_updated_at.max(EpochMs(changed_ms.unwrap_or_default()));
        job.job_process_details = process_details(&counts);
        job.is_concurrent = rollout.is_some_and(|rollout| rollout.due_at_s.is_some());
        Ok(response)
    }

    fn describe_of_deployment(&self, row: DeploymentRow) -> Result<DescribeJobResponse, ApiError> {
        let asked: CreateDeploymentRequest = serde_json::from_str(&row.request_json)
            .map_err(|error| damaged("deployment", &row.id, &error.to_string()))?;
        let job_id = row.job_id.clone().unwrap_or_default();
        let job = DescribedJob {
            job_arn: self.inner.account.job(&job_id),
            job_id,
            target_selection: CONTINUOUS.to_owned(),
            status: status_of_deployment(&row).to_owned(),
            force_canceled: None,
            reason_code: None,
            comment: None,
            targets: vec![row.target_arn],
            description: row.name,
            configuration: asked.iot_job_configuration.unwrap_or_default().into(),
            created_at: EpochMs(row.created_at_ms),
            last_updated_at: EpochMs(row.created_at_ms),
            completed_at: None,
            job_process_details: JobProcessDetails::default(),
            namespace_id: Some(DEPLOYMENT_NAMESPACE.to_owned()),
            is_concurrent: false,
        };
        Ok(DescribeJobResponse { document_source: None, job })
    }

    fn describe_ordinary(
        &self,
        row: JobRow,
        targets: Vec<String>,
    ) -> Result<DescribeJobResponse, ApiError> {
        let asked = asked_of(&row)?;
        let job = DescribedJob {
            job_arn: self.inner.account.job(&row.id),
            job_id: row.id,
            target_selection: row.target_selection,
            status: row.status,
            force_canceled: row.is_force_canceled.then_some(true),
            reason_code: row.reason_code,
            comment: row.comment,
            targets,
            description: asked.description,
            configuration: asked.configuration,
            created_at: EpochMs(row.created_at_ms),
            last_updated_at: EpochMs(row.updated_at_ms),
            completed_at: row.completed_at_ms.map(EpochMs),
            job_process_details: JobProcessDetails::default(),
            namespace_id: Some(row.namespace).filter(|namespace| !namespace.is_empty()),
            is_concurrent: false,
        };
        Ok(DescribeJobResponse { document_source: asked.document_source, job })
    }

    /// `GetJobDocument`: what the job's devices get.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn get_job_document(
        &self,
        request: GetJobDocumentRequest,
    ) -> Result<GetJobDocumentResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let document = match find(&mut reader, &request.job_id).await? {
            Job::Deployment(row) => row.document_json,
            Job::Ordinary(row) => row.document_json,
        };
        Ok(GetJobDocumentResponse { document })
    }

    /// `ListJobs`, newest first.
    ///
    /// # Errors
    /// A member is not valid, or there is no such thing group.
    pub async fn list_jobs(&self, request: ListJobsRequest) -> Result<ListJobsResponse, ApiError> {
        let size = fields::page_size(request.max_results)?;
        fields::one_of("status", request.status.as_deref(), STATUSES)?;
        let selection = request.target_selection.as_deref();
        fields::one_of("targetSelection", selection, &[SNAPSHOT, CONTINUOUS])?;
        let before = paging::before(request.next_token.as_deref())
            .map_err(|error| ApiError::invalid_request(error.message))?;
        let mut reader = self.inner.store.read().await?;
        let group = group_of(&mut reader, &request).await?;
        let filter = JobFilter {
            status: request.status,
            target_selection: request.target_selection,
            namespace: request.namespace_id,
            target_arn: group.as_ref().map(|(name, _)| self.inner.account.thing_group(name)),
        };
        let before = before.as_ref().map(|(ms, id)| (*ms, id.as_str()));
        let limit = paging::limit(size);
        let rows = reader.jobs_before(&filter, DEPLOYMENT_NAMESPACE, before, limit).await?;
        let key = |row: &ListedJob| paging::age_key(row.created_at_ms, &row.id);
        let (rows, next_token) = paging::cut(rows, size, key);
        let thing_group_id = group.map(|(_, id)| id);
        let jobs = rows.into_iter().map(|row| JobSummary {
            job_arn: self.inner.account.job(&row.id),
            job_id: row.id,
            thing_group_id: thing_group_id.clone(),
            target_selection: row.target_selection,
            status: row.status,
            created_at: EpochMs(row.created_at_ms),
            last_updated_at: EpochMs(row.updated_at_ms),
            completed_at: row.completed_at_ms.map(EpochMs),
            is_concurrent: row.is_spreading,
        });
        Ok(ListJobsResponse { jobs: jobs.collect(), next_token })
    }
}

/// Name and id of the group whose jobs are asked for.
async fn group_of(
    reader: &mut Reader,
    request: &ListJobsRequest,
) -> Result<Option<(String, String)>, ApiError> {
    let found = match (&request.thing_group_name, &request.thing_group_id) {
        (None, None) => return Ok(None),
        (Some(name), id) => {
            let group = reader.thing_group(name).await?;
            group.filter(|group| id.as_ref().is_none_or(|id| *id == group.id))
        }
        (None, Some(id)) => reader.thing_group_by_id(id).await?,
    };
    let asked = request.thing_group_name.as_ref().or(request.thing_group_id.as_ref());
    let unknown = || ApiError::not_found("ThingGroup", asked.map_or("", String::as_str));
    found.map(|group| Some((group.name, group.id))).ok_or_else(unknown)
}

/// The job of that id, unless its deployment was deleted.
async fn find(reader: &mut Reader, job_id: &str) -> Result<Job, ApiError> {
    match Job::find(reader, job_id).await? {
        Some(Job::Deployment(row)) if row.is_deleted => Err(ApiError::not_found("Job", job_id)),
        Some(job) => Ok(job),
        None => Err(ApiError::not_found("Job", job_id)),
    }
}

/// What the job was asked to be, with later updates.
pub(super) fn asked_of(row: &JobRow) -> Result<CreateJobRequest, ApiError> {
    serde_json::from_str(&row.request_json)
        .map_err(|error| damaged("job", &row.id, &error.to_string()))
}

/// A group's job goes on as long as its deployment is in force, because things may still join.
fn status_of_deployment(row: &DeploymentRow) -> &'static str {
    match row.status.as_str() {
        status if status == DeploymentStatus::Active.as_str() => IN_PROGRESS,
        status if status == DeploymentStatus::Canceled.as_str() => CANCELED,
        _ => COMPLETED,
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

pub(super) fn damaged(noun: &str, id: &str, reason: &str) -> ApiError {
    ApiError::internal(format!("what is stored of {noun} `{id}` is damaged: {reason}"))
}
