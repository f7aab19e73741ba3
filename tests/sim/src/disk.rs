//! A disk in memory that forgets what was not synced.
//!
//! Stricter than the file systems that devices have: a file's content survives a power cut only
//! after the file was synced, its name only after its folder was, and of everything else any part
//! may survive, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::TryLockError;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marram_os::storage::{DirectoryEntry, Disk, DiskFile, DiskLock};
use tokio::sync::Notify;

use crate::random::Random;

/// What is kept or lost together when a file is torn.
const SECTOR: usize = 512;

/// The disk; clones are the same.
#[derive(Debug, Clone)]
pub struct VirtualDisk(Arc<Mutex<State>>);

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing can be added.
    Full,
    /// Nothing can be changed.
    ReadOnly,
}

#[derive(Debug, Default)]
struct State {
    now: Names,
    kept: Names,
    /// Changes of names that are not synced, in their order.
    unsynced: Vec<Rename>,
    files: Vec<File>,
    locks: BTreeSet<PathBuf>,
    writes: u64,
    cut_at: Option<u64>,
    is_cut: bool,
    cut: Arc<Notify>,
    cut_in_log: bool,
    trouble: Option<Trouble>,
    /// Parts of the path of the device's root, which is always there.
    base: usize,
    lies: bool,
}

#[derive(Debug, Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone)]
enum Rename {
    File(PathBuf, usize),
    Folder(PathBuf),
    Move(PathBuf, PathBuf, usize),
    Gone(PathBuf),
}

#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    kept: Vec<u8>,
}

impl Rename {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) | Self::Folder(path) | Self::Gone(path) => path.parent(),
            Self::Move(_, to, _) => to.parent(),
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::File(path, file) => {
                names.files.insert(path.clone(), *file);
            }
            Self::Folder(path) => {
                names.folders.insert(path.clone());
            }
            Self::Move(from, to, file) => {
                names.files.remove(from);
                names.files.insert(to.clone(), *file);
            }
            Self::Gone(path) => {
                names.files.retain(|name, _| !name.starts_with(path));
                names.folders.retain(|name| !name.starts_with(path));
            }
        }
    }
}

