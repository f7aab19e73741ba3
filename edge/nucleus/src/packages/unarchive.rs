//! Puts an unpacked archive in its place, whole or not at all.

use std::path::{Path, PathBuf};

use marram_os::disk::free_bytes;
use marram_os::file::{create_dir_all_mode, sync_dir, write_atomically};
use uuid::Uuid;

use super::archive::unpack;
use super::blocking::Cancelled;
use super::prepare::PrepareArtifact;
use super::{OPEN_FOLDER, UNFINISHED, children, digest, folder_bytes, name_of, remove};

/// An archive and where it belongs.
pub(super) struct Unpacking {
    pub(super) archive: PathBuf,
    /// The component version's folder for unpacked archives; it exists.
    pub(super) root: PathBuf,
    /// The name of the archive's folder in it.
    pub(super) stem: String,
    /// Permission bits of the files.
    pub(super) mode: u32,
    /// The folder whose size is limited, and the limit in bytes.
    pub(super) store: PathBuf,
    pub(super) max_store_bytes: u64,
    /// Bytes of the disk that stay free.
    pub(super) min_free_bytes: u64,
}

impl Unpacking {
    /// Unpacks the archive, unless that archive is unpacked already. Blocks on the disk.
    ///
    /// A marker beside the folder tells which archive it is from. It is written last and removed
    /// first, so that a folder with a marker is complete.
    pub(super) fn run(&self, cancelled: &Cancelled) -> Result<(), PrepareArtifact> {
        let folder = self.root.join(&self.stem);
        let marker = self.root.join(format!(".unpacked-{}", self.stem));
        let identity = digest::of_file(&self.archive, &ring::digest::SHA256, cancelled)
            .map_err(|source| PrepareArtifact::io("read", &self.archive, source))?;
        if folder.is_dir() && std::fs::read(&marker).is_ok_and(|is| is == identity.as_bytes()) {
            return Ok(());
        }
        remove(&marker).map_err(PrepareArtifact::CleanUp)?;
        self.remove_leftovers()?;
        let name = format!("{UNFINISHED}{}-{}", Uuid::new_v4().simple(), self.stem);
        let unfinished = self.root.join(name);
        let unpacked = self.unpack_into(&unfinished, cancelled);
        if unpacked.is_err() {
            remove(&unfinished).map_err(PrepareArtifact::CleanUp)?;
        }
        unpacked?;
        remove(&folder).map_err(PrepareArtifact::CleanUp)?;
        std::fs::rename(&unfinished, &folder)
            .map_err(|source| PrepareArtifact::io("put in place", &folder, source))?;
        sync_dir(&self.root).map_err(PrepareArtifact::Write)?;
        write_atomically(&marker, identity.as_bytes(), 0o644).map_err(PrepareArtifact::Write)
    }

    /// What a kill left of earlier attempts.
    fn remove_leftovers(&self) -> Result<(), PrepareArtifact> {
        let end = format!("-{}", self.stem);
        for child in children(&self.root).map_err(PrepareArtifact::CleanUp)? {
            if name_of(&child).starts_with(UNFINISHED) && name_of(&child).ends_with(&end) {
                remove(&child).map_err(PrepareArtifact::CleanUp)?;
            }
        }
        Ok(())
    }

    fn unpack_into(&self, folder: &Path, cancelled: &Cancelled) -> Result<(), PrepareArtifact> {
        create_dir_all_mode(folder, OPEN_FOLDER).map_err(PrepareArtifact::Write)?;
        let free =
            free_bytes(folder).map_err(|source| PrepareArtifact::io("measure", folder, source))?;
        let used = folder_bytes(&self.store)
            .map_err(|source| PrepareArtifact::io("measure", &self.store, source))?;
        let room =
            free.saturating_sub(self.min_free_bytes).min(self.max_store_bytes.saturating_sub(used));
        unpack(&self.archive, folder, self.mode, room, cancelled)
            .map_err(PrepareArtifact::Unarchive)
    }
}
