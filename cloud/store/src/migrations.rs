//! The schema's history: numbered SQL files, each applied once, in one transaction.
//!
//! A released file never changes; what must change goes into the next one.

use sqlx::{AnyPool, AssertSqlSafe, Row};

use crate::error::OpenStore;
use crate::postgres;
use crate::store::Dialect;

/// Name and text in order; the n-th one (from 1) leads to schema version n.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_registry", include_str!("../migrations/0001_registry.sql")),
    ("0002_fleet", include_str!("../migrations/0002_fleet.sql")),
    ("0003_rollout", include_str!("../migrations/0003_rollout.sql")),
];

const VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)";

/// Applies what `writer`'s database has not seen yet.
pub(crate) async fn run(dialect: Dialect, writer: &AnyPool) -> Result<(), OpenStore> {
    apply(dialect, writer, MIGRATIONS).await
}

async fn apply(
    dialect: Dialect,
    writer: &AnyPool,
    migrations: &[(&'static str, &'static str)],
) -> Result<(), OpenStore> {
    let found = version(writer)
        .await
        .map_err(|source| OpenStore::Migrate { name: "schema_version", source })?;
    let versions: Vec<_> = (1_i64..).zip(migrations).collect();
    let known = versions.last().map_or(0, |(version, _)| *version);
    if found > known {
        return Err(OpenStore::NewerSchema { found, known });
    }
    for (version, (name, sql)) in versions.into_iter().filter(|(version, _)| *version > found) {
        step(dialect, writer, version, sql)
            .await
            .map_err(|source| OpenStore::Migrate { name, source })?;
        tracing::info!(version, name, "migrated the database");
    }
    Ok(())
}

async fn version(writer: &AnyPool) -> Result<i64, sqlx::Error> {
    sqlx::raw_sql(VERSION_TABLE).execute(writer).await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(writer)
        .await?;
    row.try_get("version")
}

async fn step(
    dialect: Dialect,
    writer: &AnyPool,
    version: i64,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = writer.begin_with(dialect.begin_writing()).await?;
    match dialect {
        Dialect::Sqlite => sqlx::raw_sql(sql).execute(&mut *transaction).await?,
        // Made from our own constants only.
        Dialect::Postgres => {
            let sql = AssertSqlSafe(postgres::ddl(sql));
            sqlx::raw_sql(sql).execute(&mut *transaction).await?
        }
    };
    sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
        .bind(version)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, Store};

    #[test]
    fn names_are_numbered_in_order() {
        for (number, (name, _)) in (1..).zip(MIGRATIONS) {
            assert!(name.starts_with(&format!("{number:04}_")), "{name} stands at {number}");
        }
    }

    pub(super) async fn a_newer_schema_is_refused_and_names_both_versions(database: Database) {
        let store = Store::open(database.clone()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("INSERT INTO schema_version (version) VALUES (99)")
            .execute(tx.connection())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        let error = Store::open(database).await.unwrap_err();
        assert!(matches!(error, OpenStore::NewerSchema { found: 99, .. }), "{error}");
    }

    pub(super) async fn a_failed_migration_leaves_the_schema_as_it_was(database: Database) {
        let store = Store::open(database).await.unwrap();
        let (dialect, writer) = store.writer();
        let mut longer = MIGRATIONS.to_vec();
        longer.push(("9999_broken", "CREATE TABLE kept_back (a TEXT); SELECT nonsense FROM none"));
        let error = apply(dialect, writer, &longer).await.unwrap_err();
        assert!(matches!(error, OpenStore::Migrate { name: "9999_broken", .. }), "{error}");
        longer.pop();
        longer.push(("9999_mended", "CREATE TABLE kept_back (a TEXT)"));
        apply(dialect, writer, &longer).await.unwrap();
    }

    crate::testing::on_both! {
        a_newer_schema_is_refused_and_names_both_versions,
        a_failed_migration_leaves_the_schema_as_it_was,
    }
}
