//! The schema's history: numbered SQL files, each applied once, in one transaction.
//!
//! A released file never changes; what must change goes into the next one.

use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Row};

use crate::error::OpenStore;
use crate::postgres;
use crate::store::Dialect;

/// Name and text in order; the n-th one (from 1) leads to schema version n.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_registry", include_str!("../migrations/0001_registry.sql")),
    ("0002_fleet", include_str!("../migrations/0002_fleet.sql")),
    ("0003_rollout", include_str!("../migrations/0003_rollout.sql")),
    ("0004_mqtt", include_str!("../migrations/0004_mqtt.sql")),
    ("0005_jobs", include_str!("../migrations/0005_jobs.sql")),
    ("0006_operations", include_str!("../migrations/0006_operations.sql")),
    ("0007_identity", include_str!("../migrations/0007_identity.sql")),
];

const VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)";

/// Applies what `writer`'s database has not seen yet, each step in its own transaction.
pub(crate) async fn run(dialect: Dialect, writer: &AnyPool) -> Result<(), OpenStore> {
    apply(dialect, writer, MIGRATIONS).await
}

/// Applies, within a transaction of the caller's, what comes behind version `from`, up to `to`
/// (all where that is absent).
pub(crate) async fn migrate(
    dialect: Dialect,
    connection: &mut AnyConnection,
    from: i64,
    to: Option<i64>,
) -> Result<(), OpenStore> {
    let known = check_known(MIGRATIONS, to.unwrap_or(from))?;
    let to = to.unwrap_or(known);
    for (version, (name, sql)) in (1_i64..).zip(MIGRATIONS) {
        if version > from && version <= to {
            step(dialect, connection, version, sql)
                .await
                .map_err(|source| OpenStore::Migrate { name, source })?;
        }
    }
    Ok(())
}

async fn apply(
    dialect: Dialect,
    writer: &AnyPool,
    migrations: &[(&'static str, &'static str)],
) -> Result<(), OpenStore> {
    let failed = |source| OpenStore::Migrate { name: "schema_version", source };
    let found = version(&mut *writer.acquire().await.map_err(failed)?).await.map_err(failed)?;
    check_known(migrations, found)?;
    for (version, (name, sql)) in (1_i64..).zip(migrations) {
        if version > found {
            apply_one(dialect, writer, version, sql)
                .await
                .map_err(|source| OpenStore::Migrate { name, source })?;
            tracing::info!(version, name, "migrated the database");
        }
    }
    Ok(())
}

/// Refuses a schema newer than the newest, which it gives.
fn check_known(migrations: &[(&str, &str)], found: i64) -> Result<i64, OpenStore> {
    let known = (1_i64..).zip(migrations).last().map_or(0, |(version, _)| version);
    if found > known { Err(OpenStore::NewerSchema { found, known }) } else { Ok(known) }
}

/// The version of the schema; 0 of an empty database.
pub(crate) async fn version(connection: &mut AnyConnection) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(connection)
        .await?;
    row.try_get("version")
}

/// Makes the table of versions, which no migration does.
pub(crate) async fn prepare(writer: &AnyPool) -> Result<(), OpenStore> {
    sqlx::raw_sql(VERSION_TABLE)
        .execute(writer)
        .await
        .map_err(|source| OpenStore::Migrate { name: "schema_version", source })?;
    Ok(())
}

async fn apply_one(
    dialect: Dialect,
    writer: &AnyPool,
    version: i64,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = writer.begin_with(dialect.begin_writing()).await?;
    step(dialect, &mut transaction, version, sql).await?;
    transaction.commit().await
}

async fn step(
    dialect: Dialect,
    connection: &mut AnyConnection,
    version: i64,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    match dialect {
        Dialect::Sqlite => sqlx::raw_sql(sql).execute(&mut *connection).await?,
        // Made from our own constants only.
        Dialect::Postgres => {
            let sql = AssertSqlSafe(postgres::ddl(sql));
            sqlx::raw_sql(sql).execute(&mut *connection).await?
        }
    };
    sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
        .bind(version)
        .execute(connection)
        .await?;
    Ok(())
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
