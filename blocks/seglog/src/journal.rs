//! One snapshot and one log in a folder.

mod recover;

use std::fs::TryLockError;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use marram_os::file::{self, WriteFile};
use marram_os::storage::{Disk, DiskFile, DiskLock, OsDisk, SharedDisk};
use tracing::warn;

use crate::health::Health;
use crate::record;

pub use recover::{Cost, Damage};

const MODE: u32 = 0o600;
/// Marks a snapshot file and its format.
const SNAPSHOT_MAGIC: &[u8; 8] = b"MARRAMS1";

/// Half a second in all, for a holder that is about to end: the thread that wrote last lets go a
/// moment after whoever waited for it has gone on.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// An open journal. One process at a time may hold it.
#[derive(Debug)]
pub struct Journal {
    disk: SharedDisk,
    folder: PathBuf,
    generation: u64,
    log: Log,
    log_bytes: u64,
    health: Health,
    _lock: DiskLock,
}

type Log = BufWriter<Box<dyn DiskFile>>;

/// What a journal held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// The records appended since, in order.
    pub records: Vec<Vec<u8>>,
    /// Bytes of a torn or damaged tail that were cut off.
    pub dropped_bytes: u64,
    /// Files that are not as they were written. The owner then has to say so, and to
    /// [`Journal::start_over`].
    pub damage: Vec<Damage>,
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenJournal {
    /// Another process holds it.
    #[error("`{}` is in use by another process: stop that one first", folder.display())]
    InUse {
        /// The journal's folder.
        folder: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The folder could not be made durable.
    #[error("could not prepare the journal's folder")]
    Prepare(#[source] WriteFile),
    /// The snapshot is damaged, and so is what it could be made again from; no power cut does
    /// that.
    #[error(
        "`{}` is damaged or missing, and what it could be made again from is, too: restore its \
         folder from a backup, or move the folder away to begin with nothing",
        path.display()
    )]
    DamagedSnapshot {
        /// The snapshot file.
        path: PathBuf,
    },
}

