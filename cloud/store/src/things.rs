//! Things: the devices' names, ids and attributes.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// Its name, which is its key.
    pub name: String,
    /// A UUID that no later thing of the same name has.
    pub id: String,
    /// Its thing type, if it has one.
    pub thing_type: Option<String>,
    /// Free attributes.
    pub attributes: BTreeMap<String, String>,
    /// Counts the changes from 1.
    pub version: i64,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl Thing {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("thing_name")?;
        Ok(Self {
            id: row.try_get("thing_id")?,
            thing_type: row.try_get("type_name")?,
            attributes: attributes(row, "thing", &name)?,
            version: row.try_get("version")?,
            created_at_ms: row.try_get("created_at")?,
            name,
        })
    }
}

/// Reads the column `attributes_json` of `noun` `key`.
pub(crate) fn attributes(
    row: &AnyRow,
    noun: &'static str,
    key: &str,
) -> Result<BTreeMap<String, String>, StoreError> {
    let text: String = row.try_get("attributes_json")?;
    serde_json::from_str(&text).map_err(|source| StoreError::Damaged {
        noun,
        key: key.to_owned(),
        source,
    })
}

/// Writes what [`attributes`] reads.
pub(crate) fn attributes_json(attributes: &BTreeMap<String, String>) -> String {
    let members = attributes.iter().map(|(k, v)| (k.clone(), v.clone().into()));
    serde_json::Value::Object(members.collect()).to_string()
}

impl Reader {
    /// The thing `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thing(&mut self, name: &str) -> Result<Option<Thing>, StoreError> {
        let row = sqlx::query(
            "SELECT thing_name, thing_id, type_name, attributes_json, version, created_at \
             FROM things WHERE thing_name = $1",
        )
        .bind(name)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(Thing::from_row).transpose()
    }

    /// At most `limit` things, all or those of one type, whose names sort after `after` (`""` for
    /// the first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn things_after(
        &mut self,
        thing_type: Option<&str>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Thing>, StoreError> {
        let of_type = sqlx::query(
            "SELECT thing_name, thing_id, type_name, attributes_json, version, created_at \
             FROM things WHERE thing_name > $1 AND type_name = $3 ORDER BY thing_name LIMIT $2",
        );
        let of_all = sqlx::query(
            "SELECT thing_name, thing_id, type_name, attributes_json, version, created_at \
             FROM things WHERE thing_name > $1 ORDER BY thing_name LIMIT $2",
        );
        let query = match thing_type {
            Some(name) => of_type.bind(after).bind(limit).bind(name),
            None => of_all.bind(after).bind(limit),
        };
        let rows = query.fetch_all(self.connection()).await?;
        rows.iter().map(Thing::from_row).collect()
    }
}

impl Tx {
    /// Adds a thing; `false` when the name is taken.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_thing(&mut self, thing: &Thing) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO things (thing_name, thing_id, type_name, attributes_json, version, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (thing_name) DO NOTHING",
        )
        .bind(thing.name.as_str())
        .bind(thing.id.as_str())
        .bind(thing.thing_type.as_deref())
        .bind(attributes_json(&thing.attributes))
        .bind(thing.version)
        .bind(thing.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes a thing's attributes, type and version; `false` when there is no such thing.
    ///
    /// # Errors
    /// The database refused.
    pub async fn update_thing(&mut self, thing: &Thing) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE things SET attributes_json = $2, version = $3, type_name = $4 \
             WHERE thing_name = $1",
        )
        .bind(thing.name.as_str())
        .bind(attributes_json(&thing.attributes))
        .bind(thing.version)
        .bind(thing.thing_type.as_deref())
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a thing and its memberships; `false` when there is none.
    ///
    /// # Errors
    /// A certificate is still attached to it, or the database refused.
    pub async fn delete_thing(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM things WHERE thing_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