impl State {
    /// Before each change: the power may end here.
    fn write(&mut self, adds: bool) -> io::Result<()> {
        if self.is_cut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.writes += 1;
        if self.cut_at == Some(self.writes) {
            self.is_cut = true;
            self.cut.notify_one();
            return Err(ErrorKind::BrokenPipe.into());
        }
        match self.trouble {
            Some(Trouble::Full) if adds => Err(ErrorKind::StorageFull.into()),
            Some(Trouble::ReadOnly) => Err(ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }

    fn rename(&mut self, rename: Rename) {
        rename.apply(&mut self.now);
        self.unsynced.push(rename);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.now.files.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl VirtualDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty disk with nothing but the folder `root`. One that lies says that it has synced, and
    /// has not: what the simulation must notice.
    pub fn new(root: &Path, lies: bool) -> Self {
        let base = root.components().count();
        Self(Arc::new(Mutex::new(State { base, lies, ..State::default() })))
    }

    /// Cuts the power at the write after so many more.
    pub fn cut_after(&self, writes: u64) {
        let mut state = self.state();
        state.cut_at = Some(state.writes + writes.max(1));
    }

    /// Waits until the power is cut.
    pub async fn cut(&self) {
        let cut = Arc::clone(&self.state().cut);
        while !self.is_cut() {
            cut.notified().await;
        }
    }

    /// Whether the power is cut.
    pub fn is_cut(&self) -> bool {
        self.state().is_cut
    }

    /// Whether the power was cut while a record was on its way to the log: it is there, or not.
    pub fn is_cut_in_log(&self) -> bool {
        self.state().cut_in_log
    }

    /// How often it was written to.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// What is wrong from now on.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.state().trouble = trouble;
    }

    /// The power comes back: what was not synced is lost, torn or kept, as it happens.
    pub fn power_on(&self, random: &mut Random) {
        let mut state = self.state();
        let renames = std::mem::take(&mut state.unsynced);
        let keeps = random.below(3);
        let prefix = random.below(renames.len() as u64 + 1) as usize;
        for (place, rename) in renames.iter().enumerate() {
            let survives = match keeps {
                0 => false,
                1 => place < prefix,
                _ => random.percent(50),
            };
            if survives {
                rename.apply(&mut state.kept);
            }
        }
        let folders = state.kept.folders.clone();
        let is_reachable = |path: &Path| {
            let mut above = path.ancestors().skip(1);
            above.all(|above| above.components().count() <= state.base || folders.contains(above))
        };
        let mut kept = state.kept.clone();
        kept.files.retain(|path, _| is_reachable(path));
        kept.folders.retain(|path| is_reachable(path));
        for file in &mut state.files {
            let torn = torn(file, random);
            *file = File { now: torn.clone(), kept: torn };
        }
        state.kept = kept.clone();
        state.now = kept;
        state.locks.clear();
        state.cut_at = None;
        state.is_cut = false;
        state.cut_in_log = false;
    }
}

fn torn(file: &File, random: &mut Random) -> Vec<u8> {
    if file.now == file.kept || random.percent(30) {
        return file.kept.clone();
    }
    let (shorter, longer) =
        (file.kept.len().min(file.now.len()), file.kept.len().max(file.now.len()));
    let length = shorter + random.below((longer - shorter) as u64 + 1) as usize;
    let mut bytes: Vec<u8> =
        (0..length).map(|at| file.kept.get(at).copied().unwrap_or(0)).collect();
    for (place, sector) in bytes.chunks_mut(SECTOR).enumerate() {
        if random.percent(60) {
            let begin = place * SECTOR;
            for (offset, byte) in sector.iter_mut().enumerate() {
                *byte = file.now.get(begin + offset).copied().unwrap_or(*byte);
            }
        }
    }
    bytes
}

impl Disk for VirtualDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        Ok(state.files[state.file(path)?].now.clone())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        state.now.files.contains_key(path) || state.now.folders.contains(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let state = self.state();
        if !state.now.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let files = state.now.files.iter().filter(|(path, _)| path.parent() == Some(folder));
        let entry = |(path, file): (&PathBuf, &usize)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, state.files[*file].now.len() as u64)
        };
        Ok(files.map(entry).collect())
    }

    fn create_new(&self, path: &Path, _: u32) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.write(true)?;
        if state.now.files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|folder| state.now.folders.contains(folder)) {
            return Err(ErrorKind::NotFound.into());
        }
        state.files.push(File::default());
        let file = state.files.len() - 1;
        state.rename(Rename::File(path.to_owned(), file));
        Ok(Box::new(Open { disk: self.clone(), file, is_log: is_log(path) }))
    }

    fn open_append(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let found = self.state().file(path);
        match found {
            Ok(file) => Ok(Box::new(Open { disk: self.clone(), file, is_log: is_log(path) })),
            Err(_) => self.create_new(path, mode),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.write(false)?;
        let file = state.file(from)?;
        state.rename(Rename::Move(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(path)?;
        state.write(false)?;
        state.rename(Rename::Gone(path.to_owned()));
        Ok(())
    }

    fn create_folder(&self, folder: &Path, _: u32) -> io::Result<()> {
        let missing: Vec<PathBuf> = {
            let state = self.state();
            let above = folder.ancestors().filter(|path| path.components().count() > state.base);
            above.filter(|path| !state.now.folders.contains(*path)).map(Path::to_owned).collect()
        };
        for path in missing.into_iter().rev() {
            let mut state = self.state();
            state.write(true)?;
            state.rename(Rename::Folder(path));
        }
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.write(false)?;
        state.rename(Rename::Gone(folder.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.write(false)?;
        if state.lies {
            return Ok(());
        }
        let (synced, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut state.unsynced)
            .into_iter()
            .partition(|rename| rename.folder() == Some(folder));
        state.unsynced = rest;
        for rename in synced {
            rename.apply(&mut state.kept);
        }
        Ok(())
    }

    fn lock(&self, path: &Path, _: u32) -> Result<DiskLock, TryLockError> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned() }))
    }
}

struct Lock {
    disk: VirtualDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct Open {
    disk: VirtualDisk,
    file: usize,
    is_log: bool,
}

fn is_log(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log."))
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let written = state.write(true);
        state.cut_in_log |= state.is_cut && self.is_log;
        if !state.is_cut {
            written?;
            state.files[self.file].now.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        // Of a write that the power cut interrupts, any part may arrive.
        state.files[self.file].now.extend_from_slice(bytes);
        written.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for Open {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].now.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.write(false)?;
        state.files[self.file].now.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let ready = state.write(false);
        state.cut_in_log |= state.is_cut && self.is_log;
        ready?;
        if !state.lies {
            let file = &mut state.files[self.file];
            file.kept = file.now.clone();
        }
        Ok(())
    }
}
