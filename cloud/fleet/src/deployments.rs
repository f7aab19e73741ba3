//! Deployments: revisions of what a thing or a group shall run.
//!
//! A group's deployment is one job with an execution for each member, of the groups below it too;
//! a thing's is the desired state of its deployment shadow, or a job where the core's runtime is
//! nucleus-lite, which knows no such shadow. A new revision takes the place of the one before,
//! wherever that stands. How fast a group's devices are told, and when the rest is given up, is the
//! job's business ([`crate::rollout`]).

pub(crate) mod create;
mod document;
pub(crate) mod large;
mod list;
mod validate;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{
    CancelDeploymentResponse, CreateDeploymentRequest, Deployment, DeploymentIdRequest,
    DeploymentStatus, GetDeploymentResponse,
};
use marram_model::arn::Target;
use marram_model::shadow_topics::{DEPLOYMENT_SHADOW, DesiredDeployment};
use marram_store::{DeploymentRow, Reader};
use serde_json::json;

use crate::fleet::Fleet;
use crate::jobs::job::Job;
use crate::jobs::queue;
use crate::shadows::{self, Origin};
use crate::unit::Unit;

impl Fleet {
    /// `GetDeployment`.
    ///
    /// # Errors
    /// There is no such deployment.
    pub async fn get_deployment(
        &self,
        request: DeploymentIdRequest,
    ) -> Result<GetDeploymentResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = find(&mut reader, &request.deployment_id).await?;
        let asked: CreateDeploymentRequest = serde_json::from_str(&row.request_json)
            .map_err(|error| damaged(&row, &error.to_string()))?;
        let job_id = listed_job(&row).map(str::to_owned);
        let arn = self.inner.account.deployment(&row.id);
        Ok(GetDeploymentResponse {
            target_arn: row.target_arn.clone(),
            revision_id: row.revision.to_string(),
            deployment_status: status_of(&row)?,
            iot_job_arn: job_id.as_deref().map(|id| self.inner.account.job(id)),
            iot_job_id: job_id,
            components: asked.components,
            deployment_policies: asked.deployment_policies.unwrap_or_default(),
            iot_job_configuration: asked.iot_job_configuration.unwrap_or_default(),
            creation_timestamp: EpochMs(row.created_at_ms),
            is_latest_for_target: row.is_latest,
            parent_target_arn: row.parent_target_arn,
            tags: reader.tags(&arn).await?,
            deployment_id: row.id,
            deployment_name: row.name,
        })
    }

    /// `CancelDeployment`: devices that have not begun it will not; those that have go on.
    ///
    /// # Errors
    /// There is no such deployment, or it is not ACTIVE.
    pub async fn cancel_deployment(
        &self,
        request: DeploymentIdRequest,
    ) -> Result<CancelDeploymentResponse, ApiError> {
        let mut unit = self.unit().await?;
        let row = find(&mut unit.tx, &request.deployment_id).await?;
        if row.status != DeploymentStatus::Active.as_str() {
            let message =
                format!("the deployment is {}: only an ACTIVE one can be cancelled", row.status);
            return Err(ApiError::conflict("deployment", &row.id, message));
        }
        unit.tx.set_deployment_status(&row.id, DeploymentStatus::Canceled.as_str()).await?;
        withdraw(&mut unit, &row, false).await?;
        unit.commit().await?;
        let message = "The deployment is cancelled; devices that began it go on.".to_owned();
        Ok(CancelDeploymentResponse { message })
    }

    /// `DeleteDeployment`: devices keep what it brought.
    ///
    /// # Errors
    /// There is no such deployment, or it is ACTIVE.
    pub async fn delete_deployment(&self, request: DeploymentIdRequest) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        let row = find(&mut unit.tx, &request.deployment_id).await?;
        if row.status == DeploymentStatus::Active.as_str() {
            let message = "the deployment is ACTIVE: cancel it first";
            return Err(ApiError::conflict("deployment", &row.id, message));
        }
        unit.tx.delete_deployment(&row.id).await?;
        let arn = unit.inner.account.deployment(&row.id);
        unit.tx.delete_tags(&arn).await?;
        unit.commit().await?;
        self.delete_document(&row.id).await;
        Ok(())
    }
}

/// Takes the deployment back from devices that have not begun it, or, if forced, from all that
/// are not done.
async fn withdraw(unit: &mut Unit, row: &DeploymentRow, force: bool) -> Result<(), ApiError> {
    if row.job_id.is_some() {
        return queue::cancel_all(unit, &Job::Deployment(row.clone()), force).await;
    }
    match target_of(row)? {
        // The device answers for the execution; a new revision overwrites the desired state.
        Target::Thing(thing) if !force => desire(unit, row, &thing, "CANCELED").await,
        _ => Ok(()),
    }
}

/// Sets what the thing's deployment shadow desires. `fleetConfig` stays when it is cancelled: the
/// Java nucleus parses it first.
async fn desire(
    unit: &mut Unit,
    row: &DeploymentRow,
    thing: &str,
    status: &str,
) -> Result<(), ApiError> {
    let desired = DesiredDeployment {
        fleet_config: large::in_shadow(row)?.into_owned(),
        desired_status: status.to_owned(),
    };
    let payload = json!({ "state": { "desired": desired } }).to_string();
    shadows::update(unit, thing, Some(DEPLOYMENT_SHADOW), payload.as_bytes(), Origin::Elsewhere)
        .await
        .map(drop)
        .map_err(|rejected| match rejected.code {
            413 => {
                let message = "the deployment does not fit into the thing's shadow: \
                               make its configuration updates smaller, or target a thing group";
                ApiError::field("components", message)
            }
            _ => ApiError::internal(format!("cannot write the deployment shadow: {rejected}")),
        })
}

pub(crate) async fn find(reader: &mut Reader, id: &str) -> Result<DeploymentRow, ApiError> {
    let row = reader.deployment(id).await?.filter(|row| !row.is_deleted);
    row.ok_or_else(|| ApiError::not_found("deployment", id))
}

pub(crate) fn target_of(row: &DeploymentRow) -> Result<Target, ApiError> {
    Target::parse_arn(&row.target_arn).map_err(|error| damaged(row, &error.to_string()))
}

/// The job that the API shows: a thing's deployment has none there, whatever carries it.
fn listed_job(row: &DeploymentRow) -> Option<&str> {
    match Target::parse_arn(&row.target_arn) {
        Ok(Target::ThingGroup(_)) => row.job_id.as_deref(),
        _ => None,
    }
}

fn status_of(row: &DeploymentRow) -> Result<DeploymentStatus, ApiError> {
    serde_json::from_value(row.status.as_str().into())
        .map_err(|error| damaged(row, &error.to_string()))
}

fn listed(row: DeploymentRow) -> Result<Deployment, ApiError> {
    Ok(Deployment {
        deployment_status: status_of(&row)?,
        target_arn: row.target_arn,
        revision_id: row.revision.to_string(),
        deployment_id: row.id,
        deployment_name: row.name,
        creation_timestamp: EpochMs(row.created_at_ms),
        is_latest_for_target: row.is_latest,
        parent_target_arn: row.parent_target_arn,
    })
}

pub(crate) fn damaged(row: &DeploymentRow, what: &str) -> ApiError {
    ApiError::internal(format!("deployment {} is damaged: {what}", row.id))
}

#[cfg(test)]
mod tests;
