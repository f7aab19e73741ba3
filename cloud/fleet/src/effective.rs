//! Effective deployments: the account of each deployment on each core device.
//!
//! Job executions and the deployment shadow are what decides; status messages only add error
//! codes that those two had no room for.

use marram_aws::ApiError;
use marram_model::arn::Target;
use marram_model::jobs::JobStatus;
use marram_model::status::{DeploymentOutcome, DeploymentStatus as DeviceStatus};
use marram_store::{DeploymentRow, EffectiveDeploymentRow};

use crate::job_execution::Execution;
use crate::unit::Unit;

/// Records where the thing stands with the deployment by its job execution. A job that carries a
/// thing's deployment (nucleus-lite knows no deployment shadow) decides on the deployment too.
pub(crate) async fn record_execution(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    thing: &str,
    execution: &Execution,
) -> Result<(), ApiError> {
    let status = match execution.status {
        JobStatus::Queued => DeviceStatus::Queued,
        JobStatus::InProgress => DeviceStatus::InProgress,
        JobStatus::Succeeded => DeviceStatus::Succeeded,
        JobStatus::Failed | JobStatus::TimedOut => DeviceStatus::Failed,
        JobStatus::Rejected => DeviceStatus::Rejected,
        // The API has no word for a device that left the group.
        JobStatus::Removed | JobStatus::Canceled => DeviceStatus::Canceled,
    };
    let outcome = DeploymentOutcome::from_job_status_details(status, &execution.details);
    record(unit, deployment, thing, &outcome).await
}

/// Records where the thing stands with the deployment.
pub(crate) async fn record(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    thing: &str,
    outcome: &DeploymentOutcome,
) -> Result<(), ApiError> {
    let is_thing = matches!(Target::parse_arn(&deployment.target_arn), Ok(Target::Thing(_)));
    let row = EffectiveDeploymentRow {
        thing: thing.to_owned(),
        deployment_id: deployment.id.clone(),
        status: status_word(is_thing, outcome.status).to_owned(),
        reason: reason(outcome),
        error_stack_json: list(outcome.error_stack.iter().map(|code| code.as_str())),
        error_types_json: list(outcome.error_types.iter().map(|kind| kind.as_str())),
        modified_at_ms: unit.now_ms,
    };
    unit.tx.put_effective_deployment(&row).await?;
    if is_thing && deployment.status == "ACTIVE" {
        let status = match outcome.status {
            DeviceStatus::Queued | DeviceStatus::InProgress => return Ok(()),
            DeviceStatus::Succeeded => "COMPLETED",
            DeviceStatus::Failed | DeviceStatus::Rejected => "FAILED",
            DeviceStatus::Canceled => "CANCELED",
        };
        unit.tx.set_deployment_status(&deployment.id, status).await?;
    }
    Ok(())
}

/// Adds the error codes of a status message to a failure that has none yet.
pub(crate) async fn add_errors(
    unit: &mut Unit,
    deployment_id: &str,
    thing: &str,
    outcome: &DeploymentOutcome,
) -> Result<(), ApiError> {
    let Some(mut row) = unit.tx.effective_deployment(thing, deployment_id).await? else {
        return Ok(());
    };
    let is_failure = matches!(row.status.as_str(), "FAILED" | "REJECTED");
    if !is_failure || row.error_stack_json != "[]" || outcome.error_stack.is_empty() {
        return Ok(());
    }
    row.reason = reason(outcome);
    row.error_stack_json = list(outcome.error_stack.iter().map(|code| code.as_str()));
    row.error_types_json = list(outcome.error_types.iter().map(|kind| kind.as_str()));
    unit.tx.put_effective_deployment(&row).await?;
    Ok(())
}

/// A thing's deployment is queued nowhere, and is COMPLETED where a group's is SUCCEEDED.
fn status_word(is_thing: bool, status: DeviceStatus) -> &'static str {
    match (is_thing, status) {
        (true, DeviceStatus::Queued) => "IN_PROGRESS",
        (true, DeviceStatus::Succeeded) => "COMPLETED",
        (_, status) => status.as_str(),
    }
}

/// `{most specific error code}: {detailed status}: {cause}` of a failure.
fn reason(outcome: &DeploymentOutcome) -> Option<String> {
    let code = outcome.error_stack.last().map(|code| code.as_str());
    let detailed = outcome.detailed.map(|detailed| detailed.as_str());
    if !matches!(outcome.status, DeviceStatus::Failed | DeviceStatus::Rejected) {
        return None;
    }
    let parts: Vec<&str> =
        [code, detailed, outcome.failure_cause.as_deref()].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(serde_json::Value::from).collect::<serde_json::Value>().to_string()
}

#[cfg(test)]
mod tests {
    use marram_model::error_code::ErrorCode;
    use marram_model::status::DetailedStatus;

    use super::*;

    #[test]
    fn a17_the_reason_starts_with_the_most_specific_code() {
        let outcome = DeploymentOutcome::failed(
            DetailedStatus::FailedRollbackNotRequested,
            "exit code 1",
            [ErrorCode::ComponentUpdateError, ErrorCode::ComponentBroken],
        );
        assert_eq!(
            reason(&outcome).as_deref(),
            Some("COMPONENT_BROKEN: FAILED_ROLLBACK_NOT_REQUESTED: exit code 1")
        );
        assert_eq!(reason(&DeploymentOutcome::succeeded()), None);
    }

    #[test]
    fn a17_success_is_worded_by_the_kind_of_target() {
        assert_eq!(status_word(false, DeviceStatus::Succeeded), "SUCCEEDED");
        assert_eq!(status_word(true, DeviceStatus::Succeeded), "COMPLETED");
    }
}
