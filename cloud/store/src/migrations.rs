//! The schema's history: numbered SQL files, each applied once, in one transaction.
//!
//! A released file never changes; what must change goes into the next one.

use sqlx::{AnyPool, Row};

use crate::error::OpenStore;

/// Name and text in order; the n-th one (from 1) leads to schema version n.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_registry", include_str!("../migrations/0001_registry.sql")),
    ("0002_fleet", include_str!("../migrations/0002_fleet.sql")),
    ("0003_rollout", include_str!("../migrations/0003_rollout.sql")),
];

const VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)";

/// Applies what `writer`'s database has not seen yet.
pub(crate) async fn run(writer: &AnyPool) -> Result<(), OpenStore> {
    apply(writer, MIGRATIONS).await
}

async fn apply(
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
        step(writer, version, sql).await.map_err(|source| OpenStore::Migrate { name, source })?;
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

async fn step(writer: &AnyPool, version: i64, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(sql).execute(&mut *transaction).await?;
    sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
        .bind(version)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[test]
    fn names_are_numbered_in_order() {
        for (number, (name, _)) in (1..).zip(MIGRATIONS) {
            assert!(name.starts_with(&format!("{number:04}_")), "{name} stands at {number}");
        }
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_names_both_versions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cloud.db");
        let store = Store::open(&path).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("INSERT INTO schema_version (version) VALUES (99)")
            .execute(tx.connection())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, OpenStore::NewerSchema { found: 99, .. }), "{error}");
    }

    #[tokio::test]
    async fn a_failed_migration_leaves_the_schema_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("cloud.db")).await.unwrap();
        let mut longer = MIGRATIONS.to_vec();
        longer.push(("9999_broken", "CREATE TABLE kept_back (a TEXT); SELECT nonsense FROM none"));
        let error = apply(store.writer(), &longer).await.unwrap_err();
        assert!(matches!(error, OpenStore::Migrate { name: "9999_broken", .. }), "{error}");
        longer.pop();
        longer.push(("9999_mended", "CREATE TABLE kept_back (a TEXT)"));
        apply(store.writer(), &longer).await.unwrap();
    }
}
