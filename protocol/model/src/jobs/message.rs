//! Messages of the jobs API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::words;

words! {
    /// The status of one device's execution of a job.
    JobStatus {
        /// Waits for the device.
        Queued = "QUEUED",
        /// The device works on it.
        InProgress = "IN_PROGRESS",
        /// Done.
        Succeeded = "SUCCEEDED",
        /// Failed.
        Failed = "FAILED",
        /// The job's time ran out.
        TimedOut = "TIMED_OUT",
        /// The device refused it.
        Rejected = "REJECTED",
        /// The device left the job's target.
        Removed = "REMOVED",
        /// Cancelled in the cloud.
        Canceled = "CANCELED",
    }
}

impl JobStatus {
    /// True if nothing follows.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// String to string, each value at most 1024 characters.
pub type StatusDetails = Map<String, Value>;

/// One device's execution of a job, with the document where it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecution {
    /// The job.
    pub job_id: String,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing_name: Option<String>,
    /// How it stands.
    pub status: JobStatus,
    /// What the device last told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_details: Option<StatusDetails>,
    /// Seconds since the epoch.
    pub queued_at: i64,
    /// Seconds since the epoch; from the first IN_PROGRESS on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Seconds since the epoch.
    #[serde(default)]
    pub last_updated_at: i64,
    /// Rises by one with each change.
    #[serde(default)]
    pub version_number: i64,
    /// Which execution of the job on this device, from 1.
    #[serde(default)]
    pub execution_number: i64,
    /// A JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_document: Option<Value>,
}

/// One execution in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobExecutionSummary {
    /// The job.
    pub job_id: String,
    /// Seconds since the epoch.
    pub queued_at: i64,
    /// Seconds since the epoch; from the first IN_PROGRESS on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Seconds since the epoch.
    #[serde(default)]
    pub last_updated_at: i64,
    /// Rises by one with each change.
    #[serde(default)]
    pub version_number: i64,
    /// Which execution of the job on this device, from 1.
    #[serde(default)]
    pub execution_number: i64,
}

/// Where an execution stands, in replies to updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionState {
    /// How it stands.
    pub status: JobStatus,
    /// What the device last told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_details: Option<StatusDetails>,
    /// Rises by one with each change.
    pub version_number: i64,
}

/// Request of `JOB/get`. `jobId` and `thingName`, which devices repeat here, are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeRequest {
    /// Repeats the topic; the Java nucleus sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Repeats the topic; the Java nucleus sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing_name: Option<String>,
    /// Whether to send the document; absent means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_job_document: Option<bool>,
    /// If given, must be the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_number: Option<i64>,
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// Reply to `JOB/get` and `start-next`, and the message of `notify-next`: without `execution`
/// when nothing is pending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionReply {
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// The execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<JobExecution>,
}

/// Message of `notify-next`.
pub type NotifyNext = ExecutionReply;

/// Request of `get`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPendingRequest {
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// Reply to `get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetPendingAccepted {
    /// What the device works on.
    pub in_progress_jobs: Vec<JobExecutionSummary>,
    /// What waits for it.
    pub queued_jobs: Vec<JobExecutionSummary>,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// Request of `start-next`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartNextRequest {
    /// Replaces the stored details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_details: Option<StatusDetails>,
    /// Minutes until the step counts as timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_timeout_in_minutes: Option<i64>,
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

/// Request of `JOB/update`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRequest {
    /// Repeats the topic; the Java nucleus sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Repeats the topic; the Java nucleus sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing_name: Option<String>,
    /// The new status.
    pub status: JobStatus,
    /// Replaces the stored details when present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_details: Option<StatusDetails>,
    /// If given, must be the stored version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    /// If given, must be the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_number: Option<i64>,
    /// Whether the reply tells the new state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_job_execution_state: Option<bool>,
    /// Whether the reply carries the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_job_document: Option<bool>,
    /// Minutes until the step counts as timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_timeout_in_minutes: Option<i64>,
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

