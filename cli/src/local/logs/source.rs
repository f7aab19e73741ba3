//! The lines of one log: its rotated files one after the other, and then what is still written.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A longer line is cut in pieces, so that a broken log cannot fill the memory.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// Reads one log.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    reader: BufReader<File>,
    /// A line whose end is not written yet.
    partial: Vec<u8>,
    later: VecDeque<PathBuf>,
    /// Whether the last file may still grow.
    follows: bool,
}

impl Source {
    /// Opens the files of one log, the oldest first. `None` if there are none.
    pub(super) fn open(files: Vec<PathBuf>, follows: bool) -> Result<Option<Self>> {
        let mut later = VecDeque::from(files);
        let Some(path) = later.pop_front() else { return Ok(None) };
        let reader = open(&path)?;
        Ok(Some(Self { path, reader, partial: Vec::new(), later, follows }))
    }

    /// The file that is read now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line, without its end; `None` where there is none, or none yet.
    pub(super) fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            let room = MAX_LINE_BYTES.saturating_sub(self.partial.len() as u64);
            let mut limited = (&mut self.reader).take(room);
            limited
                .read_until(b'\n', &mut self.partial)
                .with_context(|| format!("reading {}", self.path.display()))?;
            let is_whole = self.partial.ends_with(b"\n");
            if is_whole || self.partial.len() as u64 >= MAX_LINE_BYTES {
                return Ok(Some(self.take_line()));
            }
            let may_grow = self.later.is_empty() && self.follows && !self.was_replaced()?;
            if may_grow {
                return Ok(None);
            }
            if !self.partial.is_empty() {
                return Ok(Some(self.take_line()));
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    fn take_line(&mut self) -> String {
        let bytes = std::mem::take(&mut self.partial);
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
    }

    /// The next file; of a log that is followed, the one that took the place of the last.
    fn open_next(&mut self) -> Result<bool> {
        if let Some(next) = self.later.pop_front() {
            self.path = next;
        } else if !self.follows {
            return Ok(false);
        }
        self.reader = open(&self.path)?;
        Ok(true)
    }

    /// Whether another file has our file's name by now. One that was cut short is begun anew.
    fn was_replaced(&mut self) -> Result<bool> {
        // Between the two steps of a rotation the name has no file.
        let Ok(there) = fs::metadata(&self.path) else { return Ok(false) };
        let reader = &mut self.reader;
        is_other_file(reader, &there).with_context(|| format!("reading {}", self.path.display()))
    }
}

fn is_other_file(reader: &mut BufReader<File>, there: &fs::Metadata) -> io::Result<bool> {
    let ours = reader.get_ref().metadata()?;
    let is_other = (ours.dev(), ours.ino()) != (there.dev(), there.ino());
    if !is_other && reader.stream_position()? > ours.len() {
        reader.seek(SeekFrom::Start(0))?;
    }
    Ok(is_other)
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(BufReader::new(file))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_are_read_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "1\r\n2\n").unwrap();
        fs::write(&new, b"3\n\xff").unwrap();
        let mut source = Source::open(vec![old, new], false).unwrap().unwrap();
        let lines: Vec<String> = std::iter::from_fn(|| source.next_line().unwrap()).collect();
        assert_eq!(lines, ["1", "2", "3", "\u{fffd}"]);
    }

    #[test]
    fn a_followed_log_is_followed_over_its_rotation_and_never_in_half_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\nha").unwrap();
        let mut source = Source::open(vec![path.clone()], true).unwrap().unwrap();
        assert_eq!(source.next_line().unwrap().unwrap(), "one");
        assert_eq!(source.next_line().unwrap(), None);
        file.write_all(b"lf\n").unwrap();
        assert_eq!(source.next_line().unwrap().unwrap(), "half");
        fs::rename(&path, folder.path().join("a_2026_01_01_00_0.log")).unwrap();
        assert_eq!(source.next_line().unwrap(), None);
        fs::write(&path, "two\n").unwrap();
        assert_eq!(source.next_line().unwrap().unwrap(), "two");
        assert_eq!(source.next_line().unwrap(), None);
    }
}
