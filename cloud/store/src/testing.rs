//! Databases for tests, also of other crates: SQLite's in the test's directory, or a schema of its
//! own on the PostgreSQL server that `MARRAM_TEST_STORE` names (`cargo xtask test` starts one).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests only")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Database;

/// The variable with the URL of a server on which schemas may be made.
const SERVER: &str = "MARRAM_TEST_STORE";

/// The database of the test whose temporary directory is `directory`; the same one each time.
pub async fn database_in(directory: &Path) -> Database {
    match std::env::var(SERVER) {
        Ok(server) => schema(&server, directory).await,
        Err(_) => sqlite_in(directory),
    }
}

/// SQLite's file in `directory`.
pub fn sqlite_in(directory: &Path) -> Database {
    Database::from(directory.join("cloud.db"))
}

/// A schema for `directory` on the server.
///
/// # Panics
/// `MARRAM_TEST_STORE` names none.
pub async fn postgres_in(directory: &Path) -> Database {
    let Ok(server) = std::env::var(SERVER) else {
        panic!("{SERVER} is not set: `cargo xtask test` starts a server and sets it")
    };
    schema(&server, directory).await
}

async fn schema(server: &str, directory: &Path) -> Database {
    let mut hasher = DefaultHasher::new();
    (directory, std::process::id()).hash(&mut hasher);
    let name = format!("t_{:016x}", hasher.finish());
    let mut session = PgConnection::connect(server).await.unwrap();
    let sql = format!("SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS {name}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session).await.unwrap();
    session.close().await.unwrap();
    let mark = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{mark}options[search_path]={name}");
    Database::Postgres(url.parse().unwrap())
}

/// Makes each function `async fn test(database: Database)` a test on both databases.
#[cfg(test)]
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    let directory = tempfile::tempdir().unwrap();
                    let path = directory.path().join("data dir?");
                    super::$test($crate::testing::sqlite_in(&path)).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                #[ignore = "needs PostgreSQL: run by `cargo xtask test`"]
                async fn $test() {
                    let directory = tempfile::tempdir().unwrap();
                    super::$test($crate::testing::postgres_in(directory.path()).await).await;
                }
            )+
        }
    };
}

#[cfg(test)]
pub(crate) use on_both;
