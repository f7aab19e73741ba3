//! A log file that is put aside when it is full, and old ones removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use marram_os::clock::SharedClock;
use time::OffsetDateTime;

/// Logs are for the operator and for components that ship them; neither need be root.
const MODE: u32 = 0o644;

/// How much a log may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A file that reaches so many KiB is put aside.
    pub file_kb: u64,
    /// All files of one log together stay below so many KiB, except for the one being written.
    pub total_kb: u64,
}

impl Default for Limits {
    /// Greengrass's defaults: 1 MiB and 10 MiB.
    fn default() -> Self {
        Self { file_kb: 1024, total_kb: 10 * 1024 }
    }
}

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("could not open the log `{}`", path.display())]
pub struct OpenLog {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// Writes `NAME.log`; full files become `NAME_yyyy_MM_dd_HH_N.log` beside it.
///
/// One `write` is never split over two files: write whole lines.
#[derive(Debug)]
pub struct SizeRotatingWriter {
    path: PathBuf,
    limits: Limits,
    clock: SharedClock,
    file: File,
    bytes: u64,
}

impl SizeRotatingWriter {
    /// Opens the log to append to it. Its folder must exist.
    pub fn open(
        path: impl Into<PathBuf>,
        limits: Limits,
        clock: SharedClock,
    ) -> Result<Self, OpenLog> {
        let path = path.into();
        let opened = append_to(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((bytes, file)) => Ok(Self { path, limits, clock, file, bytes }),
            Err(source) => Err(OpenLog { path, source }),
        }
    }

    /// From the next write on the log may grow so far.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let stamp = self.stamp();
        let (folder, stem) = folder_and_stem(&self.path);
        // Above all of this hour, also those that are gone from its beginning: names tell the age.
        let of_hour = self.full_files()?.into_iter().filter(|file| file.stamp == stamp);
        let number = of_hour.map(|file| file.number + 1).max().unwrap_or(0);
        let aside = folder.join(format!("{stem}_{stamp}_{number}.log"));
        std::fs::rename(&self.path, aside)?;
        self.file = append_to(&self.path)?;
        self.bytes = 0;
        self.remove_oldest()
    }

    fn stamp(&self) -> String {
        let now = OffsetDateTime::from(self.clock.now());
        let (month, day, hour) = (u8::from(now.month()), now.day(), now.hour());
        format!("{:04}_{month:02}_{day:02}_{hour:02}", now.year())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut full = self.full_files()?;
        full.sort();
        let mut total: u64 = full.iter().map(|file| file.bytes).sum();
        for file in full {
            if total + self.limits.file_kb * 1024 <= self.limits.total_kb * 1024 {
                break;
            }
            std::fs::remove_file(&file.path)?;
            total -= file.bytes;
        }
        Ok(())
    }

    fn full_files(&self) -> io::Result<Vec<FullFile>> {
        let (folder, stem) = folder_and_stem(&self.path);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let order = name.to_str().and_then(|name| rotation_order(name, &stem));
            if let Some((stamp, number)) = order {
                let bytes = entry.metadata()?.len();
                found.push(FullFile { stamp, number, path: entry.path(), bytes });
            }
        }
        Ok(found)
    }
}

impl Write for SizeRotatingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        if self.bytes > 0 && self.bytes + length > self.limits.file_kb * 1024 {
            self.put_aside()?;
        }
        self.file.write_all(bytes)?;
        self.bytes += length;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that was put aside; ordered by age, oldest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FullFile {
    stamp: String,
    number: u32,
    path: PathBuf,
    bytes: u64,
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

fn folder_and_stem(path: &Path) -> (&Path, String) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".log").unwrap_or(&name).to_owned();
    (folder.unwrap_or_else(|| Path::new(".")), stem)
}

/// Hour stamp and number of `STEM_yyyy_MM_dd_HH_N.log`. The stamp's form is checked, so that the
/// log of a component whose name continues this one's is never taken for a full file of it.
fn rotation_order(name: &str, stem: &str) -> Option<(String, u32)> {
    let rest = name.strip_prefix(stem)?.strip_prefix('_')?.strip_suffix(".log")?;
    let (stamp, number) = rest.rsplit_once('_')?;
    let widths: Vec<usize> = stamp.split('_').map(str::len).collect();
    let is_digits = stamp.chars().all(|c| c.is_ascii_digit() || c == '_');
    (widths == [4, 2, 2, 2] && is_digits).then_some(())?;
    Some((stamp.to_owned(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use marram_os::clock::ManualClock;

    use super::*;

    /// 2026-01-02T03:04:05Z.
    const NOW_MS: i64 = 1_767_323_045_000;

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn full_file_is_put_aside_under_its_hour() {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at_ms(NOW_MS);
        let limits = Limits { file_kb: 1, total_kb: 100 };
        let path = dir.path().join("a.log");
        let mut log = SizeRotatingWriter::open(&path, limits, clock.shared()).unwrap();
        log.write_all(&[b'1'; 1000]).unwrap();
        log.write_all(&[b'2'; 1000]).unwrap();
        clock.advance(Duration::from_secs(3600));
        log.write_all(&[b'3'; 1000]).unwrap();
        log.write_all(&[b'4'; 20]).unwrap();
        assert_eq!(files(dir.path()), ["a.log", "a_2026_01_02_03_0.log", "a_2026_01_02_04_0.log"]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1020);
    }

    #[test]
    fn oldest_files_go_when_all_together_are_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { file_kb: 1, total_kb: 3 };
        let clock = ManualClock::at_ms(NOW_MS).shared();
        let stranger = dir.path().join("a_b_2026_01_02_03_0.log");
        std::fs::write(&stranger, [0; 9000]).unwrap();
        let mut log = SizeRotatingWriter::open(dir.path().join("a.log"), limits, clock).unwrap();
        for _ in 0..14 {
            log.write_all(&[b'x'; 1000]).unwrap();
        }
        assert_eq!(
            files(dir.path()),
            [
                "a.log",
                "a_2026_01_02_03_11.log",
                "a_2026_01_02_03_12.log",
                "a_b_2026_01_02_03_0.log"
            ]
        );
    }

    #[test]
    fn reopened_log_is_continued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        for _ in 0..2 {
            let clock = ManualClock::at_ms(NOW_MS).shared();
            let mut log = SizeRotatingWriter::open(&path, Limits::default(), clock).unwrap();
            log.write_all(b"line\n").unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"line\nline\n");
    }
}
