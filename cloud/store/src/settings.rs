//! Single values of the cloud: account id, region, the root access key's id.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

impl Reader {
    /// The value of the setting `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(self.connection())
            .await?;
        Ok(row.map(|row| row.try_get("value")).transpose()?)
    }
}

impl Tx {
    /// Sets `name` to `value`, whatever it was.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the setting `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_setting(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM settings WHERE name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
