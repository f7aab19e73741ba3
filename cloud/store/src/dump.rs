//! The whole content of a store as text, and a store made from it: for back-ups.
//!
//! One JSON value a line: first `{"schema_version": N}`, then for each table
//! `{"table": …, "columns": […]}` and its rows as arrays. It is the same from either database, so
//! that a back-up of one can be restored into the other. An older schema's dump is restored into
//! that schema, which is then migrated like a database of that age.
//!
//! Invariant: a restore is one transaction; a store never holds half a back-up.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Column, Row};

use crate::database::Database;
use crate::error::{OpenStore, StoreError};
use crate::migrations;
use crate::store::{Reader, Store};

/// Every table but `schema_version`, each behind those that it refers to.
const TABLES: &[&str] = &[
    "settings",
    "access_keys",
    "sessions",
    "thing_types",
    "things",
    "thing_groups",
    "memberships",
    "certificates",
    "policies",
    "policy_versions",
    "policy_attachments",
    "thing_principals",
    "role_aliases",
    "tags",
    "client_tokens",
    "component_versions",
    "component_artifacts",
    "deployment_targets",
    "deployments",
    "jobs",
    "job_targets",
    "job_executions",
    "job_queues",
    "shadows",
    "core_devices",
    "installed_components",
    "status_chunks",
    "effective_deployments",
    "job_rollouts",
    "mqtt_sessions",
    "mqtt_subscriptions",
    "mqtt_queues",
    "mqtt_retained",
    "provisioning_templates",
    "provisioning_template_versions",
    "provisioning_claims",
    "client_devices",
    "connectivity",
    "presence",
    "iam_roles",
    "iam_role_policies",
    "iam_policies",
    "iam_role_attachments",
];

/// A group behind the one it lies in, for the reference from one to the other.
const THING_GROUPS: &str = "WITH RECURSIVE below (name, depth) AS ( \
       SELECT group_name, 0 FROM thing_groups WHERE parent_name IS NULL \
       UNION ALL SELECT g.group_name, b.depth + 1 FROM thing_groups g \
         JOIN below b ON g.parent_name = b.name) \
     SELECT g.* FROM thing_groups g JOIN below b ON b.name = g.group_name ORDER BY b.depth";

