//! Thing types: what things have in common.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A thing type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingType {
    /// Its name, which is its key.
    pub name: String,
    /// A UUID that no later type of the same name has.
    pub id: String,
    /// Its properties, a JSON object.
    pub properties_json: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Since when no new thing may have it, in milliseconds since 1970.
    pub deprecated_at_ms: Option<i64>,
}

impl ThingType {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("type_name")?,
            id: row.try_get("type_id")?,
            properties_json: row.try_get("properties_json")?,
            created_at_ms: row.try_get("created_at")?,
            deprecated_at_ms: row.try_get("deprecated_at")?,
        })
    }
}

impl Reader {
    /// The thing type `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thing_type(&mut self, name: &str) -> Result<Option<ThingType>, StoreError> {
        let row = sqlx::query("SELECT * FROM thing_types WHERE type_name = $1")
            .bind(name)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(ThingType::from_row).transpose()
    }

    /// At most `limit` thing types whose names begin with `prefix` and sort after `after` (`""`
    /// for the first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thing_types_after(
        &mut self,
        prefix: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ThingType>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM thing_types WHERE type_name > $1 \
             AND substr(type_name, 1, length($2)) = $2 ORDER BY type_name LIMIT $3",
        )
        .bind(after)
        .bind(prefix)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ThingType::from_row).collect()
    }
}

impl Tx {
    /// Adds a thing type; `false` when the name is taken.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_thing_type(&mut self, thing_type: &ThingType) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO thing_types (type_name, type_id, properties_json, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (type_name) DO NOTHING",
        )
        .bind(thing_type.name.as_str())
        .bind(thing_type.id.as_str())
        .bind(thing_type.properties_json.as_str())
        .bind(thing_type.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Says since when the type is deprecated, or that it is not.
    ///
    /// # Errors
    /// The database refused.
    pub async fn deprecate_thing_type(
        &mut self,
        name: &str,
        since_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE thing_types SET deprecated_at = $2 WHERE type_name = $1")
            .bind(name)
            .bind(since_ms)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Removes a thing type.
    ///
    /// # Errors
    /// A thing has it, or the database refused.
    pub async fn delete_thing_type(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM thing_types WHERE type_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
