//! Which clients are connected over MQTT, and since when they are or are not.
//!
//! The broker says what happens, at once and without waiting; memory knows it from then on, and
//! [`Fleet::save_presence`] writes it behind that, for clients that are things: a device is asked
//! about by its thing name, which is its client id. A cloud that starts knows that no connection
//! outlived the one before.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{GetThingConnectivityDataRequest, GetThingConnectivityDataResponse};
use marram_store::{PresenceRow, Reader};
use serde::Serialize;
use tokio::sync::Notify;

use crate::fleet::Fleet;

/// Why connections have ended that a stopped or killed cloud had.
const CLOUD_STOPPED: &str = "SERVER_INITIATED_DISCONNECT";

/// What happened and what is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<String, Live>,
    unsaved: HashMap<String, PresenceRow>,
}

/// A connection.
#[derive(Debug, Clone, Copy)]
struct Live {
    /// The broker's number: a client that comes back may be seen before its old connection ends.
    connection: u64,
    since_ms: i64,
    source: SocketAddr,
}

/// Answer to `GetConnection`; times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetConnectionResponse {
    client_id: String,
    connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnected_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<String>,
}

impl State {
    fn connected(&mut self, client_id: &str, live: Live) {
        let is_older = |known: &Live| known.connection > live.connection;
        if self.live.get(client_id).is_some_and(is_older) {
            return;
        }
        self.live.insert(client_id.to_owned(), live);
        let row = PresenceRow { is_connected: true, since_ms: live.since_ms, reason: None };
        self.unsaved.insert(client_id.to_owned(), row);
    }

    fn disconnected(&mut self, client_id: &str, connection: u64, reason: &str, now_ms: i64) {
        if self.live.get(client_id).is_none_or(|live| live.connection != connection) {
            return;
        }
        self.live.remove(client_id);
        let reason = Some(reason.to_owned());
        let row = PresenceRow { is_connected: false, since_ms: now_ms, reason };
        self.unsaved.insert(client_id.to_owned(), row);
    }
}

impl Presence {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    /// A client is connected: the broker's connection number `connection`, from `source`.
    pub fn client_connected(&self, client_id: &str, connection: u64, source: SocketAddr) {
        let since_ms = self.inner.now_ms();
        let presence = &self.inner.presence;
        presence.state().connected(client_id, Live { connection, since_ms, source });
        presence.changed.notify_one();
    }

    /// That connection has ended, for a reason that the API names so.
    pub fn client_disconnected(&self, client_id: &str, connection: u64, reason: &str) {
        let now_ms = self.inner.now_ms();
        let presence = &self.inner.presence;
        presence.state().disconnected(client_id, connection, reason, now_ms);
        presence.changed.notify_one();
    }

    /// Waits until [`Fleet::save_presence`] has something to write.
    pub async fn presence_changed(&self) {
        self.inner.presence.changed.notified().await;
    }

    /// Writes who came and went since the last call.
    ///
    /// # Errors
    /// The store refused; the next call writes it.
    pub async fn save_presence(&self) -> Result<(), ApiError> {
        let presence = &self.inner.presence;
        let rows = presence.state().unsaved.clone();
        if rows.is_empty() {
            return Ok(());
        }
        let saved = self.write_presence(&rows).await;
        match &saved {
            // Until here memory answered; what changed meanwhile is written next.
            Ok(()) => {
                presence.state().unsaved.retain(|client_id, row| rows.get(client_id) != Some(row));
            }
            Err(_) => presence.changed.notify_one(),
        }
        saved
    }

    async fn write_presence(&self, rows: &HashMap<String, PresenceRow>) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        for (client_id, row) in rows {
            unit.tx.put_presence(client_id, row).await?;
        }
        unit.commit().await
    }

    /// No connection of the cloud that was before is left.
    pub(crate) async fn forget_connections(&self) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        let now_ms = unit.now_ms;
        unit.tx.end_presence(now_ms, CLOUD_STOPPED).await?;
        unit.commit().await
    }

    /// `GetThingConnectivityData`: whether the thing is connected, and since when that is so.
    ///
    /// # Errors
    /// There is no such thing.
    pub async fn get_thing_connectivity_data(
        &self,
        request: GetThingConnectivityDataRequest,
    ) -> Result<GetThingConnectivityDataResponse, ApiError> {
        let thing = request.thing_name;
        let (live, unsaved) = self.known(&thing);
        let mut reader = self.inner.store.read().await?;
        if reader.thing(&thing).await?.is_none() {
            return Err(ApiError::not_found("Thing", &thing));
        }
        let row = presence(&mut reader, &thing, live, unsaved).await?;
        let source = live.map(|live| live.source).filter(|_| request.include_socket_information);
        Ok(GetThingConnectivityDataResponse {
            connected: row.as_ref().is_some_and(|row| row.is_connected),
            timestamp: row.as_ref().map(|row| EpochMs(row.since_ms)),
            disconnect_reason: row.and_then(|row| row.reason),
            source_ip: source.map(|source| source.ip().to_string()),
            source_port: source.map(|source| source.port()),
            client_id: live.map(|_| thing.clone()),
            thing_name: thing,
        })
    }

    /// `GetConnection` of any client that is connected, or that is a thing and was.
    ///
    /// # Errors
    /// Nothing is known of such a client.
    pub async fn get_connection(
        &self,
        client_id: &str,
        include_socket_information: bool,
    ) -> Result<GetConnectionResponse, ApiError> {
        let (live, unsaved) = self.known(client_id);
        let mut reader = self.inner.store.read().await?;
        let Some(row) = presence(&mut reader, client_id, live, unsaved).await? else {
            return Err(ApiError::not_found("Connection", client_id));
        };
        let thing = reader.thing(client_id).await?;
        let source = live.map(|live| live.source).filter(|_| include_socket_information);
        Ok(GetConnectionResponse {
            client_id: client_id.to_owned(),
            connected: row.is_connected,
            thing_name: thing.map(|thing| thing.name),
            source_ip: source.map(|source| source.ip().to_string()),
            source_port: source.map(|source| source.port()),
            connected_since: row.is_connected.then_some(row.since_ms),
            disconnected_since: (!row.is_connected).then_some(row.since_ms),
            disconnect_reason: row.reason,
        })
    }

    /// What memory knows of a client: its connection, and what is not written yet. To be asked
    /// before the store is: what is written in between is then known twice, and not at all missed.
    fn known(&self, client_id: &str) -> (Option<Live>, Option<PresenceRow>) {
        let state = self.inner.presence.state();
        (state.live.get(client_id).copied(), state.unsaved.get(client_id).cloned())
    }
}

/// A connection counts, whatever is written: a client may be older than the thing of its name.
async fn presence(
    reader: &mut Reader,
    client_id: &str,
    live: Option<Live>,
    unsaved: Option<PresenceRow>,
) -> Result<Option<PresenceRow>, ApiError> {
    let connected =
        live.map(|live| PresenceRow { is_connected: true, since_ms: live.since_ms, reason: None });
    match connected.or(unsaved) {
        Some(row) => Ok(Some(row)),
        None => Ok(reader.presence(client_id).await?),
    }
}

#[cfg(test)]
mod tests;
