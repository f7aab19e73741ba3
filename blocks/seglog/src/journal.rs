//! One snapshot and one log in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use marram_os::file::{self, WriteFile};
use tracing::warn;

use crate::record;

const MODE: u32 = 0o600;
/// Marks a snapshot file and its format.
const SNAPSHOT_MAGIC: &[u8; 8] = b"MARRAMS1";

/// An open journal. One process at a time may hold it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    generation: u64,
    log: BufWriter<File>,
    log_bytes: u64,
    /// After a failed write nobody knows what is on the disk: nothing may follow it.
    broken: bool,
    _lock: File,
}

/// What a journal held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// The records appended since, in order.
    pub records: Vec<Vec<u8>>,
    /// Bytes of a torn or damaged tail that were cut off.
    pub dropped_bytes: u64,
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
    /// The snapshot is damaged; a power cut cannot do that.
    #[error("`{}` is damaged (checksum mismatch): restore it from a backup", path.display())]
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
    /// Opens the journal in `folder`, which is created with mode 0700 where it is missing, and
    /// returns what it held. A torn or damaged tail is cut off.
    pub fn open(folder: &Path) -> Result<(Self, Recovered), OpenJournal> {
        if !folder.is_dir() {
            file::create_dir_all_mode(folder, 0o700).map_err(OpenJournal::Prepare)?;
        }
        let lock = take_lock(folder)?;
        let (generation, snapshot) = read_snapshot(folder)?;
        let log_path = log_path(folder, generation);
        let bytes = match std::fs::read(&log_path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(failed("read", &log_path, source)),
        };
        let (records, valid) = valid_prefix(&bytes);
        let dropped_bytes = (bytes.len() - valid) as u64;
        if dropped_bytes > 0 {
            warn!(log = %log_path.display(), dropped_bytes, "cut off the log's unfinished tail");
        }
        let log = open_log(&log_path, valid as u64)
            .map_err(|source| failed("open", &log_path, source))?;
        remove_other_logs(folder, generation);
        file::sync_dir(folder).map_err(OpenJournal::Prepare)?;
        let journal = Self {
            folder: folder.to_path_buf(),
            generation,
            log,
            log_bytes: valid as u64,
            broken: false,
            _lock: lock,
        };
        Ok((journal, Recovered { snapshot, records, dropped_bytes }))
    }

    /// What the journal in `folder` holds, whoever has it open: nothing is locked, created or cut
    /// off. Without a journal there is nothing.
    pub fn look(folder: &Path) -> Result<Recovered, OpenJournal> {
        loop {
            let (generation, snapshot) = read_snapshot(folder)?;
            let log_path = log_path(folder, generation);
            let bytes = match std::fs::read(&log_path) {
                Ok(bytes) => bytes,
                // Its owner has replaced it by a snapshot meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if read_snapshot(folder)?.0 != generation {
                        continue;
                    }
                    Vec::new()
                }
                Err(source) => return Err(failed("read", &log_path, source)),
            };
            let (records, valid) = valid_prefix(&bytes);
            let dropped_bytes = (bytes.len() - valid) as u64;
            return Ok(Recovered { snapshot, records, dropped_bytes });
        }
    }

    /// Adds a record. It survives a power cut only after [`Self::sync`].
    pub fn append(&mut self, record: &[u8]) -> Result<(), WriteJournal> {
        self.check()?;
        let header = record::header(record).ok_or(WriteJournal::TooLong { bytes: record.len() })?;
        let written = self.log.write_all(&header).and_then(|()| self.log.write_all(record));
        self.settle("append to", written)?;
        self.log_bytes += (header.len() + record.len()) as u64;
        Ok(())
    }

    /// Makes all appended records durable: when this returns, no power cut loses them.
    pub fn sync(&mut self) -> Result<(), WriteJournal> {
        self.check()?;
        let synced = self.log.flush().and_then(|()| self.log.get_ref().sync_data());
        self.settle("sync", synced)
    }

    /// Replaces everything by `state`: durable when this returns, and the log is empty.
    pub fn snapshot(&mut self, state: &[u8]) -> Result<(), WriteJournal> {
        self.check()?;
        let next = self.generation + 1;
        let bytes =
            encode_snapshot(next, state).ok_or(WriteJournal::TooLong { bytes: state.len() })?;
        // The new log first: once the snapshot is in place every append must go there.
        let path = log_path(&self.folder, next);
        let log = open_log(&path, 0).map_err(|source| self.log_error("create", source))?;
        // Records that are not flushed belong to the old log, which the snapshot replaces.
        if let Err(error) = file::write_atomically(&snapshot_path(&self.folder), &bytes, MODE) {
            // Whether the rename took place is unknown: appending to either log may be wrong.
            self.broken = true;
            return Err(WriteJournal::Snapshot(error));
        }
        let old = std::mem::replace(&mut self.log, log);
        drop(old.into_parts());
        let old_path = log_path(&self.folder, self.generation);
        if let Err(error) = std::fs::remove_file(&old_path) {
            warn!(log = %old_path.display(), %error, "the replaced log stays until the next start");
        }
        self.generation = next;
        self.log_bytes = 0;
        Ok(())
    }

    /// The length of the log in bytes, also what is not synced: the owner takes a snapshot when
    /// it grows too long.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    fn check(&self) -> Result<(), WriteJournal> {
        if self.broken {
            return Err(WriteJournal::Broken { folder: self.folder.clone() });
        }
        Ok(())
    }

    fn settle(&mut self, action: &'static str, done: io::Result<()>) -> Result<(), WriteJournal> {
        done.map_err(|source| {
            self.broken = true;
            self.log_error(action, source)
        })
    }

    fn log_error(&self, action: &'static str, source: io::Error) -> WriteJournal {
        WriteJournal::Log { action, folder: self.folder.clone(), source }
    }
}

