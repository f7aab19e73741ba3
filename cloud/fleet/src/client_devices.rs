//! Client devices of core devices, and where they reach them.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::greengrassv2::{
    AssociatedClientDevice, ClientDeviceErrorEntry, ClientDevicesRequest, ClientDevicesResponse,
    ConnectivityInfo, GetConnectivityInfoRequest, GetConnectivityInfoResponse,
    ListClientDevicesRequest, ListClientDevicesResponse, UpdateConnectivityInfoRequest,
    UpdateConnectivityInfoResponse,
};
use marram_store::{ConnectivityRow, Reader};
use serde_json::json;
use uuid::Uuid;

use crate::fleet::Fleet;
use crate::paging;
use crate::shadows::{self, Origin};

const MAX_ENTRIES: usize = 100;
const MAX_THING_NAME: usize = 128;
/// Far more than a device has; the model has no bound.
const MAX_ADDRESSES: usize = 100;
const MAX_TEXT: usize = 1024;

impl Fleet {
    /// `BatchAssociateClientDeviceWithCoreDevice`; idempotent. The core device need not have
    /// reported yet.
    ///
    /// # Errors
    /// The core device is no thing, or there are no or too many entries.
    pub async fn associate_client_devices(
        &self,
        request: ClientDevicesRequest,
    ) -> Result<ClientDevicesResponse, ApiError> {
        self.change_client_devices(request, true).await
    }

    /// `BatchDisassociateClientDeviceFromCoreDevice`; idempotent.
    ///
    /// # Errors
    /// The core device is no thing, or there are no or too many entries.
    pub async fn disassociate_client_devices(
        &self,
        request: ClientDevicesRequest,
    ) -> Result<ClientDevicesResponse, ApiError> {
        self.change_client_devices(request, false).await
    }

    async fn change_client_devices(
        &self,
        request: ClientDevicesRequest,
        associate: bool,
    ) -> Result<ClientDevicesResponse, ApiError> {
        let core = &request.core_device_thing_name;
        check_entries(&request)?;
        let mut unit = self.unit().await?;
        existing_core(&mut unit.tx, core).await?;
        let mut error_entries = Vec::new();
        for entry in &request.entries {
            let name = &entry.thing_name;
            if unit.tx.thing(name).await?.is_none() {
                error_entries.push(no_thing(name));
            } else if associate {
                unit.tx.associate_client_device(core, name, unit.now_ms).await?;
            } else {
                unit.tx.disassociate_client_device(core, name).await?;
            }
        }
        unit.commit().await?;
        Ok(ClientDevicesResponse { error_entries })
    }

    /// `ListClientDevicesAssociatedWithCoreDevice`: by thing name.
    ///
    /// # Errors
    /// The core device is no thing, or a page size or token that is not valid.
    pub async fn list_client_devices(
        &self,
        request: ListClientDevicesRequest,
    ) -> Result<ListClientDevicesResponse, ApiError> {
        let size = paging::size(request.max_results)?;
        let after = paging::after(request.next_token.as_deref())?;
        let core = &request.core_device_thing_name;
        let mut reader = self.inner.store.read().await?;
        existing_core(&mut reader, core).await?;
        let rows = reader.client_devices_after(core, &after, paging::limit(size)).await?;
        let (rows, next_token) = paging::cut(rows, size, |row| row.thing.clone());
        let devices = rows.into_iter().map(|row| AssociatedClientDevice {
            thing_name: row.thing,
            association_timestamp: EpochMs(row.associated_at_ms),
        });
        Ok(ListClientDevicesResponse { associated_client_devices: devices.collect(), next_token })
    }

