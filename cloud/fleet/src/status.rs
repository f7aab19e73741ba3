//! Taking in what core devices report of themselves (device-cloud protocol, section 8).

mod chunks;

use std::borrow::Cow;
use std::collections::BTreeSet;

use marram_aws::ApiError;
use marram_model::arn::{ConfigurationArn, Target};
use marram_model::component_state::ComponentState;
use marram_model::fleet_status::{
    ComponentReport, DeploymentInformation, FleetStatus, MessageType,
};
use marram_model::status::DeploymentStatus;
use marram_store::{CoreDeviceRow, DeploymentRow, InstalledComponentRow};
use serde_json::Value;

use crate::effective;
use crate::fleet::Fleet;
use crate::unit::Unit;

/// What a message without a runtime means.
const CLASSIC_RUNTIME: &str = "aws_nucleus_classic";

/// The source of a component that no deployment of the cloud brought.
const LOCAL: &str = "LOCAL";

/// The API's limit for the details of a state, in characters.
const MAX_DETAILS_CHARS: usize = 1000;

/// The nucleus's own service, which nobody wants listed.
const HIDDEN: &str = "main";

impl Fleet {
    /// Takes in one message of `thing`'s status topic. Messages that cannot be read, or that
    /// something newer came before, are dropped and logged: the topic has no replies.
    ///
    /// # Errors
    /// The store refused.
    pub async fn report_status(&self, thing: &str, payload: &[u8]) -> Result<(), ApiError> {
        let payload = &*without_nul(payload);
        let status: FleetStatus = match serde_json::from_slice(payload) {
            Ok(status) => status,
            Err(error) => {
                tracing::warn!(thing, %error, "a status message cannot be read");
                return Ok(());
            }
        };
        let mut unit = self.unit().await?;
        let Some(status) = chunks::assemble(&mut unit, thing, status, payload).await? else {
            return unit.commit().await;
        };
        let before = unit.tx.core_device(thing).await?;
        if before.is_some_and(|before| is_stale(&status, &before)) {
            tracing::debug!(thing, status.sequence_number, "a status message came too late");
            return unit.commit().await;
        }
        take(&mut unit, thing, status).await?;
        unit.commit().await
    }
}

/// PostgreSQL's texts cannot hold the character NUL; a component's output may.
fn without_nul(payload: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(payload) {
        Ok(text) if text.contains(r"\u0000") => {
            Cow::Owned(text.replace(r"\u0000", r"\ufffd").into_bytes())
        }
        _ => Cow::Borrowed(payload),
    }
}

/// Numbers begin again when a device is set up anew; then only its clock tells.
fn is_stale(status: &FleetStatus, before: &CoreDeviceRow) -> bool {
    status.sequence_number <= before.sequence_number && status.timestamp <= before.reported_at_ms
}

async fn take(unit: &mut Unit, thing: &str, status: FleetStatus) -> Result<(), ApiError> {
    let FleetStatus { message_type, timestamp, components, deployment_information, .. } = status;
    let row = CoreDeviceRow {
        thing: thing.to_owned(),
        core_version: status.ggc_version,
        platform: status.platform,
        architecture: status.architecture,
        runtime: status.runtime.unwrap_or_else(|| CLASSIC_RUNTIME.to_owned()),
        status: status.overall_device_status.to_string(),
        sequence_number: status.sequence_number,
        reported_at_ms: timestamp,
    };
    unit.tx.put_core_device(&row).await?;
    let known = unit.tx.installed_components(thing).await?;
    if message_type == MessageType::Complete {
        let listed: BTreeSet<&str> = components.iter().map(|c| c.component_name.as_str()).collect();
        for gone in known.iter().filter(|row| !listed.contains(row.name.as_str())) {
            unit.tx.delete_installed_component(thing, &gone.name).await?;
        }
    }
    for report in &components {
        let before = known.iter().find(|row| row.name == report.component_name);
        let is_partial = message_type == MessageType::Partial;
        take_component(unit, thing, report, before, timestamp, is_partial).await?;
    }
    match deployment_information {
        Some(information) => {
            take_deployment(unit, thing, &information, &known, &components, timestamp).await
        }
        None => Ok(()),
    }
}