fn snapshot_path(folder: &Path) -> PathBuf {
    folder.join("snapshot")
}

fn log_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("log.{generation}"))
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> OpenJournal {
    OpenJournal::Io { action, path: path.to_path_buf(), source }
}

fn take_lock(folder: &Path) -> Result<File, OpenJournal> {
    let path = folder.join("lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .open(&path)
        .map_err(|source| failed("open", &path, source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenJournal::InUse { folder: folder.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(failed("lock", &path, source)),
    }
}

/// Opens a log for appending after its first `valid` bytes and cuts off what follows them.
fn open_log(path: &Path, valid: u64) -> io::Result<BufWriter<File>> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    if file.metadata()?.len() != valid {
        file.set_len(valid)?;
        file.sync_all()?;
    }
    Ok(BufWriter::new(file))
}

/// Logs of other generations were replaced by a snapshot, or never came into force.
fn remove_other_logs(folder: &Path, generation: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let current = log_path(folder, generation);
    for entry in entries.flatten() {
        let path = entry.path();
        let is_log = entry.file_name().to_string_lossy().starts_with("log.");
        if is_log && path != current {
            // A file that stays does no harm: its generation is never read.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn encode_snapshot(generation: u64, state: &[u8]) -> Option<Vec<u8>> {
    let mut payload = Vec::with_capacity(8 + state.len());
    payload.extend_from_slice(&generation.to_le_bytes());
    payload.extend_from_slice(state);
    let header = record::header(&payload)?;
    Some([SNAPSHOT_MAGIC.as_slice(), &header, &payload].concat())
}

fn decode_snapshot(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    let record = bytes.strip_prefix(SNAPSHOT_MAGIC.as_slice())?;
    let (payload, rest) = record::split(record)?;
    let (generation, state) = payload.split_first_chunk::<8>()?;
    rest.is_empty().then(|| (u64::from_le_bytes(*generation), state.to_vec()))
}

fn read_snapshot(folder: &Path) -> Result<(u64, Option<Vec<u8>>), OpenJournal> {
    let path = snapshot_path(folder);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, None)),
        Err(source) => return Err(failed("read", &path, source)),
    };
    let (generation, state) =
        decode_snapshot(&bytes).ok_or(OpenJournal::DamagedSnapshot { path })?;
    Ok((generation, Some(state)))
}

/// The records at the front and how many bytes they take.
fn valid_prefix(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((payload, after)) = record::split(rest) {
        records.push(payload.to_vec());
        rest = after;
    }
    (records, bytes.len() - rest.len())
}

#[cfg(test)]
mod tests;
