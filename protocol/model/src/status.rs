//! How a deployment stands and how it ended, as jobs, shadows and fleet statuses carry it
//! (recipes and deployments, B7.1; B1.2).

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::error_code::{ErrorCode, ErrorType};
use crate::text::{truncated, words};

words! {
    /// The status of a deployment on one device, as the job or the shadow carries it.
    DeploymentStatus {
        /// Not begun.
        Queued = "QUEUED",
        /// Being worked on.
        InProgress = "IN_PROGRESS",
        /// Everything runs.
        Succeeded = "SUCCEEDED",
        /// See the detailed status.
        Failed = "FAILED",
        /// Not begun, because it is older than what runs.
        Rejected = "REJECTED",
        /// Stopped by the cloud or a person before it changed anything.
        Canceled = "CANCELED",
    }
}

impl DeploymentStatus {
    /// True if the deployment is over.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

words! {
    /// How a deployment ended.
    DetailedStatus {
        /// Everything runs.
        Successful = "SUCCESSFUL",
        /// Failed before anything changed.
        FailedNoStateChange = "FAILED_NO_STATE_CHANGE",
        /// Failed, and the policy is to leave it so.
        FailedRollbackNotRequested = "FAILED_ROLLBACK_NOT_REQUESTED",
        /// Failed, and what was before runs again.
        FailedRollbackComplete = "FAILED_ROLLBACK_COMPLETE",
        /// Failed, and going back failed too.
        FailedUnableToRollback = "FAILED_UNABLE_TO_ROLLBACK",
        /// Not begun, because it is older than what runs.
        Rejected = "REJECTED",
    }
}

impl DetailedStatus {
    /// The status that goes with it.
    pub fn status(self) -> DeploymentStatus {
        match self {
            Self::Successful => DeploymentStatus::Succeeded,
            Self::Rejected => DeploymentStatus::Rejected,
            _ => DeploymentStatus::Failed,
        }
    }
}

/// AWS's limit for one value of a job's status details, in bytes.
const MAX_DETAIL: usize = 1024;

const DETAILED_STATUS: &str = "detailed-deployment-status";
const FAILURE_CAUSE: &str = "deployment-failure-cause";
const ERROR_STACK: &str = "deployment-error-stack";
const ERROR_TYPES: &str = "deployment-error-types";

/// What a device reports of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentOutcome {
    /// The coarse status.
    pub status: DeploymentStatus,
    /// How it ended; absent while it goes on, when cancelled, and when the document was unreadable.
    pub detailed: Option<DetailedStatus>,
    /// The chain of causes in words.
    pub failure_cause: Option<String>,
    /// From general to specific; the first is `DEPLOYMENT_FAILURE` or `DEPLOYMENT_REJECTED`.
    pub error_stack: Vec<ErrorCode>,
    /// The types of the stack's codes, distinct, without `NONE`.
    pub error_types: Vec<ErrorType>,
}

impl DeploymentOutcome {
    /// A deployment that is queued, goes on, or was cancelled: nothing to explain.
    pub fn plain(status: DeploymentStatus) -> Self {
        Self {
            status,
            detailed: None,
            failure_cause: None,
            error_stack: Vec::new(),
            error_types: Vec::new(),
        }
    }

    /// Everything runs.
    pub fn succeeded() -> Self {
        Self {
            detailed: Some(DetailedStatus::Successful),
            ..Self::plain(DeploymentStatus::Succeeded)
        }
    }

    /// A failure (`DEPLOYMENT_FAILURE` leads the stack) or a rejection (`DEPLOYMENT_REJECTED`
    /// leads it), with the codes down the chain of causes; repeated ones are dropped.
    pub fn failed(
        detailed: DetailedStatus,
        cause: impl Into<String>,
        codes: impl IntoIterator<Item = ErrorCode>,
    ) -> Self {
        let first = match detailed {
            DetailedStatus::Rejected => ErrorCode::DeploymentRejected,
            _ => ErrorCode::DeploymentFailure,
        };
        let mut error_stack = vec![first];
        for code in codes {
            push_distinct(&mut error_stack, code);
        }
        let mut error_types = Vec::new();
        for error_type in error_stack.iter().map(ErrorCode::error_type) {
            if error_type != ErrorType::None {
                push_distinct(&mut error_types, error_type);
            }
        }
        Self {
            status: detailed.status(),
            detailed: Some(detailed),
            failure_cause: Some(cause.into()),
            error_stack,
            error_types,
        }
    }

