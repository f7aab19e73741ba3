//! What the devices' broker keeps over a restart: sessions, their subscriptions and queues, and
//! retained messages.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// One client's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSessionRow {
    /// Whose it is.
    pub client_id: String,
    /// Seconds it outlives its connection.
    pub expiry_s: i64,
    /// When it ends; `None` while its client is connected.
    pub expires_at_ms: Option<i64>,
}

/// A retained message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttRetainedRow {
    /// Its topic.
    pub topic: String,
    /// The message's JSON.
    pub message_json: String,
    /// When it was published.
    pub modified_at_ms: i64,
}

impl MqttRetainedRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            topic: row.try_get("topic")?,
            message_json: row.try_get("message_json")?,
            modified_at_ms: row.try_get("modified_at_ms")?,
        })
    }
}

impl Reader {
    /// All sessions, by client id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mqtt_sessions(&mut self) -> Result<Vec<MqttSessionRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM mqtt_sessions ORDER BY client_id")
            .fetch_all(self.connection())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(MqttSessionRow {
                    client_id: row.try_get("client_id")?,
                    expiry_s: row.try_get("expiry_s")?,
                    expires_at_ms: row.try_get("expires_at_ms")?,
                })
            })
            .collect()
    }

    /// Client id, filter and options of all subscriptions, by client id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mqtt_subscriptions(
        &mut self,
    ) -> Result<Vec<(String, String, String)>, StoreError> {
        let sql = "SELECT * FROM mqtt_subscriptions ORDER BY client_id, filter";
        let rows = sqlx::query(sql).fetch_all(self.connection()).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("client_id")?,
                    row.try_get("filter")?,
                    row.try_get("options_json")?,
                ))
            })
            .collect()
    }

    /// Client id, position and message of all that is queued, by client id and position.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mqtt_queues(&mut self) -> Result<Vec<(String, i64, String)>, StoreError> {
        let sql = "SELECT * FROM mqtt_queues ORDER BY client_id, position";
        let rows = sqlx::query(sql).fetch_all(self.connection()).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("client_id")?,
                    row.try_get("position")?,
                    row.try_get("message_json")?,
                ))
            })
            .collect()
    }

    /// The retained message of `topic`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mqtt_retained(
        &mut self,
        topic: &str,
    ) -> Result<Option<MqttRetainedRow>, StoreError> {
        let sql = "SELECT * FROM mqtt_retained WHERE topic = $1";
        let row = sqlx::query(sql).bind(topic).fetch_optional(self.connection()).await?;
        row.as_ref().map(MqttRetainedRow::from_row).transpose()
    }

    /// At most `limit` retained messages whose topics sort after `after` (`""` for the first), by
    /// topic.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mqtt_retained_after(
        &mut self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<MqttRetainedRow>, StoreError> {
        let sql = "SELECT * FROM mqtt_retained WHERE topic > $1 ORDER BY topic LIMIT $2";
        let rows = sqlx::query(sql).bind(after).bind(limit).fetch_all(self.connection()).await?;
        rows.iter().map(MqttRetainedRow::from_row).collect()
    }
}

impl Tx {
    /// Keeps a session's times, whatever they were.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_mqtt_session(&mut self, row: &MqttSessionRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO mqtt_sessions (client_id, expiry_s, expires_at_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (client_id) DO UPDATE SET expiry_s = excluded.expiry_s, \
             expires_at_ms = excluded.expires_at_ms",
        )
        .bind(&row.client_id)
        .bind(row.expiry_s)
        .bind(row.expires_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets a session with its subscriptions and its queue, if it is there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_mqtt_session(&mut self, client_id: &str) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM mqtt_queues WHERE client_id = $1",
            "DELETE FROM mqtt_subscriptions WHERE client_id = $1",
            "DELETE FROM mqtt_sessions WHERE client_id = $1",
        ] {
            sqlx::query(sql).bind(client_id).execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Keeps a session's subscription, whatever its options were.
    ///
    /// # Errors
    /// The database refused, for instance because the session is not there.
    pub async fn put_mqtt_subscription(
        &mut self,
        client_id: &str,
        filter: &str,
        options_json: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO mqtt_subscriptions (client_id, filter, options_json) \
             VALUES ($1, $2, $3) ON CONFLICT (client_id, filter) \
             DO UPDATE SET options_json = excluded.options_json",
        )
        .bind(client_id)
        .bind(filter)
        .bind(options_json)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets a session's subscription, if it is there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_mqtt_subscription(
        &mut self,
        client_id: &str,
        filter: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM mqtt_subscriptions WHERE client_id = $1 AND filter = $2")
            .bind(client_id)
            .bind(filter)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Keeps a message for a session, if it is not kept already.
    ///
    /// # Errors
    /// The database refused, for instance because the session is not there.
    pub async fn put_mqtt_message(
        &mut self,
        client_id: &str,
        position: i64,
        message_json: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO mqtt_queues (client_id, position, message_json) VALUES ($1, $2, $3) \
             ON CONFLICT (client_id, position) DO NOTHING",
        )
        .bind(client_id)
        .bind(position)
        .bind(message_json)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets a session's message, if it is there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_mqtt_message(
        &mut self,
        client_id: &str,
        position: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM mqtt_queues WHERE client_id = $1 AND position = $2")
            .bind(client_id)
            .bind(position)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Keeps a topic's retained message, whatever it was.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_mqtt_retained(&mut self, row: &MqttRetainedRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO mqtt_retained (topic, message_json, modified_at_ms) \
             VALUES ($1, $2, $3) ON CONFLICT (topic) DO UPDATE SET \
             message_json = excluded.message_json, modified_at_ms = excluded.modified_at_ms",
        )
        .bind(&row.topic)
        .bind(&row.message_json)
        .bind(row.modified_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets a topic's retained message, if there is one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_mqtt_retained(&mut self, topic: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM mqtt_retained WHERE topic = $1")
            .bind(topic)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
