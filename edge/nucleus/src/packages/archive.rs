//! Unpacks ZIP archives within bounds.
//!
//! An archive comes from a component's author, not from us: it may not write outside its folder,
//! not make links, and not fill the disk. What it declares of its sizes is not believed; what
//! comes out is counted.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use marram_os::file::{WriteFile, create_dir_all_mode, set_mode};
use zip::ZipArchive;
use zip::result::ZipError;

use super::OPEN_FOLDER;
use super::blocking::Cancelled;

/// More entries than any component has files.
const MAX_ENTRIES: usize = 100_000;
/// The most that each packed byte may become. Text compresses by 10, deflate ends at 1032.
const MAX_RATIO: u64 = 200;
/// Small archives of zeroes do no harm.
const RATIO_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Unarchive {
    /// It is no ZIP file, or damaged.
    #[error("the archive cannot be read: check that it is a ZIP file")]
    Read(#[source] ZipError),
    /// An entry's name leads out of the folder.
    #[error("the archive has an entry `{0}` outside its folder: pack it again without")]
    Escapes(String),
    /// Too many entries.
    #[error("the archive has {0} entries: pack at most {MAX_ENTRIES}")]
    TooMany(usize),
    /// It becomes larger than it may.
    #[error(
        "the archive unpacks to more than {limit} bytes: pack less, make room, or raise \
             componentStoreMaxSizeBytes"
    )]
    TooLarge {
        /// The bound, from the disk, the store and the archive's size.
        limit: u64,
    },
    /// The disk refused.
    #[error("the archive's files cannot be written")]
    Write(#[source] io::Error),
    /// The disk refused.
    #[error("the archive's files cannot be written")]
    WriteFile(#[source] WriteFile),
}

impl From<io::Error> for Unarchive {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Unpacks `archive` into the empty folder `into`, at most `room` bytes, readable by everybody.
/// Blocks on the disk until it is done.
pub fn unpack_archive(archive: &Path, into: &Path, room: u64) -> Result<(), Unarchive> {
    unpack(archive, into, 0o644, room, &Cancelled::default())
}

/// Unpacks `archive` into the folder `into`, which must be empty. Each file gets `mode`; links
/// become files with their target as text. Blocks on the disk.
pub(super) fn unpack(
    archive: &Path,
    into: &Path,
    mode: u32,
    room: u64,
    cancelled: &Cancelled,
) -> Result<(), Unarchive> {
    let file = File::open(archive)?;
    let limit = room.min(RATIO_FREE_BYTES.max(file.metadata()?.len().saturating_mul(MAX_RATIO)));
    let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(Unarchive::Read)?;
    if zip.len() > MAX_ENTRIES {
        return Err(Unarchive::TooMany(zip.len()));
    }
    let mut left = limit;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(Unarchive::Read)?;
        let Some(path) = entry.enclosed_name().map(|name| into.join(name)) else {
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            return Err(Unarchive::Escapes(name));
        };
        if entry.is_dir() {
            create_dir_all_mode(&path, OPEN_FOLDER).map_err(Unarchive::WriteFile)?;
            continue;
        }
        if let Some(folder) = path.parent() {
            make_folders(into, folder)?;
        }
        left = write_entry(&mut entry, &path, left, cancelled)?
            .ok_or(Unarchive::TooLarge { limit })?;
        set_mode(&path, mode).map_err(Unarchive::WriteFile)?;
    }
    Ok(())
}

/// Makes the folders between `root` and `folder`, each with the mode of open folders whatever
/// the umask.
fn make_folders(root: &Path, folder: &Path) -> Result<(), Unarchive> {
    let between: Vec<PathBuf> =
        folder.ancestors().take_while(|f| *f != root).map(Path::to_owned).collect();
    for folder in between.into_iter().rev() {
        if !folder.is_dir() {
            create_dir_all_mode(&folder, OPEN_FOLDER).map_err(Unarchive::WriteFile)?;
        }
    }
    Ok(())
}

/// What is left of `left` bytes afterwards, `None` if they do not do.
fn write_entry(
    entry: &mut impl Read,
    path: &Path,
    mut left: u64,
    cancelled: &Cancelled,
) -> Result<Option<u64>, Unarchive> {
    // An archive may name a file twice; as with other tools the later one stays.
    let _ = std::fs::remove_file(path);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        cancelled.check()?;
        let read = entry.read(&mut buffer).map_err(|e| Unarchive::Read(ZipError::Io(e)))?;
        if read == 0 {
            file.sync_data()?;
            return Ok(Some(left));
        }
        match left.checked_sub(read as u64) {
            Some(rest) => left = rest,
            None => return Ok(None),
        }
        file.write_all(&buffer[..read])?;
    }
}

#[cfg(test)]
mod tests;
