//! Core devices as the control plane shows them.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{
    CoreDevice, CoreDeviceRequest, CoreDeviceStatus, EffectiveDeployment,
    EffectiveDeploymentStatusDetails, GetCoreDeviceResponse, InstalledComponent,
    ListCoreDevicesRequest, ListCoreDevicesResponse, ListEffectiveDeploymentsRequest,
    ListEffectiveDeploymentsResponse, ListInstalledComponentsRequest,
    ListInstalledComponentsResponse, TopologyFilter,
};
use marram_model::arn::Target;
use marram_store::{
    CoreDeviceFilter, CoreDeviceRow, EffectiveDeploymentRow, InstalledComponentRow, Reader,
};

use crate::fleet::Fleet;
use crate::paging;

impl Fleet {
    /// `GetCoreDevice`.
    ///
    /// # Errors
    /// No such core device has reported.
    pub async fn get_core_device(
        &self,
        request: CoreDeviceRequest,
    ) -> Result<GetCoreDeviceResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = find(&mut reader, &request.core_device_thing_name).await?;
        let tags = reader.tags(&self.inner.account.core_device(&row.thing)).await?;
        Ok(GetCoreDeviceResponse {
            status: status_of(&row),
            core_device_thing_name: row.thing,
            core_version: row.core_version,
            platform: row.platform,
            architecture: row.architecture,
            runtime: row.runtime,
            last_status_update_timestamp: EpochMs(row.reported_at_ms),
            tags,
        })
    }

    /// `ListCoreDevices`: by thing name.
    ///
    /// # Errors
    /// A page size or token that is not valid.
    pub async fn list_core_devices(
        &self,
        request: ListCoreDevicesRequest,
    ) -> Result<ListCoreDevicesResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let after = paging::after(request.next_token.as_deref())?;
        let filter = CoreDeviceFilter {
            status: request.status.map(|status| status.as_str().to_owned()),
            runtime: request.runtime,
            succeeded_target_arn: request.thing_group_arn,
        };
        let mut reader = self.inner.store.read().await?;
        let rows = reader.core_devices_after(&filter, &after, paging::limit(size)).await?;
        let (rows, next_token) = paging::cut(rows, size, |row| row.thing.clone());
        let core_devices = rows
            .into_iter()
            .map(|row| CoreDevice {
                status: status_of(&row),
                core_device_thing_name: row.thing,
                last_status_update_timestamp: EpochMs(row.reported_at_ms),
                platform: row.platform,
                architecture: row.architecture,
                runtime: row.runtime,
            })
            .collect();
        Ok(ListCoreDevicesResponse { core_devices, next_token })
    }

    /// `DeleteCoreDevice`: forgets what the device reported; its next report brings it back.
    ///
    /// # Errors
    /// No such core device has reported, or an ACTIVE deployment targets the thing.
    pub async fn delete_core_device(&self, request: CoreDeviceRequest) -> Result<(), ApiError> {
        let thing = &request.core_device_thing_name;
        let mut unit = self.unit().await?;
        find(&mut unit.tx, thing).await?;
        let arn = unit.inner.account.thing(thing);
        let latest = unit.tx.latest_deployment(&arn).await?;
        if let Some(active) = latest.filter(|row| row.status == "ACTIVE") {
            let message = format!("deployment {} targets the device: cancel it first", active.id);
            return Err(ApiError::conflict("coreDevice", thing, message));
        }
        unit.tx.delete_core_device(thing).await?;
        unit.tx.delete_client_devices(thing).await?;
        let arn = unit.inner.account.core_device(thing);
        unit.tx.delete_tags(&arn).await?;
        unit.commit().await
    }

    /// `ListInstalledComponents`: by name.
    ///
    /// # Errors
    /// A page size or token that is not valid, or no such core device has reported.
    pub async fn list_installed_components(
        &self,
        request: ListInstalledComponentsRequest,
    ) -> Result<ListInstalledComponentsResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let after = paging::after(request.next_token.as_deref())?;
        let mut reader = self.inner.store.read().await?;
        let core = find(&mut reader, &request.core_device_thing_name).await?;
        let rows = reader.installed_components(&core.thing).await?;
        let is_listed = |row: &InstalledComponentRow| {
            (request.topology_filter == TopologyFilter::All || row.is_root) && row.name > after
        };
        let rows = rows.into_iter().filter(is_listed).take(size + 1).collect();
        let (rows, next_token) = paging::cut(rows, size, |row| row.name.clone());
        let installed_components =
            rows.into_iter().map(|row| installed(&core.thing, row)).collect::<Result<_, _>>()?;
        Ok(ListInstalledComponentsResponse { installed_components, next_token })
    }

    /// `ListEffectiveDeployments`: last changed first.
    ///
    /// # Errors
    /// A page size or token that is not valid, or the device is known neither by a report nor as
    /// a thing.
    pub async fn list_effective_deployments(
        &self,
        request: ListEffectiveDeploymentsRequest,
    ) -> Result<ListEffectiveDeploymentsResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let before = paging::before(request.next_token.as_deref())?;
        let before = before.as_ref().map(|(ms, id)| (*ms, id.as_str()));
        let thing = &request.core_device_thing_name;
        let mut reader = self.inner.store.read().await?;
        if reader.thing(thing).await?.is_none() {
            find(&mut reader, thing).await?;
        }
        let rows = reader.effective_deployments_before(thing, before, paging::limit(size)).await?;
        let (rows, next_token) =
            paging::cut(rows, size, |row| paging::age_key(row.modified_at_ms, &row.deployment_id));
        let mut effective_deployments = Vec::new();
        for row in rows {
            effective_deployments.extend(self.effective(&mut reader, row).await?);
        }
        Ok(ListEffectiveDeploymentsResponse { effective_deployments, next_token })
    }

    async fn effective(
        &self,
        reader: &mut Reader,
        row: EffectiveDeploymentRow,
    ) -> Result<Option<EffectiveDeployment>, ApiError> {
        let Some(deployment) = reader.deployment(&row.deployment_id).await? else {
            return Ok(None);
        };
        let is_group =
            matches!(Target::parse_arn(&deployment.target_arn), Ok(Target::ThingGroup(_)));
        let job_id = deployment.job_id.filter(|_| is_group);
        let error_stack = texts(&row.thing, &row.error_stack_json)?;
        let error_types = texts(&row.thing, &row.error_types_json)?;
        let has_details = !error_stack.is_empty() || !error_types.is_empty();
        let details = EffectiveDeploymentStatusDetails { error_stack, error_types };
        Ok(Some(EffectiveDeployment {
            deployment_id: deployment.id,
            deployment_name: deployment.name.unwrap_or_default(),
            iot_job_arn: job_id.as_deref().map(|id| self.inner.account.job(id)),
            iot_job_id: job_id,
            target_arn: deployment.target_arn,
            core_device_execution_status: row.status,
            reason: row.reason,
            creation_timestamp: EpochMs(deployment.created_at_ms),
            modified_timestamp: EpochMs(row.modified_at_ms),
            status_details: has_details.then_some(details),
        }))
    }
}

async fn find(reader: &mut Reader, thing: &str) -> Result<CoreDeviceRow, ApiError> {
    reader.core_device(thing).await?.ok_or_else(|| ApiError::not_found("coreDevice", thing))
}

fn status_of(row: &CoreDeviceRow) -> CoreDeviceStatus {
    match row.status.as_str() {
        "UNHEALTHY" => CoreDeviceStatus::Unhealthy,
        _ => CoreDeviceStatus::Healthy,
    }
}

fn installed(thing: &str, row: InstalledComponentRow) -> Result<InstalledComponent, ApiError> {
    Ok(InstalledComponent {
        lifecycle_status_codes: texts(thing, &row.status_codes_json)?,
        component_name: row.name,
        component_version: row.version,
        lifecycle_state: row.state,
        lifecycle_state_details: row.details,
        is_root: row.is_root,
        last_status_change_timestamp: EpochMs(row.changed_at_ms),
        last_reported_timestamp: EpochMs(row.reported_at_ms),
        last_installation_source: row.source,
    })
}

fn texts(thing: &str, json: &str) -> Result<Vec<String>, ApiError> {
    serde_json::from_str(json)
        .map_err(|error| ApiError::internal(format!("the record of `{thing}` is damaged: {error}")))
}
