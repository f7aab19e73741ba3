//! Shapes of the operations on job executions.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::epoch::EpochMs;

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
    /// Which execution of the job on the thing it is, from 1.
    pub execution_number: i64,
    /// How many attempts it was retried after.
    pub retry_attempt: i64,
}

/// `ListJobExecutionsForJob`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListJobExecutionsForJobRequest {
    /// The job.
    pub job_id: String,
    /// Only executions in this status.
    pub status: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where to go on.
    pub next_token: Option<String>,
}

/// Answer to `ListJobExecutionsForJob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListJobExecutionsForJobResponse {
    /// The page.
    pub execution_summaries: Vec<JobExecutionSummaryForJob>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One row of `ListJobExecutionsForJob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionSummaryForJob {
    /// The thing's ARN.
    pub thing_arn: String,
    /// The job's execution on it.
    pub job_execution_summary: JobExecutionSummary,
}

/// `CancelJobExecution`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelJobExecutionRequest {
    /// The job.
    pub job_id: String,
    /// The thing.
    pub thing_name: String,
    /// Whether it is cancelled in progress too.
    pub force: Option<bool>,
    /// If given, must be the stored version.
    pub expected_version: Option<i64>,
    /// Replace the stored details when given.
    pub status_details: Option<BTreeMap<String, String>>,
}

/// `DeleteJobExecution`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteJobExecutionRequest {
    /// The job.
    pub job_id: String,
    /// The thing.
    pub thing_name: String,
    /// Which execution of the job on the thing.
    #[serde(deserialize_with = "number_in_path")]
    pub execution_number: i64,
    /// Whether it is deleted in progress too.
    pub force: Option<bool>,
    /// The job's namespace.
    pub namespace_id: Option<String>,
}

/// Path labels are texts.
fn number_in_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom(format!("`{text}` is no number")))
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
