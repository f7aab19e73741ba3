//! The disk under what must not be forgotten: a trait, so that the fault simulation can put its own
//! disk under the device's journal and cut the power between any two writes.
//!
//! It has only what the journal and the rollback snapshot do with files. The operating system's is
//! [`OsDisk`]; nobody else needs another one.

use std::any::Any;
use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::file::set_mode;

/// What a folder of the disk has: the file's name and its length in bytes.
pub type DirectoryEntry = (String, u64);

/// A disk that many owners hold.
pub type SharedDisk = Arc<dyn Disk>;

/// Holds a file's lock until it is dropped.
pub type DiskLock = Box<dyn Any + Send + Sync>;

/// Files and folders, by absolute path.
pub trait Disk: Send + Sync + Debug {
    /// All of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether there is a file or folder.
    fn exists(&self, path: &Path) -> bool;

    /// The files in a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<DirectoryEntry>>;

    /// Makes a file that must not exist, with exactly these permission bits.
    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to write at its end, and makes it where it is missing.
    fn open_append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file; one that has the new name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and those above it where they are missing; the folder itself gets the mode.
    fn create_folder(&self, folder: &Path, mode: u32) -> io::Result<()>;

    /// Removes a folder with all that is in it.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes what was created, renamed or removed in a folder survive a power cut.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Takes the lock of a file, which is made where it is missing.
    fn lock(&self, path: &Path, mode: u32) -> Result<DiskLock, TryLockError>;
}

/// A file that is open for writing.
pub trait DiskFile: Write + Send + Sync + Debug {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts what follows this many bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes what was written survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl OsDisk {
    /// The operating system's disk as everybody takes it.
    pub fn shared() -> SharedDisk {
        Arc::new(Self)
    }
}

impl Disk for OsDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)?.flatten() {
            let length = entry.metadata().map_or(0, |metadata| metadata.len());
            files.push((entry.file_name().to_string_lossy().into_owned(), length));
        }
        Ok(files)
    }

    fn create_new(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        set_mode(path, mode).map_err(|error| error.source)?;
        Ok(Box::new(file))
    }

    fn open_append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).mode(mode).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn create_folder(&self, folder: &Path, mode: u32) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(mode).create(folder)?;
        set_mode(folder, mode).map_err(|error| error.source)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &Path, mode: u32) -> Result<DiskLock, TryLockError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(mode);
        let lock = options.open(path).map_err(TryLockError::Error)?;
        lock.try_lock()?;
        Ok(Box::new(lock))
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
