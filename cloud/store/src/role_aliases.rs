//! Role aliases: the names under which devices ask for temporary credentials.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::age::{AgePosition, ByAge};
use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A role alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAlias {
    /// Its name, which is its key.
    pub name: String,
    /// The role that the credentials act as.
    pub role_arn: String,
    /// How long the credentials work, in seconds.
    pub duration_s: i64,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it last changed, in milliseconds since 1970.
    pub modified_at_ms: i64,
}

impl RoleAlias {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("role_alias")?,
            role_arn: row.try_get("role_arn")?,
            duration_s: row.try_get("duration_s")?,
            created_at_ms: row.try_get("created_at")?,
            modified_at_ms: row.try_get("modified_at")?,
        })
    }
}

const BY_AGE: ByAge = ByAge {
    oldest_first: "SELECT role_alias, role_arn, duration_s, created_at, modified_at \
     FROM role_aliases WHERE created_at > $1 OR (created_at = $1 AND role_alias > $2) \
     ORDER BY created_at, role_alias LIMIT $3",
    newest_first: "SELECT role_alias, role_arn, duration_s, created_at, modified_at \
     FROM role_aliases WHERE created_at < $1 OR (created_at = $1 AND role_alias < $2) \
     ORDER BY created_at DESC, role_alias DESC LIMIT $3",
};

impl Reader {
    /// The role alias `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn role_alias(&mut self, name: &str) -> Result<Option<RoleAlias>, StoreError> {
        let row = sqlx::query(
            "SELECT role_alias, role_arn, duration_s, created_at, modified_at \
             FROM role_aliases WHERE role_alias = $1",
        )
        .bind(name)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(RoleAlias::from_row).transpose()
    }

    /// At most `limit` role aliases from `from` on, oldest or newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn role_aliases_from(
        &mut self,
        from: &AgePosition,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<RoleAlias>, StoreError> {
        self.rows_by_age(&BY_AGE, from, oldest_first, limit, RoleAlias::from_row).await
    }
}

impl Tx {
    /// Adds a role alias; `false` when the name is taken.
    ///
    /// # Errors
    /// The database refused.
    pub async fn insert_role_alias(&mut self, alias: &RoleAlias) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO role_aliases (role_alias, role_arn, duration_s, created_at, \
             modified_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (role_alias) DO NOTHING",
        )
        .bind(alias.name.as_str())
        .bind(alias.role_arn.as_str())
        .bind(alias.duration_s)
        .bind(alias.created_at_ms)
        .bind(alias.modified_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes an alias's role, duration and modification time; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn update_role_alias(&mut self, alias: &RoleAlias) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE role_aliases SET role_arn = $2, duration_s = $3, modified_at = $4 \
             WHERE role_alias = $1",
        )
        .bind(alias.name.as_str())
        .bind(alias.role_arn.as_str())
        .bind(alias.duration_s)
        .bind(alias.modified_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a role alias; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_role_alias(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM role_aliases WHERE role_alias = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
