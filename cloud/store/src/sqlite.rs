//! Opening SQLite: one file, locked for one process.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::OpenStore;
use crate::store::{Dialect, Pools, READERS, pool};

/// The first two make a commit one append to the log, safe against a killed process; a reader
/// never blocks the writer.
const WRITER_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON";

const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000";

/// A deferred transaction would fail at its first write instead of waiting here.
pub(crate) const BEGIN_WRITING: &str = "BEGIN IMMEDIATE";

/// Opens the file, making it and its directory where they are missing.
pub(crate) async fn open(path: &Path) -> Result<Pools, OpenStore> {
    let path = absolute(path)?;
    let lock = lock_file(&path)?;
    let url = database_url(&path)?;
    let connect = |source| OpenStore::Connect { database: path.clone().into(), source };
    let writer = pool(Dialect::Sqlite, &url, 1, WRITER_PRAGMAS).await.map_err(connect)?;
    // The writer is first: only it can turn the log on.
    let readers = pool(Dialect::Sqlite, &url, READERS, READER_PRAGMAS).await.map_err(connect)?;
    Ok(Pools { writer, readers, lock: Some(lock) })
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

/// Keeps other processes off the database file until what this gives is dropped. SQLite itself
/// would let two in; two clouds on one database would each believe that their caches and
/// connections are the only ones.
///
/// # Errors
/// Another process has it, or the lock file cannot be made.
pub fn lock_file(database: &Path) -> Result<File, OpenStore> {
    let path = database.with_extension("lock");
    let create = |source| OpenStore::Create { path: path.clone(), source };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(create)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenStore::InUse(database.into())),
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
