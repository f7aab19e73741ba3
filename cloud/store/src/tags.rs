//! Tags of any resource, by its ARN.

use std::collections::BTreeMap;

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

impl Reader {
    /// All tags of the resource.
    ///
    /// # Errors
    /// The database refused.
    pub async fn tags(&mut self, arn: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = sqlx::query("SELECT tag_key, tag_value FROM tags WHERE resource_arn = $1")
            .bind(arn)
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("tag_key")?, row.try_get("tag_value")?))).collect()
    }
}

impl Tx {
    /// Sets the tag `key` of the resource to `value`, whatever it was.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_tag(&mut self, arn: &str, key: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tags (resource_arn, tag_key, tag_value) VALUES ($1, $2, $3) \
             ON CONFLICT (resource_arn, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
        )
        .bind(arn)
        .bind(key)
        .bind(value)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes the tag `key` of the resource, if it has one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_tag(&mut self, arn: &str, key: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM tags WHERE resource_arn = $1 AND tag_key = $2")
            .bind(arn)
            .bind(key)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Removes all tags of the resource: its ARN may be given again to another one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_tags(&mut self, arn: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM tags WHERE resource_arn = $1")
            .bind(arn)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
