//! What a deployment would change on each of its devices, and why: an operation of our own.
//!
//! For each device the same resolver runs as on the device ([`marram_resolve`]), over what the
//! device reported as installed and the latest deployments in force of all its targets, with the
//! explained one in the place of its own target's. Devices for which all of that is the same are
//! one [`Outcome`]: a group of 100,000 has a handful. Nothing is changed.

mod facts;
mod outcome;
mod shapes;

use std::collections::BTreeMap;

use marram_aws::ApiError;
use marram_model::arn::Target;
use marram_store::{DeploymentRow, Reader};

use crate::deployments;
use crate::fleet::Fleet;
use facts::{Deployed, Facts, Known};
pub use shapes::{
    Brought, Change, ChangedComponent, ExplainDeploymentRequest, ExplainDeploymentResponse,
    Outcome, Problem, Reason, Reported, Requirer,
};

/// How many devices of a group are looked at if the caller does not say.
const DEFAULT_DEVICES: i64 = 1_000;
/// At most; more would outlast a call.
const MAX_DEVICES: i64 = 10_000;
/// So many different outcomes are told, those of the most devices.
const MAX_OUTCOMES: usize = 20;
/// So many devices of each are named.
const SAMPLES: usize = 5;
/// How many members are read at once.
const BATCH: i64 = 500;

impl Fleet {
    /// `ExplainDeployment`: what the deployment would change on its devices, if they had it now.
    ///
    /// # Errors
    /// There is no such deployment or device, or `maxDevices` is not valid.
    pub async fn explain_deployment(
        &self,
        request: ExplainDeploymentRequest,
    ) -> Result<ExplainDeploymentResponse, ApiError> {
        let limit = request.max_devices.unwrap_or(DEFAULT_DEVICES);
        if !(1..=MAX_DEVICES).contains(&limit) {
            let message = format!("`{limit}` is not between 1 and {MAX_DEVICES}");
            return Err(ApiError::field("maxDevices", message));
        }
        let mut reader = self.inner.store.read().await?;
        let row = deployments::find(&mut reader, &request.deployment_id).await?;
        let (devices, things) = self.targets(&mut reader, &row, &request, limit).await?;
        let explained = Deployed::of(&row)?;
        let mut known = Known::default();
        let mut alike: BTreeMap<Facts, Vec<String>> = BTreeMap::new();
        for thing in &things {
            let facts = self.facts(&mut reader, &mut known, &explained, thing).await?;
            alike.entry(facts).or_default().push(thing.clone());
        }
        let mut alike: Vec<(Facts, Vec<String>)> = alike.into_iter().collect();
        alike.sort_by_key(|(_, things)| std::cmp::Reverse(things.len()));
        let mut outcomes = Vec::new();
        for (facts, things) in alike.iter().take(MAX_OUTCOMES) {
            let mut outcome = self.outcome(&mut reader, &explained, facts).await?;
            outcome.devices = count(things.len());
            outcome.samples = things.iter().take(SAMPLES).cloned().collect();
            outcomes.push(outcome);
        }
        let others = alike.iter().skip(MAX_OUTCOMES).map(|(_, things)| things.len()).sum();
        Ok(ExplainDeploymentResponse {
            deployment_status: row.status.clone(),
            is_latest_for_target: row.is_latest,
            revision_id: row.revision.to_string(),
            deployment_id: row.id,
            target_arn: row.target_arn,
            devices,
            examined_devices: count(things.len()),
            other_devices: count(others),
            outcomes,
        })
    }

    /// How many devices the deployment has, and the names of those to look at.
    async fn targets(
        &self,
        reader: &mut Reader,
        row: &DeploymentRow,
        request: &ExplainDeploymentRequest,
        limit: i64,
    ) -> Result<(i64, Vec<String>), ApiError> {
        let target = deployments::target_of(row)?;
        if let Some(device) = &request.device {
            if !self.is_member(reader, &target, device).await? {
                let message = format!("`{device}` is no device of {target}");
                return Err(ApiError::field("device", message));
            }
            return Ok((1, vec![device.clone()]));
        }
        let group = match target {
            Target::Thing(thing) => return Ok((1, vec![thing])),
            Target::ThingGroup(group) => group,
        };
        let mut things: Vec<String> = Vec::new();
        loop {
            let after = things.last().cloned().unwrap_or_default();
            let room = limit - count(things.len());
            let page = reader.members_after(&group, true, &after, BATCH.min(room)).await?;
            if page.is_empty() {
                break;
            }
            things.extend(page);
        }
        Ok((reader.count_members(&group).await?, things))
    }

    async fn is_member(
        &self,
        reader: &mut Reader,
        target: &Target,
        device: &str,
    ) -> Result<bool, ApiError> {
        let group = match target {
            Target::Thing(thing) => return Ok(thing == device),
            Target::ThingGroup(group) => group,
        };
        for direct in reader.groups_of_thing(device).await? {
            if direct == *group || reader.group_ancestors(&direct).await?.contains(group) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
