//! The store's connections: one exclusive writer, a few readers, a lock on the data directory.

use std::fmt::{self, Write as _};
use std::fs::{File, TryLockError};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use crate::error::{OpenStore, StoreError};
use crate::migrations;

/// How long a caller waits for the writer or for a reader.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

/// How long [`Store::close`] waits for transactions under way.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Readers wait for the disk, not for the CPU: a few more than there are cores serve enough.
const READERS: u32 = 4;

/// The first two make a commit one append to the log, safe against a killed process; a reader
/// never blocks the writer.
const WRITER_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON";

const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000";

/// The open database; clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: AnyPool,
    readers: AnyPool,
    /// Held, not read: the operating system frees it with the process, however that ends.
    lock: File,
}

impl Store {
    /// Opens the SQLite database at `path`, making it and its directory where they are missing,
    /// and brings its schema up to date.
    ///
    /// # Errors
    /// Another process has it open, it was written by a newer program, a migration failed, or
    /// the file system refused.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenStore> {
        let path = absolute(path.as_ref())?;
        let lock = lock(&path)?;
        let url = database_url(&path)?;
        let connect = |source| OpenStore::Connect { path: path.clone(), source };
        sqlx::any::install_default_drivers();
        let writer = pool(&url, 1, WRITER_PRAGMAS).await.map_err(connect)?;
        migrations::run(&writer).await?;
        let readers = pool(&url, READERS, READER_PRAGMAS).await.map_err(connect)?;
        Ok(Self { inner: Arc::new(Inner { path, writer, readers, lock }) })
    }

    /// Starts the one exclusive writing transaction; dropped without [`Tx::commit`] it leaves no
    /// trace. Keep it short: everybody else who writes waits for it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after 5 s of waiting, or the database refused.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        // IMMEDIATE: a deferred transaction would fail at its first write instead of waiting here.
        let transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Tx { reader: Reader { transaction } })
    }

    /// Starts a reading transaction: a consistent snapshot of all that was committed before.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after 5 s of waiting, or the database refused.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        let transaction = self.inner.readers.begin().await?;
        Ok(Reader { transaction })
    }

    /// The writer's pool, for the tests of the migrations.
    #[cfg(test)]
    pub(crate) fn writer(&self) -> &AnyPool {
        &self.inner.writer
    }

    /// Waits for transactions under way (at most 5 s), folds the log into the database file and
    /// lets another process open it. Later calls on any clone fail.
    pub async fn close(&self) {
        let drain = async {
            self.inner.readers.close().await;
            self.inner.writer.close().await;
        };
        if tokio::time::timeout(CLOSE_WAIT, drain).await.is_err() {
            tracing::warn!(
                path = %self.inner.path.display(),
                "transactions were still open when the database closed; they are rolled back"
            );
        }
        if let Err(error) = self.inner.lock.unlock() {
            tracing::warn!(%error, "cannot unlock the database; it is free when the process ends");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
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

async fn pool(url: &str, connections: u32, pragmas: &'static str) -> Result<AnyPool, sqlx::Error> {
    let options: AnyConnectOptions = url.parse()?;
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(pragmas).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
}

fn absolute(path: &Path) -> Result<PathBuf, OpenStore> {
    let create = |source| OpenStore::Create { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(create)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|source| OpenStore::Create { path: directory.to_owned(), source })?;
    }
    Ok(path)
}

/// SQLite itself would let two processes in; two clouds on one database would each believe that
/// their caches and connections are the only ones.
fn lock(database: &Path) -> Result<File, OpenStore> {
    let path = database.with_extension("lock");
    let create = |source| OpenStore::Create { path: path.clone(), source };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(create)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenStore::InUse(database.to_owned())),
        Err(TryLockError::Error(source)) => Err(create(source)),
    }
}

fn database_url(path: &Path) -> Result<String, OpenStore> {
    let text = path.to_str().ok_or_else(|| OpenStore::Path(path.to_owned()))?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push_str("?mode=rwc");
    Ok(url)
}

#[cfg(test)]
mod tests;
