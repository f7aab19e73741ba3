//! A durable queue: numbered items that stay until they are removed, mostly oldest first.
//!
//! The items are in segment files, to which additions and removals are appended; a segment is
//! deleted once everything in it and in the segments before it was removed, so that the disk holds
//! little more than what waits. After opening, all items are there that were added before the last
//! [`Queue::sync`] that returned and not removed. A removal that was not synced may be forgotten:
//! the item comes back, as in any at-least-once delivery.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use marram_os::file;
use marram_os::storage::{DiskLock, OsDisk};
use tracing::warn;

use crate::health::Health;
use crate::journal::{OpenJournal, WriteJournal, failed, take_lock};
use crate::record;

const MODE: u32 = 0o600;
/// A segment that has grown past this gets no more additions.
const SEGMENT_BYTES: u64 = 1024 * 1024;
const PREFIX: &str = "segment.";
const ADDED: u8 = b'A';
const REMOVED: u8 = b'R';

/// An open queue. One process at a time may hold it.
#[derive(Debug)]
pub struct Queue {
    folder: PathBuf,
    /// Oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    /// Which segment an item is in.
    places: BTreeMap<u64, u64>,
    writer: BufWriter<File>,
    written: u64,
    health: Health,
    _lock: DiskLock,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    items: BTreeSet<u64>,
}

/// An item that was in the queue when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedItem {
    /// Its number.
    pub id: u64,
    /// What was added.
    pub payload: Vec<u8>,
}

impl Queue {
    /// Opens the queue in `folder`, which is created with mode 0700 where it is missing, and
    /// returns what waits there, by number. What is torn or damaged at the end of a segment is
    /// left out.
    pub fn open(folder: &Path) -> Result<(Self, Vec<QueuedItem>), OpenJournal> {
        if !folder.is_dir() {
            file::create_dir_all_mode(folder, 0o700).map_err(OpenJournal::Prepare)?;
        }
        let lock = take_lock(&OsDisk, folder)?;
        let mut items = BTreeMap::new();
        let mut places = BTreeMap::new();
        let numbers = segment_numbers(folder)?;
        for &number in &numbers {
            read_segment(folder, number, &mut items, &mut places)?;
        }
        let mut segments: VecDeque<Segment> =
            numbers.iter().map(|&number| Segment { number, items: BTreeSet::new() }).collect();
        for segment in &mut segments {
            let own = places.iter().filter(|(_, place)| **place == segment.number);
            segment.items = own.map(|(id, _)| *id).collect();
        }
        let next = numbers.last().map_or(0, |last| last + 1);
        let writer = create_segment(folder, next)?;
        segments.push_back(Segment { number: next, items: BTreeSet::new() });
        let (health, folder) = (Health::of(folder), folder.to_owned());
        let mut queue = Self { folder, segments, places, writer, written: 0, health, _lock: lock };
        queue.delete_empty();
        let items = items.into_iter().map(|(id, payload)| QueuedItem { id, payload }).collect();
        Ok((queue, items))
    }

    /// Adds an item. It survives a power cut only after [`Self::sync`].
    pub fn add(&mut self, id: u64, payload: &[u8]) -> Result<(), WriteJournal> {
        if self.written > SEGMENT_BYTES {
            self.begin_segment()?;
        }
        let mut entry = Vec::with_capacity(9 + payload.len());
        entry.push(ADDED);
        entry.extend_from_slice(&id.to_le_bytes());
        entry.extend_from_slice(payload);
        self.append(&entry)?;
        if let Some(segment) = self.segments.back_mut() {
            segment.items.insert(id);
            self.places.insert(id, segment.number);
        }
        Ok(())
    }

    /// Whether an item was added and not removed.
    pub fn contains(&self, id: u64) -> bool {
        self.places.contains_key(&id)
    }

