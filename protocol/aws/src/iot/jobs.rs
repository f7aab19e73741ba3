//! Shapes of the operations on jobs: those that carry Greengrass's deployments, and any other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Tag;
use crate::epoch::EpochMs;
use crate::greengrassv2::{AbortConfig, IoTJobConfiguration, RolloutConfig, TimeoutConfig};

/// How a job spreads over its things.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobConfiguration {
    /// How URLs in the document are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presigned_url_config: Option<PresignedUrlConfig>,
    /// How fast things are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// When the rest is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_config: Option<AbortConfig>,
    /// When one thing is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<TimeoutConfig>,
    /// How often a thing tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_executions_retry_config: Option<RetryConfig>,
}

impl From<IoTJobConfiguration> for JobConfiguration {
    fn from(deployment: IoTJobConfiguration) -> Self {
        let IoTJobConfiguration { job_executions_rollout_config, abort_config, timeout_config } =
            deployment;
        Self { job_executions_rollout_config, abort_config, timeout_config, ..Self::default() }
    }
}

/// `PresignedUrlConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresignedUrlConfig {
    /// The role that may read what is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// How long the URLs work, in seconds: 60 to 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_sec: Option<i64>,
}

/// `JobExecutionsRetryConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryConfig {
    /// One for each kind of failure, or one for both.
    pub criteria_list: Vec<RetryCriteria>,
}

/// `RetryCriteria`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryCriteria {
    /// After which ends a thing tries again.
    pub failure_type: RetryableFailureType,
    /// How often: 0 to 10.
    pub number_of_retries: i64,
}

/// `RetryableFailureType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetryableFailureType {
    /// The device could not do it.
    Failed,
    /// The device took too long.
    TimedOut,
    /// Either of the two.
    All,
}

/// `CreateJob`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateJobRequest {
    /// The new job.
    pub job_id: String,
    /// ARNs of things and thing groups.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Where in S3 the document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_source: Option<String>,
    /// The document itself, JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `SNAPSHOT`, which is the default, or `CONTINUOUS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_selection: Option<String>,
    /// What to tag it with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// On whose topics it is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<String>,
    /// The template that it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_template_arn: Option<String>,
    /// What to fill into a template's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_parameters: Option<Value>,
    /// When it begins and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_config: Option<Value>,
    /// Which software it installs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_package_versions: Option<Value>,
    /// How it spreads.
    #[serde(flatten)]
    pub configuration: JobConfiguration,
}

/// Answer to `CreateJob`, `CancelJob` and `AssociateTargetsWithJob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobResponse {
    /// Its ARN.
    pub job_arn: String,
    /// Its id.
    pub job_id: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `UpdateJob`: what is absent stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateJobRequest {
    /// The job.
    pub job_id: String,
    /// Free text.
    pub description: Option<String>,
    /// The job's namespace.
    pub namespace_id: Option<String>,
    /// How it spreads.
    #[serde(flatten)]
    pub configuration: JobConfiguration,
}

/// `CancelJob`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelJobRequest {
    /// The job.
    pub job_id: String,
    /// Why, as a code.
    pub reason_code: Option<String>,
    /// Why, in words.
    pub comment: Option<String>,
    /// Whether executions in progress are cancelled too.
    pub force: Option<bool>,
}

/// `DeleteJob`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteJobRequest {
    /// The job.
    pub job_id: String,
    /// Whether it is deleted in progress too.
    pub force: Option<bool>,
    /// The job's namespace.
    pub namespace_id: Option<String>,
}

/// `AssociateTargetsWithJob`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociateTargetsWithJobRequest {
    /// The job.
    pub job_id: String,
    /// ARNs of things and thing groups.
    pub targets: Vec<String>,
    /// Why, in words.
    pub comment: Option<String>,
    /// The job's namespace.
    pub namespace_id: Option<String>,
}

/// `GetJobDocument`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetJobDocumentRequest {
    /// The job.
    pub job_id: String,
}

/// Answer to `GetJobDocument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetJobDocumentResponse {
    /// JSON text.
    pub document: String,
}

/// `ListJobs`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListJobsRequest {
    /// Only jobs in this status.
    pub status: Option<String>,
    /// Only `SNAPSHOT` or `CONTINUOUS` jobs.
    pub target_selection: Option<String>,
    /// Only jobs with this thing group as a target.
    pub thing_group_name: Option<String>,
    /// Only jobs with this thing group as a target.
    pub thing_group_id: Option<String>,
    /// Only jobs in this namespace.
    pub namespace_id: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where to go on.
    pub next_token: Option<String>,
}

/// Answer to `ListJobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListJobsResponse {
    /// The page, newest first.
    pub jobs: Vec<JobSummary>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One row of `ListJobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// Its ARN.
    pub job_arn: String,
    /// Its id.
    pub job_id: String,
    /// The thing group that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_group_id: Option<String>,
    /// `CONTINUOUS` or `SNAPSHOT`.
    pub target_selection: String,
    /// As in [`Job`].
    pub status: String,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it last changed.
    pub last_updated_at: EpochMs,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<EpochMs>,
    /// Whether things wait to be told.
    pub is_concurrent: bool,
}

/// `DescribeJob`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeJobRequest {
    /// The job.
    pub job_id: String,
}

/// Answer to `DescribeJob`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeJobResponse {
    /// Where in S3 its document was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_source: Option<String>,
    /// The job.
    pub job: Job,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its ARN.
    pub job_arn: String,
    /// Its id.
    pub job_id: String,
    /// `CONTINUOUS` or `SNAPSHOT`.
    pub target_selection: String,
    /// `IN_PROGRESS`, `CANCELED`, `COMPLETED`, `DELETION_IN_PROGRESS` or `SCHEDULED`.
    pub status: String,
    /// Whether executions in progress were cancelled too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_canceled: Option<bool>,
    /// Why it was cancelled, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// Why it was cancelled, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// ARNs of things and thing groups.
    pub targets: Vec<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it spreads.
    #[serde(flatten)]
    pub configuration: JobConfiguration,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it last changed.
    pub last_updated_at: EpochMs,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<EpochMs>,
    /// How far it is.
    pub job_process_details: JobProcessDetails,
    /// `aws-gg-deployment` for Greengrass's jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_id: Option<String>,
    /// Whether things wait to be told.
    pub is_concurrent: bool,
}

/// How many things of a job are in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobProcessDetails {
    /// ARNs of the targets that are still being expanded to things.
    pub processing_targets: Vec<String>,
    /// CANCELED.
    pub number_of_canceled_things: i64,
    /// SUCCEEDED.
    pub number_of_succeeded_things: i64,
    /// FAILED.
    pub number_of_failed_things: i64,
    /// REJECTED.
    pub number_of_rejected_things: i64,
    /// QUEUED.
    pub number_of_queued_things: i64,
    /// IN_PROGRESS.
    pub number_of_in_progress_things: i64,
    /// REMOVED.
    pub number_of_removed_things: i64,
    /// TIMED_OUT.
    pub number_of_timed_out_things: i64,
}