/// Why a journal could not be written. Nothing more can be written to it then: open it again.
#[derive(Debug, thiserror::Error)]
pub enum WriteJournal {
    /// The record or snapshot is too long.
    #[error("{bytes} bytes do not fit: a record takes at most {}", record::MAX_RECORD_BYTES)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// An earlier write failed.
    #[error("the journal `{}` failed earlier: restart to continue from its last state",
        folder.display())]
    Broken {
        /// The journal's folder.
        folder: PathBuf,
    },
    /// The log cannot be written.
    #[error("could not {action} the log in `{}`", folder.display())]
    Log {
        /// What was being done.
        action: &'static str,
        /// The journal's folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The snapshot cannot be written; the old one with its log is still in force.
    #[error("could not write the snapshot")]
    Snapshot(#[source] WriteFile),
}

impl Journal {
    /// The folder, in the journal's own, with copies of files that were found damaged.
    pub const DAMAGED: &str = "damaged";

    /// Opens the journal in `folder`, which is created with mode 0700 where it is missing, and
    /// returns what it held. A torn or damaged tail is cut off.
    pub fn open(folder: &Path) -> Result<(Self, Recovered), OpenJournal> {
        Self::open_on(OsDisk::shared(), folder)
    }

    /// As [`Self::open`], on this disk.
    pub fn open_on(disk: SharedDisk, folder: &Path) -> Result<(Self, Recovered), OpenJournal> {
        if !disk.exists(folder) {
            file::create_folder_durably_on(&*disk, folder, 0o700).map_err(OpenJournal::Prepare)?;
        }
        let lock = take_lock(&*disk, folder)?;
        let found = recover::read(&*disk, folder)?;
        let path = log_path(folder, found.generation);
        if found.dropped_bytes > 0 {
            let bytes = found.dropped_bytes;
            warn!(log = %path.display(), bytes, "cut off the log's unfinished tail");
            keep_damaged(&*disk, folder, &path);
        }
        for damage in &found.damage {
            keep_damaged(&*disk, folder, &damage.path);
        }
        let log = open_log(&*disk, &path, found.valid_bytes)
            .map_err(|source| failed("open", &path, source))?;
        remove_older_logs(&*disk, folder, found.generation);
        file::sync_dir_on(&*disk, folder).map_err(OpenJournal::Prepare)?;
        let health = Health::of(folder);
        let journal = Self {
            disk,
            folder: folder.to_path_buf(),
            generation: found.generation,
            log,
            log_bytes: found.valid_bytes,
            health,
            _lock: lock,
        };
        Ok((journal, Recovered::from(found)))
    }

    /// What the journal in `folder` holds, whoever has it open: nothing is locked, created or cut
    /// off. Without a journal there is nothing.
    pub fn look(folder: &Path) -> Result<Recovered, OpenJournal> {
        loop {
            let found = recover::read(&OsDisk, folder)?;
            // Its owner may replace the log by a snapshot while it is read.
            if found.damage.is_empty()
                || recover::read(&OsDisk, folder)?.generation == found.generation
            {
                return Ok(Recovered::from(found));
            }
        }
    }

    /// Adds a record. It survives a power cut only after [`Self::sync`].
    pub fn append(&mut self, record: &[u8]) -> Result<(), WriteJournal> {
        self.health.check()?;
        let header = record::header(record).ok_or(WriteJournal::TooLong { bytes: record.len() })?;
        let written = self.log.write_all(&header).and_then(|()| self.log.write_all(record));
        self.health.settle("append to", written)?;
        self.log_bytes += (header.len() + record.len()) as u64;
        Ok(())
    }

    /// Makes all appended records durable: when this returns, no power cut loses them.
    pub fn sync(&mut self) -> Result<(), WriteJournal> {
        self.health.check()?;
        let synced = self.log.flush().and_then(|()| self.log.get_ref().sync());
        self.health.settle("sync", synced)
    }

    /// Replaces everything by `state`, which is what the snapshot and the records together say:
    /// durable when this returns, and the log is empty. What was replaced is kept until the next
    /// snapshot, to make this one again from should it be damaged.
    pub fn snapshot(&mut self, state: &[u8]) -> Result<(), WriteJournal> {
        self.sync()?;
        let current = snapshot_path(&self.folder);
        if self.generation > 0 {
            let bytes = self
                .disk
                .read(&current)
                .map_err(|source| self.health.error("read the snapshot of", source))?;
            file::write_atomically_on(&*self.disk, &old_snapshot_path(&self.folder), &bytes, MODE)
                .map_err(WriteJournal::Snapshot)?;
        }
        self.replace(state)
    }

    /// As [`Self::snapshot`], but `state` is what counts whatever the journal says: nothing of
    /// before is kept.
    pub fn start_over(&mut self, state: &[u8]) -> Result<(), WriteJournal> {
        self.health.check()?;
        let old_log = log_path(&self.folder, self.generation);
        self.replace(state)?;
        for path in [old_snapshot_path(&self.folder), old_log] {
            remove(&*self.disk, &path);
        }
        Ok(())
    }

    fn replace(&mut self, state: &[u8]) -> Result<(), WriteJournal> {
        let next = self.generation + 1;
        let bytes =
            encode_snapshot(next, state).ok_or(WriteJournal::TooLong { bytes: state.len() })?;
        // The new log first: once the snapshot is in place every append must go there.
        let path = log_path(&self.folder, next);
        let log = open_log(&*self.disk, &path, 0)
            .map_err(|source| self.health.error("create", source))?;
        let current = snapshot_path(&self.folder);
        if let Err(error) = file::write_atomically_on(&*self.disk, &current, &bytes, MODE) {
            // Whether the rename took place is unknown: appending to either log may be wrong.
            self.health.is_lost();
            return Err(WriteJournal::Snapshot(error));
        }
        // Records that are not flushed belong to the old log, which the snapshot replaces.
        let old = std::mem::replace(&mut self.log, log);
        drop(old.into_parts());
        self.generation = next;
        self.log_bytes = 0;
        remove_older_logs(&*self.disk, &self.folder, next);
        Ok(())
    }

    /// The length of the log in bytes, also what is not synced: the owner takes a snapshot when
    /// it grows too long.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes
    }
}

