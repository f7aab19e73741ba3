//! Shapes of the operations on jobs. Greengrass makes the jobs; these only look at them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::epoch::EpochMs;
use crate::greengrassv2::{AbortConfig, RolloutConfig, TimeoutConfig};

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
    /// The job.
    pub job: Job,
}

/// A job. The configurations are those that its deployment was made with.
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
    /// How fast it is rolled out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// When it is aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_config: Option<AbortConfig>,
    /// When an execution times out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<TimeoutConfig>,
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

/// `ListJobExecutionsForThing`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListJobExecutionsForThingRequest {
    /// The thing.
    pub thing_name: String,
    /// Only executions in this status.
    pub status: Option<String>,
    /// Only executions of jobs in this namespace.
    pub namespace_id: Option<String>,
    /// Only executions of this job.
    pub job_id: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where to go on.
    pub next_token: Option<String>,
}

/// Answer to `ListJobExecutionsForThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListJobExecutionsForThingResponse {
    /// The page.
    pub execution_summaries: Vec<JobExecutionSummaryForThing>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One row of `ListJobExecutionsForThing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionSummaryForThing {
    /// The job.
    pub job_id: String,
    /// Its execution on the thing.
    pub job_execution_summary: JobExecutionSummary,
}

/// How far one thing is with one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionSummary {
    /// `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `REJECTED`, `REMOVED` or
    /// `CANCELED`.
    pub status: String,
    /// When it was queued.
    pub queued_at: EpochMs,
    /// When the thing began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<EpochMs>,
    /// When it last changed.
    pub last_updated_at: EpochMs,
    /// Which attempt it is, from 1.
    pub execution_number: i64,
}

/// `DescribeJobExecution`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeJobExecutionRequest {
    /// The job.
    pub job_id: String,
    /// The thing.
    pub thing_name: String,
    /// Which attempt; the last one when absent.
    pub execution_number: Option<i64>,
}

/// Answer to `DescribeJobExecution`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeJobExecutionResponse {
    /// The execution.
    pub execution: JobExecution,
}

/// One thing's execution of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecution {
    /// The job.
    pub job_id: String,
    /// As in [`JobExecutionSummary`].
    pub status: String,
    /// Whether it was cancelled while in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_canceled: Option<bool>,
    /// What the thing says of it.
    pub status_details: JobExecutionStatusDetails,
    /// The thing's ARN.
    pub thing_arn: String,
    /// When it was queued.
    pub queued_at: EpochMs,
    /// When the thing began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<EpochMs>,
    /// When it last changed.
    pub last_updated_at: EpochMs,
    /// Which attempt it is, from 1.
    pub execution_number: i64,
    /// Counts the changes from 1.
    pub version_number: i64,
    /// How long the thing still has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_seconds_before_timed_out: Option<i64>,
}

/// What a thing says of an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionStatusDetails {
    /// Names and values.
    pub details_map: BTreeMap<String, String>,
}
