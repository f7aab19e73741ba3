//! Thing groups and their nesting. A group's parent is fixed when it is made.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};
use crate::things::{attributes, attributes_json};

/// A static thing group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingGroup {
    /// Its name, which is its key.
    pub name: String,
    /// A UUID that no later group of the same name has.
    pub id: String,
    /// The group it lies in; `None` for a root.
    pub parent: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Free attributes.
    pub attributes: BTreeMap<String, String>,
    /// Counts the changes from 1.
    pub version: i64,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl ThingGroup {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let name: String = row.try_get("group_name")?;
        Ok(Self {
            id: row.try_get("group_id")?,
            parent: row.try_get("parent_name")?,
            description: row.try_get("description")?,
            attributes: attributes(row, "thing group", &name)?,
            version: row.try_get("version")?,
            created_at_ms: row.try_get("created_at")?,
            name,
        })
    }
}

/// Which groups [`Reader::group_names_after`] looks among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupScope<'a> {
    /// All of them.
    All,
    /// Those without a parent.
    Roots,
    /// Those directly in this one.
    ChildrenOf(&'a str),
    /// Those in this one at any depth, without itself.
    DescendantsOf(&'a str),
}

// `$1` is the name to go on after, `$2` the prefix, `$3` the limit, `$4` the parent.
const ALL: &str = "SELECT group_name FROM thing_groups \
     WHERE group_name > $1 AND substr(group_name, 1, length($2)) = $2 \
     ORDER BY group_name LIMIT $3";
const ROOTS: &str = "SELECT group_name FROM thing_groups WHERE parent_name IS NULL \
     AND group_name > $1 AND substr(group_name, 1, length($2)) = $2 \
     ORDER BY group_name LIMIT $3";
const CHILDREN: &str = "SELECT group_name FROM thing_groups WHERE parent_name = $4 \
     AND group_name > $1 AND substr(group_name, 1, length($2)) = $2 \
     ORDER BY group_name LIMIT $3";
const DESCENDANTS: &str = "WITH RECURSIVE below (group_name) AS ( \
       SELECT group_name FROM thing_groups WHERE parent_name = $4 \
       UNION ALL SELECT g.group_name FROM thing_groups g \
         JOIN below b ON g.parent_name = b.group_name) \
     SELECT group_name FROM below \
     WHERE group_name > $1 AND substr(group_name, 1, length($2)) = $2 \
     ORDER BY group_name LIMIT $3";

impl Reader {
    /// The thing group `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thing_group(&mut self, name: &str) -> Result<Option<ThingGroup>, StoreError> {
        let row = sqlx::query(
            "SELECT group_name, group_id, parent_name, description, attributes_json, version, \
             created_at FROM thing_groups WHERE group_name = $1",
        )
        .bind(name)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(ThingGroup::from_row).transpose()
    }

    /// The group with this id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thing_group_by_id(&mut self, id: &str) -> Result<Option<ThingGroup>, StoreError> {
        let row = sqlx::query(
            "SELECT group_name, group_id, parent_name, description, attributes_json, version, \
             created_at FROM thing_groups WHERE group_id = $1",
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(ThingGroup::from_row).transpose()
    }

    /// The names of the groups that `name` lies in, root first, without itself.
    ///
    /// # Errors
    /// The database refused.
    pub async fn group_ancestors(&mut self, name: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "WITH RECURSIVE above (group_name, parent_name, height) AS ( \
               SELECT group_name, parent_name, 0 FROM thing_groups WHERE group_name = $1 \
               UNION ALL SELECT g.group_name, g.parent_name, a.height + 1 FROM thing_groups g \
                 JOIN above a ON g.group_name = a.parent_name) \
             SELECT group_name FROM above WHERE height > 0 ORDER BY height DESC",
        )
        .bind(name)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("group_name")?)).collect()
    }

    /// At most `limit` names of groups in `scope` that start with `prefix` and sort after
    /// `after` (`""` for the first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn group_names_after(
        &mut self,
        scope: GroupScope<'_>,
        prefix: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let (sql, parent) = match scope {
            GroupScope::All => (ALL, None),
            GroupScope::Roots => (ROOTS, None),
            GroupScope::ChildrenOf(parent) => (CHILDREN, Some(parent)),
            GroupScope::DescendantsOf(parent) => (DESCENDANTS, Some(parent)),
        };
        let mut query = sqlx::query(sql).bind(after).bind(prefix).bind(limit);
        if let Some(parent) = parent {
            query = query.bind(parent);
        }
        let rows = query.fetch_all(self.connection()).await?;
        rows.iter().map(|row| Ok(row.try_get("group_name")?)).collect()
    }
}

impl Tx {
    /// Adds a thing group; `false` when the name is taken.
    ///
    /// # Errors
    /// The parent does not exist, or the database refused.
    pub async fn insert_thing_group(&mut self, group: &ThingGroup) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO thing_groups (group_name, group_id, parent_name, description, \
             attributes_json, version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (group_name) DO NOTHING",
        )
        .bind(group.name.as_str())
        .bind(group.id.as_str())
        .bind(group.parent.as_deref())
        .bind(group.description.as_deref())
        .bind(attributes_json(&group.attributes))
        .bind(group.version)
        .bind(group.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes a group's description, attributes and version; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn update_thing_group(&mut self, group: &ThingGroup) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE thing_groups SET description = $2, attributes_json = $3, version = $4 \
             WHERE group_name = $1",
        )
        .bind(group.name.as_str())
        .bind(group.description.as_deref())
        .bind(attributes_json(&group.attributes))
        .bind(group.version)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes a group and its memberships; `false` when there is none.
    ///
    /// # Errors
    /// Another group lies in it, or the database refused.
    pub async fn delete_thing_group(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM thing_groups WHERE group_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
