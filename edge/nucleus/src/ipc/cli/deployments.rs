//! Local deployments: create, cancel, status, list.

use std::path::Path;
use std::time::Duration;

use marram_ipc::shapes::{
    CancelLocalDeploymentResponse, CreateLocalDeploymentResponse, DeploymentStatusDetails,
    GetLocalDeploymentStatusResponse, ListLocalDeploymentsResponse, LocalDeployment,
    LocalDeploymentRequest,
};
use marram_ipc::{ErrorCode, IpcError};
use marram_model::status::DeploymentOutcome;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::time::timeout;
use uuid::Uuid;

use super::{ALL, Call, not_kept, respond};
use crate::deployment::local::LocalRequest;
use crate::deployment::local_status::LocalDeployment as Known;
use crate::deployment::queue::Offered;
use crate::deployment::{Request, Source};

/// Java's `dd-MM-uuuu HH:mm:ss z` in UTC.
const CREATED_ON: &[BorrowedFormatItem<'_>] =
    format_description!("[day]-[month]-[year] [hour]:[minute]:[second] UTC");

/// The engine takes an offer at once, whatever it does; longer means that the device is stopping.
const OFFER_DEADLINE: Duration = Duration::from_secs(10);

impl Call<'_> {
    pub(super) async fn create(&self, request: LocalRequest) -> Result<Vec<u8>, IpcError> {
        self.authorize(ALL)?;
        if let Some(folder) = &request.artifacts_directory_path {
            self.check_artifacts(folder)?;
        }
        if request.group_name.as_deref().is_some_and(|name| name.contains(':')) {
            return Err(IpcError::invalid_arguments(
                "Thing group name cannot contain colon characters",
            ));
        }
        let deployment_id = Uuid::new_v4().to_string();
        self.enqueue(&deployment_id, &request).await?;
        tracing::info!(deployment = deployment_id, principal = %self.principal, "local deployment");
        Ok(respond(&CreateLocalDeploymentResponse { deployment_id }))
    }

    /// The store must not be copied into itself.
    fn check_artifacts(&self, folder: &Path) -> Result<(), IpcError> {
        let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if folder.as_os_str().is_empty()
            || !resolved(&self.backend.paths.artifacts_root()).starts_with(resolved(folder))
        {
            return Ok(());
        }
        Err(IpcError::new(
            ErrorCode::InvalidArtifactsDirectoryPath,
            "Requested artifacts directory path is parent of kernel artifacts directory path. \
             Specify another path to avoid recursive copy",
        ))
    }

    /// Kept as QUEUED before it is offered, so that its status is known from the first moment.
    async fn enqueue(&self, id: &str, request: &LocalRequest) -> Result<(), IpcError> {
        let document = serde_json::to_string(request).map_err(not_kept)?;
        let now_ms = self.backend.clock.now_ms();
        let state = &self.backend.state;
        state.change_local(|local| local.add(id, now_ms)).await.map_err(not_kept)?;
        let request =
            Request::new(Source::Local { deployment_id: id.to_owned() }, document, now_ms);
        let offered = timeout(OFFER_DEADLINE, self.backend.deployments.offer_and_hear(request));
        let refusal = match offered.await {
            Ok(Some(Offered::Full)) => "Deployments queue is full, Please try again later",
            Ok(Some(_)) => return Ok(()),
            Ok(None) | Err(_) => "the device is stopping, Please try again later",
        };
        state.change_local(|local| local.remove(id)).await.map_err(not_kept)?;
        Err(IpcError::service(refusal))
    }

    pub(super) async fn cancel(
        &self,
        request: &LocalDeploymentRequest,
    ) -> Result<Vec<u8>, IpcError> {
        let id = checked_id(request)?;
        let known = self
            .find(id)
            .ok_or_else(|| not_found(format!("Cannot find the deployment id provided {id}"), id))?;
        self.authorize(ALL)?;
        let message = if known.outcome.status.is_terminal() {
            "Cancellation request is not processed because deployment is already finished"
                .to_owned()
        } else {
            self.backend.deployments.cancel(id).await;
            format!("Cancel request submitted. Deployment ID: {id}")
        };
        Ok(respond(&CancelLocalDeploymentResponse { message }))
    }

    pub(super) fn status(&self, request: &LocalDeploymentRequest) -> Result<Vec<u8>, IpcError> {
        let id = checked_id(request)?;
        let known = self.find(id).ok_or_else(|| not_found("Cannot find deployment", id))?;
        self.authorize(id)?;
        let deployment =
            LocalDeployment { deployment_status_details: details(&known.outcome), ..shown(&known) };
        Ok(respond(&GetLocalDeploymentStatusResponse { deployment }))
    }

    pub(super) fn list_deployments(&self) -> Result<Vec<u8>, IpcError> {
        self.authorize(ALL)?;
        let known = self.backend.state.local_deployments();
        let local_deployments = known.iter().map(shown).collect();
        Ok(respond(&ListLocalDeploymentsResponse { local_deployments }))
    }

    fn find(&self, id: &str) -> Option<Known> {
        self.backend.state.local_deployments().into_iter().find(|known| known.id == id)
    }
}

fn checked_id(request: &LocalDeploymentRequest) -> Result<&str, IpcError> {
    let id = request.deployment_id.as_deref().unwrap_or_default();
    if Uuid::parse_str(id).is_err() {
        return Err(IpcError::invalid_arguments(
            "Invalid deploymentId format received. DeploymentId is a UUID",
        ));
    }
    Ok(id)
}

fn not_found(message: impl Into<String>, id: &str) -> IpcError {
    IpcError::not_found(message).with_resource("LocalDeployment", id)
}

fn shown(known: &Known) -> LocalDeployment {
    LocalDeployment {
        deployment_id: known.id.clone(),
        status: known.outcome.status.to_string(),
        created_on: created_on(known.created_ms),
        deployment_status_details: None,
    }
}

fn created_on(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000));
    time.ok().and_then(|time| time.format(CREATED_ON).ok()).unwrap_or_default()
}

/// Only a deployment that has ended has details; one that nobody could read has no detailed
/// status, but the shape requires one.
fn details(outcome: &DeploymentOutcome) -> Option<DeploymentStatusDetails> {
    use marram_model::status::{DeploymentStatus, DetailedStatus};
    let detailed = match (outcome.detailed, outcome.status) {
        (Some(detailed), _) => detailed,
        (None, DeploymentStatus::Failed) => DetailedStatus::FailedNoStateChange,
        (None, _) => return None,
    };
    Some(DeploymentStatusDetails {
        detailed_deployment_status: detailed.to_string(),
        deployment_error_stack: outcome.error_stack.iter().map(ToString::to_string).collect(),
        deployment_error_types: outcome.error_types.iter().map(ToString::to_string).collect(),
        deployment_failure_cause: outcome.failure_cause.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipc_4_6_created_on_is_written_as_java_does() {
        assert_eq!(created_on(1_709_634_030_999), "05-03-2024 10:20:30 UTC");
    }
}
