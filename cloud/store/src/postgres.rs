//! Opening PostgreSQL: one schema of a server, locked for one cloud.
//!
//! The lock is an advisory one of the writer's session, so the server frees it with the
//! connection, however the process ends, and a writer that had to connect again takes it again.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::time::{Instant, sleep, timeout};

use crate::database::{Database, PostgresUrl};
use crate::error::OpenStore;
use crate::store::{Dialect, Pools, READERS, WAIT, pool};

/// The oldest server that its own project still mended when this was written.
pub(crate) const OLDEST_MAJOR: u32 = 13;

/// Between two looks at a lock that a killed process may just be letting go of.
const LOCK_PERIOD: Duration = Duration::from_millis(100);

/// No statement of ours may take longer; a session whose process vanished ends in a minute.
macro_rules! session_sql {
    () => {
        "SET client_min_messages = warning; SET statement_timeout = '30s'; \
         SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; \
         SET tcp_keepalives_count = 3"
    };
}

/// Any number that nobody else takes; with the schema's name beside it, two clouds may share one
/// database in two schemas.
macro_rules! lock_sql {
    ($function:literal) => {
        concat!($function, "(1835102829, hashtext(current_schema()))")
    };
}

const TRY_LOCK: &str = concat!("SELECT ", lock_sql!("pg_try_advisory_lock"));
const UNLOCK: &str = concat!("SELECT ", lock_sql!("pg_advisory_unlock"));

const READER_SESSION: &str = session_sql!();

/// A session that cannot have the lock must not write: this divides by zero then.
const WRITER_SESSION: &str =
    concat!(session_sql!(), "; SELECT 1 / ", lock_sql!("pg_try_advisory_lock"), "::int");

/// There is one writer, which the lock keeps; what it reads is what it wrote.
pub(crate) const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// The same snapshot for every statement.
pub(crate) const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Opens the database; it must exist.
pub(crate) async fn open(url: &PostgresUrl) -> Result<Pools, OpenStore> {
    let mut session = connect(url).await?;
    check_version(url, &mut session).await?;
    check_free(url, &mut session).await?;
    let failed = |source| OpenStore::Connect { database: database(url), source };
    session.close().await.map_err(failed)?;
    let writer = pool(Dialect::Postgres, url.expose(), 1, WRITER_SESSION).await;
    let writer = writer.map_err(|error| match error {
        // Another cloud was quicker between our look at the lock and taking it.
        sqlx::Error::PoolTimedOut => OpenStore::InUse(database(url)),
        source => failed(source),
    })?;
    let readers =
        pool(Dialect::Postgres, url.expose(), READERS, READER_SESSION).await.map_err(failed)?;
    Ok(Pools { writer, readers, lock: None })
}

fn database(url: &PostgresUrl) -> Database {
    Database::Postgres(url.clone())
}

async fn connect(url: &PostgresUrl) -> Result<PgConnection, OpenStore> {
    let failed = |source| OpenStore::Connect { database: database(url), source };
    let options: PgConnectOptions = url.expose().parse().map_err(failed)?;
    match timeout(WAIT, options.connect()).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(source)) => Err(refused(url, source)),
        Err(_) => Err(OpenStore::Unreachable { database: database(url), source: None }),
    }
}

/// What to do about it differs with the server's code (PostgreSQL documentation, appendix A).
fn refused(url: &PostgresUrl, source: sqlx::Error) -> OpenStore {
    let code = source.as_database_error().and_then(|error| error.code()).map(String::from);
    let database = database(url);
    match (code.as_deref(), source) {
        (Some("28P01" | "28000"), source) => OpenStore::Credentials { database, source },
        (Some("3D000"), source) => OpenStore::NoDatabase { database, source },
        (_, sqlx::Error::Io(source)) => OpenStore::Unreachable { database, source: Some(source) },
        (_, source) => OpenStore::Connect { database, source },
    }
}

async fn check_version(url: &PostgresUrl, session: &mut PgConnection) -> Result<(), OpenStore> {
    let failed = |source| OpenStore::Connect { database: database(url), source };
    let row =
        sqlx::query("SELECT current_setting('server_version_num')::int8, current_schema()::text")
            .fetch_one(session)
            .await
            .map_err(failed)?;
    let number: i64 = row.try_get(0).map_err(failed)?;
    let schema: Option<String> = row.try_get(1).map_err(failed)?;
    if schema.is_none() {
        return Err(OpenStore::NoSchema(database(url)));
    }
    match is_new_enough(number) {
        true => Ok(()),
        false => Err(OpenStore::OldServer { database: database(url), found: number / 10_000 }),
    }
}

/// `150018` is 15.18.
fn is_new_enough(server_version_num: i64) -> bool {
    server_version_num >= i64::from(OLDEST_MAJOR) * 10_000
}

/// A killed cloud's session ends a moment after it.
async fn check_free(url: &PostgresUrl, session: &mut PgConnection) -> Result<(), OpenStore> {
    let failed = |source| OpenStore::Connect { database: database(url), source };
    let deadline = Instant::now() + WAIT;
    loop {
        let row = sqlx::query(TRY_LOCK).fetch_one(&mut *session).await.map_err(failed)?;
        if row.try_get(0).map_err(failed)? {
            sqlx::query(UNLOCK).execute(session).await.map_err(failed)?;
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(OpenStore::InUse(database(url)));
        }
        sleep(LOCK_PERIOD).await;
    }
}

/// The DDL as PostgreSQL needs it: names sort by their bytes, as in SQLite, whatever the
/// database's own collation is; pages go on after a name.
pub(crate) fn ddl(sql: &str) -> String {
    sql.replace(" TEXT", " TEXT COLLATE \"C\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_the_oldest_are_too_old() {
        assert!(!is_new_enough(90_624));
        assert!(!is_new_enough(120_022));
        assert!(is_new_enough(130_000));
        assert!(is_new_enough(150_018));
    }
}
