//! The store's connections: one exclusive writer, a few readers, a lock on the database.

use std::fmt;
use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use crate::database::Database;
use crate::error::{OpenStore, StoreError};
use crate::{migrations, postgres, sqlite};

/// How long a caller waits for the writer or for a reader.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

/// How long [`Store::close`] waits for transactions under way.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Readers wait for the disk, not for the CPU: a few more than there are cores serve enough.
pub(crate) const READERS: u32 = 4;

/// What the two databases say differently; all other text is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub(crate) fn begin_writing(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::BEGIN_WRITING,
            Self::Postgres => postgres::BEGIN_WRITING,
        }
    }
}

/// The connections to an open database.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) writer: AnyPool,
    pub(crate) readers: AnyPool,
    /// Held, not read: the operating system frees it with the process, however that ends.
    pub(crate) lock: Option<File>,
}

/// The open database; clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    dialect: Dialect,
    pools: Pools,
}

impl Store {
    /// Opens `database` (a path is SQLite's) and brings its schema up to date. A file is made
    /// where it is missing; a database on a server must exist.
    ///
    /// # Errors
    /// Another process has it open, it was written by a newer program, a migration failed, or
    /// the file system or the server refused.
    pub async fn open(database: impl Into<Database>) -> Result<Self, OpenStore> {
        let store = Self::open_as_it_is(database.into()).await?;
        migrations::run(store.inner.dialect, &store.inner.pools.writer).await?;
        Ok(store)
    }

    /// Opens it with the schema that it has.
    pub(crate) async fn open_as_it_is(database: Database) -> Result<Self, OpenStore> {
        sqlx::any::install_default_drivers();
        let (dialect, pools) = match &database {
            Database::Sqlite(path) => (Dialect::Sqlite, sqlite::open(path).await?),
            Database::Postgres(url) => (Dialect::Postgres, postgres::open(url).await?),
        };
        migrations::prepare(&pools.writer).await?;
        Ok(Self { inner: Arc::new(Inner { database, dialect, pools }) })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Which database it is.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Starts the one exclusive writing transaction; dropped without [`Tx::commit`] it leaves no
    /// trace. Keep it short: everybody else who writes waits for it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after 5 s of waiting, or the database refused.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let begin = self.inner.dialect.begin_writing();
        let transaction = self.inner.pools.writer.begin_with(begin).await?;
        Ok(Tx { reader: Reader { transaction } })
    }

    /// Starts a reading transaction: a consistent snapshot of all that was committed before.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after 5 s of waiting, or the database refused.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        let readers = &self.inner.pools.readers;
        let transaction = match self.inner.dialect {
            Dialect::Sqlite => readers.begin().await?,
            Dialect::Postgres => readers.begin_with(postgres::BEGIN_READING).await?,
        };
        Ok(Reader { transaction })
    }

    /// The writer's pool and how it speaks, for the tests of the migrations.
    #[cfg(test)]
    pub(crate) fn writer(&self) -> (Dialect, &AnyPool) {
        (self.inner.dialect, &self.inner.pools.writer)
    }

    /// Waits for transactions under way (at most 5 s), folds SQLite's log into its file and lets
    /// another process open the database. Later calls on any clone fail.
    pub async fn close(&self) {
        let Pools { writer, readers, lock } = &self.inner.pools;
        let drain = async {
            readers.close().await;
            writer.close().await;
        };
        if tokio::time::timeout(CLOSE_WAIT, drain).await.is_err() {
            tracing::warn!(
                database = %self.inner.database,
                "transactions were still open when the database closed; they are rolled back"
            );
        }
        if let Some(Err(error)) = lock.as_ref().map(File::unlock) {
            tracing::warn!(%error, "cannot unlock the database; it is free when the process ends");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("database", &self.inner.database).finish_non_exhaustive()
    }
}

/// A reading transaction. Each noun's module adds its reading methods.
#[must_use]
pub struct Reader {
    transaction: Transaction<'static, Any>,
}

impl Reader {
    /// The connection, for the statements of the noun modules.
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// The writing transaction. Each noun's module adds its writing methods.
#[derive(Debug)]
#[must_use]
pub struct Tx {
    reader: Reader,
}

impl Tx {
    /// Makes everything written here durable and visible; only then may anybody be told.
    ///
    /// # Errors
    /// The database refused; nothing of the transaction remains.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.reader.transaction.commit().await?)
    }
}

impl Deref for Tx {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

/// Connects; each connection begins with the statements `session`.
pub(crate) async fn pool(
    dialect: Dialect,
    url: &str,
    connections: u32,
    session: &'static str,
) -> Result<AnyPool, sqlx::Error> {
    let options: AnyConnectOptions = url.parse()?;
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        // A server may have been restarted since; a file cannot.
        .test_before_acquire(dialect == Dialect::Postgres)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(session).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
}

#[cfg(test)]
mod tests;
