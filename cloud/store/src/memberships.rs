//! Which things are in which groups.

use sqlx::Row;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

// `$1` is the group, `$2` the thing to go on after, `$3` the limit.
const DIRECT: &str = "SELECT thing_name FROM memberships \
     WHERE group_name = $1 AND thing_name > $2 ORDER BY thing_name LIMIT $3";
/// A statement over `here`, the group `$1` and all groups below it.
macro_rules! here_and_below {
    ($statement:literal) => {
        concat!(
            "WITH RECURSIVE here (group_name) AS ( \
               SELECT group_name FROM thing_groups WHERE group_name = $1 \
               UNION ALL SELECT g.group_name FROM thing_groups g \
                 JOIN here h ON g.parent_name = h.group_name) ",
            $statement
        )
    };
}

const RECURSIVE: &str = here_and_below!(
    "SELECT DISTINCT m.thing_name FROM memberships m \
       JOIN here h ON m.group_name = h.group_name \
     WHERE m.thing_name > $2 ORDER BY m.thing_name LIMIT $3"
);
const COUNT: &str = here_and_below!(
    "SELECT COUNT(DISTINCT m.thing_name) AS members FROM memberships m \
       JOIN here h ON m.group_name = h.group_name"
);

impl Reader {
    /// How many things are in `group` and in the groups below it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn count_members(&mut self, group: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(COUNT).bind(group).fetch_one(self.connection()).await?;
        Ok(row.try_get("members")?)
    }

    /// At most `limit` names of things in `group` (and, if `recursive`, in the groups below it)
    /// that sort after `after` (`""` for the first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn members_after(
        &mut self,
        group: &str,
        recursive: bool,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(if recursive { RECURSIVE } else { DIRECT })
            .bind(group)
            .bind(after)
            .bind(limit)
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(|row| Ok(row.try_get("thing_name")?)).collect()
    }

    /// The names of all groups that `thing` is directly in, by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn groups_of_thing(&mut self, thing: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT group_name FROM memberships WHERE thing_name = $1 ORDER BY group_name",
        )
        .bind(thing)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("group_name")?)).collect()
    }
}

impl Tx {
    /// Puts `thing` into `group`; `false` when it was there.
    ///
    /// # Errors
    /// One of them does not exist, or the database refused.
    pub async fn insert_membership(
        &mut self,
        group: &str,
        thing: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO memberships (group_name, thing_name) VALUES ($1, $2) \
             ON CONFLICT (group_name, thing_name) DO NOTHING",
        )
        .bind(group)
        .bind(thing)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes `thing` out of `group`; `false` when it was not there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_membership(
        &mut self,
        group: &str,
        thing: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM memberships WHERE group_name = $1 AND thing_name = $2")
            .bind(group)
            .bind(thing)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
