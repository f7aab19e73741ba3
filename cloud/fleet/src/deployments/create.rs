//! Making a deployment: checks, the revision before, the new one's way to its devices.

use marram_aws::ApiError;
use marram_aws::greengrassv2::{
    CreateDeploymentRequest, CreateDeploymentResponse, DeploymentStatus,
};
use marram_model::arn::Target;
use marram_model::status::{DeploymentOutcome, DeploymentStatus as DeviceStatus};
use marram_store::{DeploymentRow, Tx};
use uuid::Uuid;

use super::document::{Identity, document};
use super::large::{self, MAX_DOCUMENT_BYTES, MAX_JOB_DOCUMENT_BYTES};
use super::validate::{Valid, validate};
use super::{desire, listed_job, withdraw};
use crate::client_token::ClientToken;
use crate::fleet::Fleet;
use crate::jobs::job::Job;
use crate::jobs::queue;
use crate::jobs::spread::Spread;
use crate::rollout::Plan;
use crate::thing_groups::LITE_RUNTIME;
use crate::unit::Unit;
use crate::{effective, membership};

const OPERATION: &str = "CreateDeployment";

/// nucleus-lite reads packets of at most 5000 bytes; beyond this it never sees the deployment.
const MAX_LITE_DOCUMENT_BYTES: usize = 4_096;

impl Fleet {
    /// `CreateDeployment`: a new revision for the target, in place of the one before.
    ///
    /// # Errors
    /// The request is not valid, or names a target or component version that does not exist.
    pub async fn create_deployment(
        &self,
        mut request: CreateDeploymentRequest,
    ) -> Result<CreateDeploymentResponse, ApiError> {
        let token = request.client_token.take();
        let token = ClientToken::new(OPERATION, token.as_deref(), &request)?;
        let valid = validate(&request, &self.inner.account)?;
        let mut unit = self.unit().await?;
        if let Some(token) = &token
            && let Some(answer) = token.answered(&mut unit).await?
        {
            return Ok(answer);
        }
        check_target(&mut unit, &valid, &request.target_arn).await?;
        for (name, spec) in &valid.components {
            if let Some(problem) = self.undeployable(&mut unit.tx, name, &spec.version).await? {
                return Err(problem);
            }
        }
        let (row, spread) = supersede_and_insert(&mut unit, request, &valid).await?;
        deliver(&mut unit, &row, spread, &valid.target).await?;
        let job_id = listed_job(&row).map(str::to_owned);
        let answer = CreateDeploymentResponse {
            iot_job_arn: job_id.as_deref().map(|id| self.inner.account.job(id)),
            iot_job_id: job_id,
            deployment_id: row.id,
        };
        if let Some(token) = token {
            token.answer(&mut unit, &answer).await?;
        }
        unit.commit().await?;
        Ok(answer)
    }
}

async fn check_target(unit: &mut Unit, valid: &Valid, arn: &str) -> Result<(), ApiError> {
    let (kind, exists) = match &valid.target {
        Target::Thing(name) => ("thing", unit.tx.thing(name).await?.is_some()),
        Target::ThingGroup(name) => ("thingGroup", unit.tx.thing_group(name).await?.is_some()),
    };
    if !exists {
        return Err(ApiError::not_found(kind, arn));
    }
    let Some(parent) = &valid.parent else {
        return Ok(());
    };
    let parent_arn = unit.inner.account.thing_group(parent);
    if unit.tx.thing_group(parent).await?.is_none() {
        return Err(ApiError::not_found("thingGroup", &parent_arn));
    }
    match unit.tx.parent_of_subgroup(arn).await? {
        Some(other) if other != parent_arn => {
            let message = format!(
                "the group has subdeployments of `{other}` already: use another group for \
                 subdeployments of `{parent_arn}`"
            );
            Err(ApiError::conflict("thingGroup", arn, message))
        }
        _ => Ok(()),
    }
}

