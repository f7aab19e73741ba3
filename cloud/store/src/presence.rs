//! Which things are connected over MQTT, and since when they are or are not.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// The MQTT connection of a thing, as it is or as it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceRow {
    /// Whether it is connected.
    pub is_connected: bool,
    /// Since when that is so, in milliseconds since 1970.
    pub since_ms: i64,
    /// Why the connection ended.
    pub reason: Option<String>,
}

impl Reader {
    /// What is known of the thing's connection.
    ///
    /// # Errors
    /// The database refused.
    pub async fn presence(&mut self, thing: &str) -> Result<Option<PresenceRow>, StoreError> {
        let row =
            sqlx::query("SELECT is_connected, since, reason FROM presence WHERE thing_name = $1")
                .bind(thing)
                .fetch_optional(self.connection())
                .await?;
        row.map(|row| {
            Ok(PresenceRow {
                is_connected: row.try_get::<i64, _>("is_connected")? != 0,
                since_ms: row.try_get("since")?,
                reason: row.try_get("reason")?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Keeps what is known of a connection, if there is a thing `thing`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_presence(&mut self, thing: &str, row: &PresenceRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO presence (thing_name, is_connected, since, reason) \
             SELECT thing_name, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT) \
             FROM things WHERE thing_name = $1 \
             ON CONFLICT (thing_name) DO UPDATE SET is_connected = excluded.is_connected, \
             since = excluded.since, reason = excluded.reason",
        )
        .bind(thing)
        .bind(i64::from(row.is_connected))
        .bind(row.since_ms)
        .bind(row.reason.as_deref())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Says of all connections that they ended at `now_ms` for `reason`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn end_presence(&mut self, now_ms: i64, reason: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE presence SET is_connected = 0, since = $1, reason = $2 WHERE is_connected = 1",
        )
        .bind(now_ms)
        .bind(reason)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