/// Why a dump failed, or could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum DumpStore {
    /// The store could not be opened.
    #[error("cannot open the database")]
    Open(#[from] OpenStore),
    /// The database refused.
    #[error("the database refused")]
    Store(#[from] StoreError),
    /// The dump cannot be written or read.
    #[error("the dump cannot be written or read")]
    Io(#[from] io::Error),
    /// The dump holds what no program wrote.
    #[error("line {line} of the dump is damaged: {problem}")]
    Damaged {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The database holds a cloud.
    #[error("the database `{0}` holds a cloud already: choose an empty one, or give --replace")]
    NotEmpty(Database),
}

impl From<sqlx::Error> for DumpStore {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    schema_version: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Table {
    table: String,
    columns: Vec<String>,
}

impl Reader {
    /// The version of the schema. As a transaction's first statement it fixes the snapshot.
    ///
    /// # Errors
    /// The database refused.
    pub async fn schema_version(&mut self) -> Result<i64, StoreError> {
        Ok(migrations::version(self.connection()).await?)
    }

    /// Writes all that this snapshot holds.
    ///
    /// # Errors
    /// The database refused, or `out` did.
    pub async fn dump(&mut self, out: &mut (dyn Write + Send)) -> Result<(), DumpStore> {
        let head = Head { schema_version: self.schema_version().await? };
        line(out, &head)?;
        for table in TABLES {
            let sql = match *table {
                "thing_groups" => THING_GROUPS.to_owned(),
                table => format!("SELECT * FROM {table}"),
            };
            // Our own constants only.
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(self.connection()).await?;
            let Some(first) = rows.first() else { continue };
            let columns = first.columns().iter().map(|column| column.name().to_owned()).collect();
            line(out, &Table { table: (*table).to_owned(), columns })?;
            for row in &rows {
                line(out, &values(row)?)?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Fills `database` from a dump, in place of what is there if `replace`; a file must not
    /// exist in use by another process. The caller opens it afterwards.
    ///
    /// # Errors
    /// It holds a cloud and may not be replaced, it is in use, the dump is damaged or newer than
    /// this program, or the database refused. The database is then as it was.
    pub async fn restore(
        database: Database,
        dump: &mut (dyn BufRead + Send),
        replace: bool,
    ) -> Result<(), DumpStore> {
        let store = Self::open_as_it_is(database).await?;
        let restored = store.fill(dump, replace).await;
        store.close().await;
        restored
    }

    async fn fill(&self, dump: &mut (dyn BufRead + Send), replace: bool) -> Result<(), DumpStore> {
        let mut lines = Lines { dump, number: 0 };
        let head: Head = lines.next()?.ok_or_else(|| lines.damaged("it is empty"))?;
        let mut tx = self.begin().await?;
        if migrations::version(tx.connection()).await? > 0 {
            if !replace && !is_empty(tx.connection()).await? {
                return Err(DumpStore::NotEmpty(self.database().clone()));
            }
            drop_all(tx.connection()).await?;
        }
        let dialect = self.dialect();
        let (from, to) = (0, head.schema_version);
        migrations::migrate(dialect, tx.connection(), from, Some(to)).await?;
        let mut current: Option<Table> = None;
        while let Some(value) = lines.next::<Value>()? {
            match value {
                Value::Array(values) => {
                    let Some(table) = &current else {
                        return Err(lines.damaged("a row belongs to no table"));
                    };
                    if values.len() != table.columns.len() {
                        return Err(lines.damaged("a row has not as many values as columns"));
                    }
                    let query = sqlx::query(AssertSqlSafe(table.insert(&values)));
                    bind(query, values).execute(tx.connection()).await?;
                }
                other => {
                    let table: Table = serde_json::from_value(other)
                        .map_err(|error| lines.damaged(&error.to_string()))?;
                    if !table.is_known() {
                        return Err(lines.damaged("it names a table or column that is none"));
                    }
                    current = Some(table);
                }
            }
        }
        migrations::migrate(dialect, tx.connection(), to, None).await?;
        Ok(tx.commit().await?)
    }
}

struct Lines<'d> {
    dump: &'d mut (dyn BufRead + Send),
    number: usize,
}

impl Lines<'_> {
    fn next<T: for<'v> Deserialize<'v>>(&mut self) -> Result<Option<T>, DumpStore> {
        let mut text = String::new();
        self.number += 1;
        if self.dump.read_line(&mut text)? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).map_err(|error| self.damaged(&error.to_string()))
    }

    fn damaged(&self, problem: &str) -> DumpStore {
        DumpStore::Damaged { line: self.number, problem: problem.to_owned() }
    }
}

fn line(out: &mut (dyn Write + Send), value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// All columns are BIGINT or TEXT.
fn values(row: &AnyRow) -> Result<Vec<Value>, sqlx::Error> {
    (0..row.len())
        .map(|at| match row.try_get::<Option<i64>, _>(at) {
            Ok(number) => Ok(number.map_or(Value::Null, Value::from)),
            Err(_) => row.try_get::<Option<String>, _>(at).map(Value::from),
        })
        .collect()
}

impl Table {
    /// Whether its names may stand in a statement.
    fn is_known(&self) -> bool {
        let is_name = |name: &String| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let known = TABLES.contains(&self.table.as_str());
        known && !self.columns.is_empty() && self.columns.iter().all(is_name)
    }

    /// The statement that inserts a row. PostgreSQL wants a bound NULL to have the type of its
    /// column, which a literal one does not.
    fn insert(&self, values: &[Value]) -> String {
        let mut bound = 0;
        let mark = |value: &Value| {
            if value.is_null() {
                return "NULL".to_owned();
            }
            bound += 1;
            format!("${bound}")
        };
        let marks: Vec<_> = values.iter().map(mark).collect();
        let (columns, marks) = (self.columns.join(", "), marks.join(", "));
        format!("INSERT INTO {} ({columns}) VALUES ({marks})", self.table)
    }
}

/// Binds all values but NULL.
fn bind(
    query: Query<'static, Any, AnyArguments>,
    values: Vec<Value>,
) -> Query<'static, Any, AnyArguments> {
    values.into_iter().fold(query, |query, value| match value {
        Value::Number(number) => query.bind(number.as_i64()),
        Value::String(text) => query.bind(text),
        _ => query,
    })
}

/// A cloud has settings from its first start on.
async fn is_empty(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let row =
        sqlx::query("SELECT COUNT(*) AS settings FROM settings").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>("settings")? == 0)
}

async fn drop_all(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for table in TABLES.iter().rev() {
        let sql = format!("DROP TABLE IF EXISTS {table}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    sqlx::query("DELETE FROM schema_version").execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