async fn supersede_and_insert(
    unit: &mut Unit,
    mut request: CreateDeploymentRequest,
    valid: &Valid,
) -> Result<(DeploymentRow, Option<Spread>), ApiError> {
    let before = unit.tx.latest_deployment(&request.target_arn).await?;
    if let Some(before) = &before {
        supersede(unit, before).await?;
    }
    for subdeployment in unit.tx.active_subdeployments(&request.target_arn).await? {
        supersede(unit, &subdeployment).await?;
    }
    let identity = Identity {
        id: Uuid::new_v4().to_string(),
        name: request.deployment_name.clone(),
        revision: unit.tx.next_revision(&request.target_arn).await?,
        // Devices reject a document that is older than the last one of its group.
        created_at_ms: before.map_or(unit.now_ms, |row| unit.now_ms.max(row.created_at_ms + 1)),
    };
    let is_for_lite = match &valid.target {
        Target::ThingGroup(_) => false,
        Target::Thing(thing) => is_lite(&mut unit.tx, thing).await?,
    };
    let is_carried_by_job = is_for_lite || matches!(valid.target, Target::ThingGroup(_));
    let document_json = document(valid, &identity, &unit.inner.account)?;
    let tags = std::mem::take(&mut request.tags);
    request.deployment_policies = Some(valid.policies.clone());
    let row = DeploymentRow {
        id: identity.id,
        revision: identity.revision,
        name: identity.name,
        status: DeploymentStatus::Active.as_str().to_owned(),
        parent_target_arn: request.parent_target_arn.clone(),
        job_id: is_carried_by_job.then(|| Uuid::new_v4().to_string()),
        request_json: serde_json::to_string(&request)
            .map_err(|error| ApiError::internal(format!("a request has no JSON: {error}")))?,
        document_json,
        is_latest: true,
        is_deleted: false,
        created_at_ms: identity.created_at_ms,
        target_arn: request.target_arn.clone(),
    };
    check_size(&row, is_for_lite)?;
    unit.tx.insert_deployment(&row).await?;
    let plan = Plan::of(&request.iot_job_configuration.clone().unwrap_or_default().into());
    let job_and_plan = row.job_id.as_deref().zip(plan);
    let spread = job_and_plan.map(|(job_id, plan)| Spread::begin(unit, job_id, plan));
    let arn = unit.inner.account.deployment(&row.id);
    for (key, value) in &tags {
        unit.tx.put_tag(&arn, key, value).await?;
    }
    Ok((row, spread))
}

/// The deployment is no longer in force: what is not done of it is cancelled, wherever it stands.
async fn supersede(unit: &mut Unit, row: &DeploymentRow) -> Result<(), ApiError> {
    let status = match row.status.as_str() {
        "ACTIVE" => DeploymentStatus::Canceled,
        "COMPLETED" => DeploymentStatus::Inactive,
        _ => return withdraw(unit, row, true).await,
    };
    unit.tx.set_deployment_status(&row.id, status.as_str()).await?;
    let superseded = DeploymentRow { status: status.as_str().to_owned(), ..row.clone() };
    withdraw(unit, &superseded, true).await?;
    if let (DeploymentStatus::Canceled, Ok(Target::Thing(thing)), None) =
        (status, Target::parse_arn(&row.target_arn), &row.job_id)
    {
        let outcome = DeploymentOutcome::plain(DeviceStatus::Canceled);
        effective::record(unit, &superseded, &thing, &outcome).await?;
    }
    Ok(())
}

/// Queues the deployment's job for its devices, or writes the thing's shadow.
async fn deliver(
    unit: &mut Unit,
    row: &DeploymentRow,
    mut spread: Option<Spread>,
    target: &Target,
) -> Result<(), ApiError> {
    let things = match target {
        Target::ThingGroup(group) => membership::members(unit, group).await?,
        Target::Thing(thing) => [thing.clone()].into(),
    };
    let job = row.job_id.is_some().then(|| Job::Deployment(row.clone()));
    for thing in things {
        match &job {
            Some(job) => {
                queue::enqueue(unit, job, &thing, spread.as_mut()).await?;
                warn_if_too_large_for_lite(unit, row, &thing).await?;
            }
            None => {
                desire(unit, row, &thing, "SUCCEEDED").await?;
                let outcome = DeploymentOutcome::plain(DeviceStatus::InProgress);
                effective::record(unit, row, &thing, &outcome).await?;
            }
        }
    }
    match spread {
        Some(spread) => spread.release(unit).await,
        None => Ok(()),
    }
}

/// A shadow checks its own size when it is written.
fn check_size(row: &DeploymentRow, is_for_lite: bool) -> Result<(), ApiError> {
    let bytes = row.document_json.len();
    if bytes > MAX_DOCUMENT_BYTES {
        let message = format!(
            "the deployment document has {bytes} bytes, at most {MAX_DOCUMENT_BYTES} are sent: \
             make its configuration updates smaller"
        );
        return Err(ApiError::field("components", message));
    }
    if row.job_id.is_none() {
        return Ok(());
    }
    let bytes = if is_for_lite { bytes } else { large::in_job(row)?.len() };
    if bytes > MAX_JOB_DOCUMENT_BYTES {
        let message = format!(
            "the deployment document has {bytes} bytes{}, a job carries \
             {MAX_JOB_DOCUMENT_BYTES}: make it smaller",
            if is_for_lite { "" } else { " without its configuration updates" },
        );
        return Err(ApiError::field("components", message));
    }
    Ok(())
}

pub(crate) async fn is_lite(tx: &mut Tx, thing: &str) -> Result<bool, ApiError> {
    let core = tx.core_device(thing).await?;
    Ok(core.is_some_and(|core| core.runtime == LITE_RUNTIME))
}

async fn warn_if_too_large_for_lite(
    unit: &mut Unit,
    row: &DeploymentRow,
    thing: &str,
) -> Result<(), ApiError> {
    let bytes = row.document_json.len();
    if bytes > MAX_LITE_DOCUMENT_BYTES && is_lite(&mut unit.tx, thing).await? {
        tracing::warn!(
            thing,
            deployment_id = row.id,
            bytes,
            "the deployment document is too large for nucleus-lite, which will not see it"
        );
    }
    Ok(())
}