impl UpdateRequest {
    /// What a nucleus sends: status and details, nothing to check.
    pub fn report(status: JobStatus, details: StatusDetails) -> Self {
        Self {
            job_id: None,
            thing_name: None,
            status,
            status_details: Some(details),
            expected_version: None,
            execution_number: None,
            include_job_execution_state: None,
            include_job_document: None,
            step_timeout_in_minutes: None,
            client_token: None,
        }
    }
}

/// Reply to `JOB/update`; the optional parts only if asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAccepted {
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// The new state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_state: Option<ExecutionState>,
    /// The document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_document: Option<Value>,
}

/// Message of `notify`: what is pending, by status; empty lists are left out, `jobs` never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// The pending executions.
    #[serde(default)]
    pub jobs: PendingJobs,
}

/// The pending executions of a device, by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingJobs {
    /// What waits for the device.
    #[serde(rename = "QUEUED", default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<JobExecutionSummary>,
    /// What the device works on.
    #[serde(rename = "IN_PROGRESS", default, skip_serializing_if = "Vec::is_empty")]
    pub in_progress: Vec<JobExecutionSummary>,
}

impl PendingJobs {
    /// True if nothing is pending: the device gives up a job that it works on.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.in_progress.is_empty()
    }
}

words! {
    /// Why a request was rejected.
    RejectCode {
        /// No such topic in the API.
        InvalidTopic = "InvalidTopic",
        /// The payload is not JSON.
        InvalidJson = "InvalidJson",
        /// A field is missing or wrong.
        InvalidRequest = "InvalidRequest",
        /// The status cannot follow the present one.
        InvalidStateTransition = "InvalidStateTransition",
        /// No such job, or none on this device.
        ResourceNotFound = "ResourceNotFound",
        /// `expectedVersion` is not the stored one.
        VersionMismatch = "VersionMismatch",
        /// The cloud failed.
        InternalError = "InternalError",
        /// Too many requests.
        RequestThrottled = "RequestThrottled",
        /// The execution is over.
        TerminalStateReached = "TerminalStateReached",
    }
}

/// Negative reply to any request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Why.
    pub code: RejectCode,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// Echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// With `InvalidStateTransition` and `VersionMismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_state: Option<ExecutionState>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_no_null_and_no_token_that_was_not_sent() {
        let reply = ExecutionReply { client_token: None, timestamp: 1, execution: None };
        assert_eq!(serde_json::to_string(&reply).unwrap(), r#"{"timestamp":1}"#);
    }

    #[test]
    fn an_empty_notify_keeps_its_jobs_member() {
        let notify = Notify { timestamp: 1, jobs: PendingJobs::default() };
        assert_eq!(serde_json::to_string(&notify).unwrap(), r#"{"timestamp":1,"jobs":{}}"#);
        assert!(notify.jobs.is_empty());
    }

    #[test]
    fn requests_of_both_nuclei_are_read() {
        let java = r#"{"includeJobDocument":true,"thingName":"T","jobId":"$next"}"#;
        let request: DescribeRequest = serde_json::from_str(java).unwrap();
        assert_eq!((request.include_job_document, request.client_token), (Some(true), None));
        let lite = r#"{"status":"SUCCEEDED","clientToken":"jobs-nucleus-lite"}"#;
        let request: UpdateRequest = serde_json::from_str(lite).unwrap();
        assert_eq!(request.client_token.as_deref(), Some("jobs-nucleus-lite"));
        assert!(serde_json::from_str::<UpdateRequest>(r#"{"status":"FAILURE"}"#).is_err());
    }

    #[test]
    fn a_described_execution_comes_back() {
        let text = r#"{"clientToken":"t","timestamp":1767323046,"execution":{"jobId":"j","thingName":"core1","status":"QUEUED","queuedAt":1767323045,"lastUpdatedAt":1767323045,"versionNumber":1,"executionNumber":1,"jobDocument":{"deploymentId":"d"}}}"#;
        let reply: ExecutionReply = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&reply).unwrap(), text);
    }
}
