//! Reads what a journal holds, also when files are damaged.
//!
//! A power cut can only tear the end of the newest log, or leave a log that is not in force yet.
//! Anything else is damage: a bad disk, or somebody's hand. A damaged snapshot costs nothing, since
//! the one before it and that one's log are kept and say the same. A damaged record costs what
//! follows it. Only when a state cannot be told at all is the journal refused.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use marram_os::storage::Disk;

use super::{OpenJournal, SNAPSHOT_MAGIC, failed, log_path, old_snapshot_path, snapshot_path};
use crate::record;

/// A file that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What it costs.
    pub cost: Cost,
}

/// What a damaged file costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: it was made again from the state before it and that one's log.
    Nothing,
    /// What was written since the last snapshot, because the log is not there.
    Log,
    /// What was written after a damaged record.
    After {
        /// Where the damaged record begins in the file.
        offset: u64,
        /// From there to the end.
        bytes: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.cost {
            Cost::Nothing => {
                write!(f, "`{path}` was damaged or missing; nothing is lost, it was made again")
            }
            Cost::Log => {
                write!(f, "`{path}` is missing: the changes since the last snapshot are lost")
            }
            Cost::After { offset, bytes } => write!(
                f,
                "`{path}` is damaged at byte {offset}: the {bytes} bytes of changes from there on \
                 are lost"
            ),
        }
    }
}

/// What the files say.
#[derive(Debug)]
pub(super) struct Found {
    /// Of the log that is written on.
    pub(super) generation: u64,
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) records: Vec<Vec<u8>>,
    /// The length of the undamaged part of the log that is written on.
    pub(super) valid_bytes: u64,
    /// What follows it.
    pub(super) dropped_bytes: u64,
    pub(super) damage: Vec<Damage>,
}

/// A snapshot file.
enum Snapshot {
    Absent,
    Damaged,
    Whole { generation: u64, state: Vec<u8> },
}

/// Reads the journal in `folder`; nothing is changed.
pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<Found, OpenJournal> {
    let path = snapshot_path(folder);
    match read_snapshot(disk, &path)? {
        Snapshot::Whole { generation, state } => {
            Found::new(generation, Some(state)).log(disk, folder)
        }
        Snapshot::Absent if !has_newer_log(disk, folder)? => Found::new(0, None).log(disk, folder),
        Snapshot::Absent | Snapshot::Damaged => read_previous(disk, folder, path),
    }
}

/// The state of the snapshot at `path`, which cannot be read, from the snapshot before it.
fn read_previous(disk: &dyn Disk, folder: &Path, path: PathBuf) -> Result<Found, OpenJournal> {
    let (generation, state) = match read_snapshot(disk, &old_snapshot_path(folder))? {
        Snapshot::Whole { generation, state } => (generation, Some(state)),
        // The first snapshot has only a log before it.
        Snapshot::Absent => (0, None),
        Snapshot::Damaged => return Err(OpenJournal::DamagedSnapshot { path }),
    };
    let mut found = Found::new(generation + 1, state);
    let Some(bytes) = read_log(disk, folder, generation)? else {
        return Err(OpenJournal::DamagedSnapshot { path });
    };
    let (records, valid) = valid_prefix(&bytes);
    if valid < bytes.len() {
        return Err(OpenJournal::DamagedSnapshot { path });
    }
    found.records = records;
    found.damage.push(Damage { path, cost: Cost::Nothing });
    found.log(disk, folder)
}

impl Found {
    fn new(generation: u64, snapshot: Option<Vec<u8>>) -> Self {
        Self {
            generation,
            snapshot,
            records: Vec::new(),
            valid_bytes: 0,
            dropped_bytes: 0,
            damage: Vec::new(),
        }
    }

    /// Adds what the log that is written on says.
    fn log(mut self, disk: &dyn Disk, folder: &Path) -> Result<Self, OpenJournal> {
        let path = log_path(folder, self.generation);
        let Some(bytes) = read_log(disk, folder, self.generation)? else {
            // A log is made before its snapshot; only the very first may still have to come.
            if self.generation > 0 {
                self.damage.push(Damage { path, cost: Cost::Log });
            }
            return Ok(self);
        };
        let (records, valid) = valid_prefix(&bytes);
        self.records.extend(records);
        self.valid_bytes = valid as u64;
        self.dropped_bytes = (bytes.len() - valid) as u64;
        if has_record(&bytes[valid..]) {
            let cost = Cost::After { offset: self.valid_bytes, bytes: self.dropped_bytes };
            self.damage.push(Damage { path, cost });
        }
        Ok(self)
    }
}

fn read_log(
    disk: &dyn Disk,
    folder: &Path,
    generation: u64,
) -> Result<Option<Vec<u8>>, OpenJournal> {
    read_file(disk, &log_path(folder, generation))
}

fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, OpenJournal> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path, source)),
    }
}

fn read_snapshot(disk: &dyn Disk, path: &Path) -> Result<Snapshot, OpenJournal> {
    let Some(bytes) = read_file(disk, path)? else { return Ok(Snapshot::Absent) };
    Ok(match decode_snapshot(&bytes) {
        Some((generation, state)) => Snapshot::Whole { generation, state },
        None => Snapshot::Damaged,
    })
}

fn decode_snapshot(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    let record = bytes.strip_prefix(SNAPSHOT_MAGIC.as_slice())?;
    let (payload, rest) = record::split(record)?;
    let (generation, state) = payload.split_first_chunk::<8>()?;
    rest.is_empty().then(|| (u64::from_le_bytes(*generation), state.to_vec()))
}

/// Whether there is a log that only a snapshot can have brought into force: a log is empty until
/// its snapshot is in place.
fn has_newer_log(disk: &dyn Disk, folder: &Path) -> Result<bool, OpenJournal> {
    let entries = match disk.list(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed("list", folder, source)),
    };
    let mut has_first = false;
    let (mut has_later, mut has_written) = (false, false);
    for (name, length) in entries {
        let Some(generation) = generation_of(&name) else { continue };
        let is_written = length > 0;
        has_first |= generation == 0;
        has_later |= generation > 0;
        has_written |= generation > 0 && is_written;
    }
    Ok(has_written || (has_later && !has_first))
}

/// The generation of the log with this file name.
pub(super) fn generation_of(name: &str) -> Option<u64> {
    name.strip_prefix("log.")?.parse().ok()
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

/// Whether a whole record lies somewhere in what follows a bad one. Records are synced one after
/// the other, so a power cut leaves none behind the one that it tears.
fn has_record(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|start| record::split(&bytes[start..]).is_some())
}