    /// The status details of a job execution; each value at most 1024 bytes, lists shortened by
    /// whole entries so that they stay readable.
    pub fn to_job_status_details(&self) -> Map<String, serde_json::Value> {
        let mut details = Map::new();
        let mut put = |key: &str, value: String| details.insert(key.to_owned(), value.into());
        if let Some(detailed) = self.detailed {
            put(DETAILED_STATUS, detailed.to_string());
        }
        if let Some(cause) = &self.failure_cause {
            put(FAILURE_CAUSE, truncated(cause, MAX_DETAIL).to_owned());
        }
        if !self.error_stack.is_empty() {
            put(ERROR_STACK, list_text(self.error_stack.iter().map(ErrorCode::as_str)));
        }
        if !self.error_types.is_empty() {
            put(ERROR_TYPES, list_text(self.error_types.iter().map(|t| t.as_str())));
        }
        details
    }

    /// Reads the status details of a job execution. What a newer or older device words otherwise
    /// is left out, never refused: a status must not get stuck for its details.
    pub fn from_job_status_details(
        status: DeploymentStatus,
        details: &Map<String, serde_json::Value>,
    ) -> Self {
        let text = |key: &str| details.get(key).and_then(serde_json::Value::as_str);
        Self {
            status,
            detailed: text(DETAILED_STATUS).and_then(|word| word.parse().ok()),
            failure_cause: text(FAILURE_CAUSE).map(str::to_owned),
            error_stack: words_of(text(ERROR_STACK)).map(ErrorCode::from).collect(),
            error_types: words_of(text(ERROR_TYPES)).filter_map(|word| word.parse().ok()).collect(),
        }
    }
}

fn push_distinct<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// A JSON list of the words that fit. The words are upper-case identifiers, or were JSON strings
/// when they reached us, so quoting is left to serde.
fn list_text<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut list: Vec<&str> = words.collect();
    loop {
        let text = serde_json::Value::from(list.clone()).to_string();
        if text.len() <= MAX_DETAIL || list.pop().is_none() {
            return text;
        }
    }
}

/// The words of `["A","B"]`, of `[A, B]`, and of either cut off at the limit.
fn words_of(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default()
        .trim_matches(|c| matches!(c, '[' | ']'))
        .split(',')
        .map(|word| word.trim().trim_matches('"'))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(cause: &str) -> DeploymentOutcome {
        DeploymentOutcome::failed(
            DetailedStatus::FailedNoStateChange,
            cause,
            [
                ErrorCode::ArtifactDownloadError,
                ErrorCode::ArtifactChecksumMismatch,
                ErrorCode::ArtifactDownloadError,
            ],
        )
    }

    #[test]
    fn engine_digest_mismatch_has_its_stack_and_types() {
        let outcome = mismatch("x");
        assert_eq!(
            outcome.error_stack,
            [
                ErrorCode::DeploymentFailure,
                ErrorCode::ArtifactDownloadError,
                ErrorCode::ArtifactChecksumMismatch
            ]
        );
        assert_eq!(outcome.error_types, [ErrorType::ComponentRecipeError]);
        assert_eq!(outcome.status, DeploymentStatus::Failed);
    }

    #[test]
    fn engine_stale_document_is_rejected() {
        let outcome = DeploymentOutcome::failed(
            DetailedStatus::Rejected,
            "older",
            [ErrorCode::RejectedStaleDeployment],
        );
        assert_eq!(outcome.status, DeploymentStatus::Rejected);
        assert_eq!(
            outcome.error_stack,
            [ErrorCode::DeploymentRejected, ErrorCode::RejectedStaleDeployment]
        );
    }

    #[test]
    fn job_status_details_come_back() {
        let outcome = mismatch("digest differs");
        let details = outcome.to_job_status_details();
        assert_eq!(
            details["deployment-error-types"],
            serde_json::json!("[\"COMPONENT_RECIPE_ERROR\"]")
        );
        let read = DeploymentOutcome::from_job_status_details(outcome.status, &details);
        assert_eq!(read, outcome);
    }

    #[test]
    fn long_details_are_cut_without_breaking_a_character() {
        let outcome = mismatch(&"ä".repeat(2000));
        let details = outcome.to_job_status_details();
        assert!(details[FAILURE_CAUSE].as_str().unwrap().len() <= MAX_DETAIL);
    }

    #[test]
    fn lists_are_read_in_every_form() {
        let read = |text: &'static str| words_of(Some(text)).collect::<Vec<_>>();
        assert_eq!(read("[\"A\",\"B\"]"), ["A", "B"]);
        assert_eq!(read("[A, B]"), ["A", "B"]);
        assert_eq!(read("[\"A\",\"B"), ["A", "B"]);
        assert!(read("[]").is_empty());
    }
}