async fn take_component(
    unit: &mut Unit,
    thing: &str,
    report: &ComponentReport,
    before: Option<&InstalledComponentRow>,
    timestamp: i64,
    is_partial: bool,
) -> Result<(), ApiError> {
    let name = &report.component_name;
    // A component that was removed has no deployment any more; a built-in one never has a version.
    let is_dropped = is_partial
        && !report.is_root
        && report.fleet_config_arns.is_empty()
        && report.version.is_some();
    if name == HIDDEN || is_dropped || is_removed(&report.status) {
        unit.tx.delete_installed_component(thing, name).await?;
        return Ok(());
    }
    let state = api_state(&report.status);
    let is_unchanged = before.is_some_and(|row| row.state == state);
    let source = match source_of(unit, report).await? {
        Some(source) => Some(source),
        None => before.and_then(|row| row.source.clone()),
    };
    let details = report.component_status_details.clone().unwrap_or_default();
    let reason: String = details.status_reason.chars().take(MAX_DETAILS_CHARS).collect();
    let row = InstalledComponentRow {
        name: name.clone(),
        version: report.version.clone().unwrap_or_else(|| "0.0.0".to_owned()),
        state: state.to_owned(),
        details: Some(reason).filter(|reason| !reason.is_empty()),
        status_codes_json: details.status_codes.into_iter().collect::<Value>().to_string(),
        is_root: report.is_root,
        source,
        changed_at_ms: match before {
            Some(before) if is_unchanged => before.changed_at_ms,
            _ => timestamp,
        },
        reported_at_ms: timestamp,
    };
    unit.tx.put_installed_component(thing, &row).await?;
    Ok(())
}

fn is_removed(status: &str) -> bool {
    status.parse() == Ok(ComponentState::Uninstalled)
}

/// The API's words are fewer than the device's.
fn api_state(status: &str) -> &'static str {
    match status.parse::<ComponentState>() {
        Ok(ComponentState::Stateless) | Err(_) => ComponentState::Finished.as_str(),
        Ok(ComponentState::Uninstalling) => ComponentState::Stopping.as_str(),
        Ok(state) => state.as_str(),
    }
}

/// The deployment that brings the component; `LOCAL` if none of the cloud's does.
async fn source_of(unit: &mut Unit, report: &ComponentReport) -> Result<Option<String>, ApiError> {
    for arn in &report.fleet_config_arns {
        if let Some(deployment) = deployment_named(unit, arn).await? {
            return Ok(Some(deployment.id));
        }
    }
    Ok((!report.fleet_config_arns.is_empty()).then(|| LOCAL.to_owned()))
}

async fn deployment_named(
    unit: &mut Unit,
    configuration_arn: &str,
) -> Result<Option<DeploymentRow>, ApiError> {
    let Ok(ConfigurationArn { target, revision }) = ConfigurationArn::parse(configuration_arn)
    else {
        return Ok(None);
    };
    let target_arn = match &target {
        Target::Thing(name) => unit.inner.account.thing(name),
        Target::ThingGroup(name) => unit.inner.account.thing_group(name),
    };
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    Ok(unit.tx.deployment_revision(&target_arn, revision).await?)
}

/// The end of a deployment: error codes that the job's details had no room for, and roots that it
/// names without having changed them.
async fn take_deployment(
    unit: &mut Unit,
    thing: &str,
    information: &DeploymentInformation,
    known: &[InstalledComponentRow],
    reported: &[ComponentReport],
    timestamp: i64,
) -> Result<(), ApiError> {
    let Some(arn) = &information.fleet_configuration_arn_for_status else {
        return Ok(());
    };
    let Some(deployment) = deployment_named(unit, arn).await? else {
        return Ok(());
    };
    let status: Option<DeploymentStatus> =
        information.status.as_deref().and_then(|word| word.parse().ok());
    if let (Some(status), Some(details)) = (status, &information.status_details) {
        let outcome = details.to_outcome(status);
        effective::add_errors(unit, &deployment.id, thing, &outcome).await?;
    }
    for name in &information.unchanged_root_components {
        let is_reported = reported.iter().any(|report| report.component_name == *name);
        let Some(row) = known.iter().find(|row| row.name == *name).filter(|_| !is_reported) else {
            continue;
        };
        let row = InstalledComponentRow {
            source: Some(deployment.id.clone()),
            reported_at_ms: timestamp,
            ..row.clone()
        };
        unit.tx.put_installed_component(thing, &row).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