fn snapshot_path(folder: &Path) -> PathBuf {
    folder.join("snapshot")
}

fn old_snapshot_path(folder: &Path) -> PathBuf {
    folder.join("snapshot.old")
}

fn log_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("log.{generation}"))
}

pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> OpenJournal {
    OpenJournal::Io { action, path: path.to_path_buf(), source }
}

pub(crate) fn take_lock(disk: &dyn Disk, folder: &Path) -> Result<DiskLock, OpenJournal> {
    let path = folder.join("lock");
    for _ in 0..LOCK_ATTEMPTS {
        match disk.lock(&path, MODE) {
            Ok(lock) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path, source)),
        }
    }
    Err(OpenJournal::InUse { folder: folder.to_path_buf() })
}

/// Opens a log for appending after its first `valid` bytes and cuts off what follows them.
fn open_log(disk: &dyn Disk, path: &Path, valid: u64) -> io::Result<Log> {
    let file = disk.open_append(path, MODE)?;
    if file.length()? != valid {
        file.truncate(valid)?;
        file.sync()?;
    }
    Ok(BufWriter::new(file))
}

/// The log of this generation is written on, and the one before may be needed to make the snapshot
/// between them again. Others were replaced, or never came into force.
fn remove_older_logs(disk: &dyn Disk, folder: &Path, generation: u64) {
    let Ok(entries) = disk.list(folder) else { return };
    for (name, _) in entries {
        let is_old = recover::generation_of(&name)
            .is_some_and(|other| other != generation && other + 1 != generation);
        if is_old {
            remove(disk, &folder.join(name));
        }
    }
}

/// A file that stays does no harm: it is replaced, or never read.
fn remove(disk: &dyn Disk, path: &Path) {
    if let Err(error) = disk.remove(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(path = %path.display(), %error, "a file of the journal could not be removed");
    }
}

/// Copies a file that is about to be cut or replaced into the folder `damaged`, so that somebody
/// may look at it. One copy for each name: what is kept stays small.
fn keep_damaged(disk: &dyn Disk, folder: &Path, path: &Path) {
    let Some(name) = path.file_name() else { return };
    let kept = folder.join(Journal::DAMAGED);
    let copied = disk.read(path).map(|bytes| {
        file::create_folder_on(disk, &kept, 0o700)
            .and_then(|()| file::write_atomically_on(disk, &kept.join(name), &bytes, MODE))
    });
    match copied {
        Ok(Ok(())) => warn!(copy = %kept.join(name).display(), "kept a copy of a damaged file"),
        Ok(Err(error)) => warn!(%error, "a damaged file could not be kept"),
        // There is nothing to keep of a file that is missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => warn!(%error, path = %path.display(), "a damaged file could not be read"),
    }
}

impl From<recover::Found> for Recovered {
    fn from(found: recover::Found) -> Self {
        let recover::Found { snapshot, records, dropped_bytes, damage, .. } = found;
        Self { snapshot, records, dropped_bytes, damage }
    }
}

fn encode_snapshot(generation: u64, state: &[u8]) -> Option<Vec<u8>> {
    let mut payload = Vec::with_capacity(8 + state.len());
    payload.extend_from_slice(&generation.to_le_bytes());
    payload.extend_from_slice(state);
    let header = record::header(&payload)?;
    Some([SNAPSHOT_MAGIC.as_slice(), &header, &payload].concat())
}

#[cfg(test)]
mod tests;
