//! The `iot-jobs-data` service (2017-09-29): what a device does with its jobs, over HTTPS.
//!
//! The twins of the jobs topics, with two differences: a document travels as JSON text, and
//! `DescribeJobExecution` sends it only when asked. Times are seconds since 1970.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::route::{Kind, Route};

/// The operations that are served, by their names in the model.
#[allow(missing_docs, reason = "the names are the model's")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    DescribeJobExecution,
    GetPendingJobExecutions,
    StartNextPendingJobExecution,
    UpdateJobExecution,
}

const fn route(
    operation: Operation,
    method: &'static str,
    template: &'static str,
    query: &'static [(&'static str, &'static str, Kind)],
) -> Route<Operation> {
    Route { operation, method, template, query, headers: &[], status: 200 }
}

/// Where the operations lie.
pub const ROUTES: &[Route<Operation>] = &[
    route(
        Operation::DescribeJobExecution,
        "GET",
        "/things/{thingName}/jobs/{jobId}",
        &[
            ("includeJobDocument", "includeJobDocument", Kind::Bool),
            ("executionNumber", "executionNumber", Kind::Int),
        ],
    ),
    route(Operation::GetPendingJobExecutions, "GET", "/things/{thingName}/jobs", &[]),
    route(Operation::StartNextPendingJobExecution, "PUT", "/things/{thingName}/jobs/$next", &[]),
    route(Operation::UpdateJobExecution, "POST", "/things/{thingName}/jobs/{jobId}", &[]),
];

/// `DescribeJobExecution`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeJobExecutionRequest {
    /// The job, or `$next` for the first one that is pending.
    pub job_id: String,
    /// The thing.
    pub thing_name: String,
    /// Whether to send the document.
    #[serde(default)]
    pub include_job_document: bool,
    /// If given, must be the current one.
    pub execution_number: Option<i64>,
}

/// `GetPendingJobExecutions`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPendingJobExecutionsRequest {
    /// The thing.
    pub thing_name: String,
}

/// Answer to `GetPendingJobExecutions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPendingJobExecutionsResponse {
    /// What the device works on.
    pub in_progress_jobs: Vec<JobExecutionSummary>,
    /// What waits for it, the one queued first first.
    pub queued_jobs: Vec<JobExecutionSummary>,
}

/// One execution in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionSummary {
    /// The job.
    pub job_id: String,
    /// When it was queued.
    pub queued_at: i64,
    /// When the device began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When it last changed.
    pub last_updated_at: i64,
    /// Counts the changes from 1.
    pub version_number: i64,
    /// Which execution of the job on the thing it is, from 1.
    pub execution_number: i64,
}

/// `StartNextPendingJobExecution`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartNextPendingJobExecutionRequest {
    /// The thing.
    pub thing_name: String,
    /// Replaces the stored details.
    pub status_details: Option<BTreeMap<String, String>>,
    /// Minutes until the step counts as timed out.
    pub step_timeout_in_minutes: Option<i64>,
}

/// Answer to `DescribeJobExecution` and `StartNextPendingJobExecution`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionResponse {
    /// The execution; absent where `$next` is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<JobExecution>,
}

/// One device's execution of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecution {
    /// The job.
    pub job_id: String,
    /// The thing.
    pub thing_name: String,
    /// How it stands.
    pub status: String,
    /// What the device last told of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub status_details: BTreeMap<String, String>,
    /// When it was queued.
    pub queued_at: i64,
    /// When the device began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When it last changed.
    pub last_updated_at: i64,
    /// How many seconds the device still has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate_seconds_before_timed_out: Option<i64>,
    /// Counts the changes from 1.
    pub version_number: i64,
    /// Which execution of the job on the thing it is, from 1.
    pub execution_number: i64,
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_document: Option<String>,
}

/// `UpdateJobExecution`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateJobExecutionRequest {
    /// The job.
    pub job_id: String,
    /// The thing.
    pub thing_name: String,
    /// The new status.
    pub status: String,
    /// Replaces the stored details when present.
    pub status_details: Option<BTreeMap<String, String>>,
    /// Minutes until the step counts as timed out; -1 for no step timer.
    pub step_timeout_in_minutes: Option<i64>,
    /// If given, must be the stored version.
    pub expected_version: Option<i64>,
    /// Whether the answer tells the new state.
    #[serde(default)]
    pub include_job_execution_state: bool,
    /// Whether the answer carries the document.
    #[serde(default)]
    pub include_job_document: bool,
    /// If given, must be the current one.
    pub execution_number: Option<i64>,
}

/// Answer to `UpdateJobExecution`; the parts only if asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateJobExecutionResponse {
    /// The new state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_state: Option<JobExecutionState>,
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_document: Option<String>,
}

/// Where an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionState {
    /// How it stands.
    pub status: String,
    /// What the device last told of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub status_details: BTreeMap<String, String>,
    /// Counts the changes from 1.
    pub version_number: i64,
}