    /// `GetConnectivityInfo`; empty where nothing was ever said.
    ///
    /// # Errors
    /// The store refused.
    pub async fn get_connectivity_info(
        &self,
        request: GetConnectivityInfoRequest,
    ) -> Result<GetConnectivityInfoResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let connectivity_info = match reader.connectivity(&request.thing_name).await? {
            None => Vec::new(),
            Some(row) => serde_json::from_str(&row.addresses_json).map_err(|error| {
                ApiError::internal(format!(
                    "the addresses of `{}` are damaged: {error}",
                    request.thing_name
                ))
            })?,
        };
        let message = format!("{} addresses", connectivity_info.len());
        Ok(GetConnectivityInfoResponse { connectivity_info, message })
    }

    /// `UpdateConnectivityInfo`: replaces the list, and tells the device by the classic shadow of
    /// `NAME-gci`, which need not be a thing (device-cloud protocol, "Client devices").
    ///
    /// # Errors
    /// The device is no thing, or an address is not valid.
    pub async fn update_connectivity_info(
        &self,
        request: UpdateConnectivityInfoRequest,
    ) -> Result<UpdateConnectivityInfoResponse, ApiError> {
        check_addresses(&request.connectivity_info)?;
        let thing = &request.thing_name;
        let addresses_json = serde_json::to_string(&request.connectivity_info)
            .map_err(|error| ApiError::internal(format!("addresses have no JSON: {error}")))?;
        let mut unit = self.unit().await?;
        // The model has no 404 for this operation.
        if unit.tx.thing(thing).await?.is_none() {
            let message = format!("there is no thing `{thing}`: create it first");
            return Err(ApiError::field("thingName", message));
        }
        let version = Uuid::new_v4().to_string();
        let row = ConnectivityRow { version: version.clone(), addresses_json };
        unit.tx.put_connectivity(thing, &row).await?;
        let desired = json!({ "state": { "desired": { "version": version } } }).to_string();
        let shadow = format!("{thing}-gci");
        shadows::update(&mut unit, &shadow, None, desired.as_bytes(), Origin::Elsewhere)
            .await
            .map_err(shadows::shadow_error)?;
        unit.commit().await?;
        let message = format!("{} addresses", request.connectivity_info.len());
        Ok(UpdateConnectivityInfoResponse { version, message })
    }
}

async fn existing_core(reader: &mut Reader, name: &str) -> Result<(), ApiError> {
    let is_there = reader.thing(name).await?.is_some();
    if is_there { Ok(()) } else { Err(ApiError::not_found("coreDevice", name)) }
}

fn check_entries(request: &ClientDevicesRequest) -> Result<(), ApiError> {
    let entries = &request.entries;
    if !(1..=MAX_ENTRIES).contains(&entries.len()) {
        let message = format!("has {} entries: give 1 to {MAX_ENTRIES}", entries.len());
        return Err(ApiError::field("entries", message));
    }
    let is_valid = |name: &str| (1..=MAX_THING_NAME).contains(&name.chars().count());
    match entries.iter().find(|entry| !is_valid(&entry.thing_name)) {
        None => Ok(()),
        Some(entry) => {
            let message =
                format!("`{}` is not 1 to {MAX_THING_NAME} characters long", entry.thing_name);
            Err(ApiError::field("entries.thingName", message))
        }
    }
}

fn no_thing(name: &str) -> ClientDeviceErrorEntry {
    ClientDeviceErrorEntry {
        thing_name: name.to_owned(),
        code: "ResourceNotFoundException".to_owned(),
        message: format!("there is no thing `{name}`: create it first"),
    }
}

fn check_addresses(addresses: &[ConnectivityInfo]) -> Result<(), ApiError> {
    if addresses.len() > MAX_ADDRESSES {
        let message = format!("has {} entries: give at most {MAX_ADDRESSES}", addresses.len());
        return Err(ApiError::field("ConnectivityInfo", message));
    }
    for address in addresses {
        let port = address.port_number;
        if !(0..=65535).contains(&port) {
            let message = format!("{port} is no port: use 0 to 65535");
            return Err(ApiError::field("ConnectivityInfo.PortNumber", message));
        }
        let texts = [
            ("Id", &address.id),
            ("HostAddress", &address.host_address),
            ("Metadata", &address.metadata),
        ];
        for (name, text) in texts {
            let length = text.as_deref().unwrap_or_default().chars().count();
            if length > MAX_TEXT {
                let message = format!("has {length} characters: use at most {MAX_TEXT}");
                return Err(ApiError::field(&format!("ConnectivityInfo.{name}"), message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
