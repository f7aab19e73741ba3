//! Shadows of things, deleted ones included: their versions go on.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A kept shadow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowRow {
    /// Counts updates and deletions; never reset.
    pub version: i64,
    /// The document's JSON; `None` after a deletion.
    pub document_json: Option<String>,
}

impl Reader {
    /// The shadow `shadow` (`""`: the classic one) of `thing`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn shadow(
        &mut self,
        thing: &str,
        shadow: &str,
    ) -> Result<Option<ShadowRow>, StoreError> {
        let row = sqlx::query(
            "SELECT version, document_json FROM shadows \
             WHERE thing_name = $1 AND shadow_name = $2",
        )
        .bind(thing)
        .bind(shadow)
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| {
            Ok(ShadowRow {
                version: row.try_get("version")?,
                document_json: row.try_get("document_json")?,
            })
        })
        .transpose()
    }

    /// At most `limit` names of `thing`'s named shadows that sort after `after` (`""` for the
    /// first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn shadow_names_after(
        &mut self,
        thing: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT shadow_name FROM shadows WHERE thing_name = $1 AND shadow_name > $2 \
             AND document_json IS NOT NULL ORDER BY shadow_name LIMIT $3",
        )
        .bind(thing)
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("shadow_name")?)).collect()
    }
}

impl Tx {
    /// Keeps the shadow `shadow` (`""`: the classic one) of `thing`, whatever it was.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_shadow(
        &mut self,
        thing: &str,
        shadow: &str,
        row: &ShadowRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO shadows (thing_name, shadow_name, version, document_json) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (thing_name, shadow_name) \
             DO UPDATE SET version = excluded.version, document_json = excluded.document_json",
        )
        .bind(thing)
        .bind(shadow)
        .bind(row.version)
        .bind(row.document_json.as_deref())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
