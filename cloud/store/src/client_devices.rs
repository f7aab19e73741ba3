//! Client devices of core devices, and where they reach them.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A client device of a core device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDeviceRow {
    /// Its thing name.
    pub thing: String,
    /// Since when it is one, in milliseconds since 1970.
    pub associated_at_ms: i64,
}

/// Where client devices reach a core device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectivityRow {
    /// Changes with each change of the addresses.
    pub version: String,
    /// A list of addresses, as on the wire.
    pub addresses_json: String,
}

impl Reader {
    /// At most `limit` client devices of `core` whose names sort after `after` (`""` for the
    /// first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn client_devices_after(
        &mut self,
        core: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ClientDeviceRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT thing_name, associated_at FROM client_devices \
             WHERE core_name = $1 AND thing_name > $2 ORDER BY thing_name LIMIT $3",
        )
        .bind(core)
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ClientDeviceRow {
                    thing: row.try_get("thing_name")?,
                    associated_at_ms: row.try_get("associated_at")?,
                })
            })
            .collect()
    }

    /// Where client devices reach `thing`, if that was ever said.
    ///
    /// # Errors
    /// The database refused.
    pub async fn connectivity(
        &mut self,
        thing: &str,
    ) -> Result<Option<ConnectivityRow>, StoreError> {
        let row =
            sqlx::query("SELECT version, addresses_json FROM connectivity WHERE thing_name = $1")
                .bind(thing)
                .fetch_optional(self.connection())
                .await?;
        row.map(|row| {
            Ok(ConnectivityRow {
                version: row.try_get("version")?,
                addresses_json: row.try_get("addresses_json")?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Makes `thing` a client device of `core`; one that is stays so since it is.
    ///
    /// # Errors
    /// One of them is no thing, or the database refused.
    pub async fn associate_client_device(
        &mut self,
        core: &str,
        thing: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO client_devices (core_name, thing_name, associated_at) \
             VALUES ($1, $2, $3) ON CONFLICT (core_name, thing_name) DO NOTHING",
        )
        .bind(core)
        .bind(thing)
        .bind(now_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Makes `thing` no client device of `core`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn disassociate_client_device(
        &mut self,
        core: &str,
        thing: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM client_devices WHERE core_name = $1 AND thing_name = $2")
            .bind(core)
            .bind(thing)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Ends all associations of `core` with client devices.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_client_devices(&mut self, core: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM client_devices WHERE core_name = $1")
            .bind(core)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Keeps where client devices reach `thing`, whatever was there.
    ///
    /// # Errors
    /// It is no thing, or the database refused.
    pub async fn put_connectivity(
        &mut self,
        thing: &str,
        row: &ConnectivityRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO connectivity (thing_name, version, addresses_json) VALUES ($1, $2, $3) \
             ON CONFLICT (thing_name) DO UPDATE SET version = excluded.version, \
             addresses_json = excluded.addresses_json",
        )
        .bind(thing)
        .bind(row.version.as_str())
        .bind(row.addresses_json.as_str())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