    /// Removes an item; one that is not there is none.
    pub fn remove(&mut self, id: u64) -> Result<(), WriteJournal> {
        let Some(number) = self.places.remove(&id) else { return Ok(()) };
        let mut entry = vec![REMOVED];
        entry.extend_from_slice(&id.to_le_bytes());
        self.append(&entry)?;
        let segment = self.segments.iter_mut().find(|segment| segment.number == number);
        if let Some(segment) = segment {
            segment.items.remove(&id);
        }
        self.delete_empty();
        Ok(())
    }

    /// Makes everything durable that was added before.
    pub fn sync(&mut self) -> Result<(), WriteJournal> {
        self.health.check()?;
        let synced = self.writer.flush().and_then(|()| self.writer.get_ref().sync_data());
        self.health.settle("sync", synced)
    }

    /// Hands everything to the operating system, where it survives the end of this process.
    pub fn flush(&mut self) -> Result<(), WriteJournal> {
        self.health.check()?;
        let flushed = self.writer.flush();
        self.health.settle("write", flushed)
    }

    fn append(&mut self, entry: &[u8]) -> Result<(), WriteJournal> {
        self.health.check()?;
        let header = record::header(entry).ok_or(WriteJournal::TooLong { bytes: entry.len() })?;
        let written = self.writer.write_all(&header).and_then(|()| self.writer.write_all(entry));
        self.health.settle("append to", written)?;
        self.written += (header.len() + entry.len()) as u64;
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), WriteJournal> {
        self.sync()?;
        let number = self.segments.back().map_or(0, |last| last.number + 1);
        match create_segment(&self.folder, number) {
            Ok(writer) => self.writer = writer,
            Err(OpenJournal::Io { source, .. }) => return self.health.settle("begin", Err(source)),
            Err(error) => return self.health.settle("begin", Err(io::Error::other(error))),
        }
        self.segments.push_back(Segment { number, items: BTreeSet::new() });
        self.written = 0;
        Ok(())
    }

    /// Deletes empty segments from the oldest on, but for the one that is written to. In that
    /// order a removal is never deleted before what it removes.
    fn delete_empty(&mut self) {
        while self.segments.len() > 1 && self.segments[0].items.is_empty() {
            let Some(segment) = self.segments.pop_front() else { return };
            let path = segment_path(&self.folder, segment.number);
            if let Err(error) = std::fs::remove_file(&path) {
                warn!(segment = %path.display(), %error, "an empty segment stays until the next start");
            }
        }
    }
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number}"))
}

fn segment_numbers(folder: &Path) -> Result<Vec<u64>, OpenJournal> {
    let entries = std::fs::read_dir(folder).map_err(|source| failed("read", folder, source))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| failed("read", folder, source))?;
        let name = entry.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn create_segment(folder: &Path, number: u64) -> Result<BufWriter<File>, OpenJournal> {
    let path = segment_path(folder, number);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(&path)
        .map_err(|source| failed("create", &path, source))?;
    file::sync_dir(folder).map_err(OpenJournal::Prepare)?;
    Ok(BufWriter::new(file))
}

fn read_segment(
    folder: &Path,
    number: u64,
    items: &mut BTreeMap<u64, Vec<u8>>,
    places: &mut BTreeMap<u64, u64>,
) -> Result<(), OpenJournal> {
    let path = segment_path(folder, number);
    let bytes = std::fs::read(&path).map_err(|source| failed("read", &path, source))?;
    let mut rest = bytes.as_slice();
    while let Some((entry, after)) = record::split(rest) {
        rest = after;
        match entry.split_first().and_then(|(kind, entry)| Some((kind, entry.split_first_chunk()?)))
        {
            Some((&ADDED, (id, payload))) => {
                let id = u64::from_le_bytes(*id);
                items.insert(id, payload.to_vec());
                places.insert(id, number);
            }
            Some((&REMOVED, (id, _))) => {
                let id = u64::from_le_bytes(*id);
                items.remove(&id);
                places.remove(&id);
            }
            _ => break,
        }
    }
    if !rest.is_empty() {
        warn!(segment = %path.display(), bytes = rest.len(), "left out a segment's unfinished tail");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
