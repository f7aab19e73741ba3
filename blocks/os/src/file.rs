//! Files that survive a power cut: written beside their place, synced, and renamed into it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::{Disk, OsDisk};

/// Why a file or folder could not be made durable.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} `{}`", path.display())]
pub struct WriteFile {
    /// What was being done, for example `create`.
    pub action: &'static str,
    /// The file or folder it was done to.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl WriteFile {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { action, path, source }
    }
}

/// Replaces the content of `path` so that, whatever happens, a reader finds either all of the old
/// content or all of the new, and so that the new one survives a power cut once this returns.
///
/// `mode` is the file's permission bits, for example `0o600`; the umask does not apply. The folder
/// must exist.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), WriteFile> {
    write_atomically_on(&OsDisk, path, bytes, mode)
}

/// As [`write_atomically`], on this disk.
pub fn write_atomically_on(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), WriteFile> {
    let temporary = temporary_beside(path);
    let written = write_new(disk, &temporary, bytes, mode)
        .and_then(|()| disk.rename(&temporary, path).map_err(WriteFile::at("replace", path)));
    if let Err(error) = written {
        // The half-written file is worthless and its name is never used again.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    sync_dir_on(disk, parent(path))
}

/// Makes what was created, renamed or removed in `folder` survive a power cut.
pub fn sync_dir(folder: &Path) -> Result<(), WriteFile> {
    sync_dir_on(&OsDisk, folder)
}

/// As [`sync_dir`], on this disk.
pub fn sync_dir_on(disk: &dyn Disk, folder: &Path) -> Result<(), WriteFile> {
    disk.sync_folder(folder).map_err(WriteFile::at("sync folder", folder))
}

/// Creates `folder` and its missing parents and gives `folder` itself the permission bits `mode`,
/// also when it existed. Missing parents get `mode` as far as the umask allows.
pub fn create_dir_all_mode(folder: &Path, mode: u32) -> Result<(), WriteFile> {
    create_folder_on(&OsDisk, folder, mode)
}

/// As [`create_dir_all_mode`], on this disk.
pub fn create_folder_on(disk: &dyn Disk, folder: &Path, mode: u32) -> Result<(), WriteFile> {
    disk.create_folder(folder, mode).map_err(WriteFile::at("create folder", folder))
}

/// As [`create_folder_on`]; folders that were missing survive a power cut when this returns.
pub fn create_folder_durably_on(
    disk: &dyn Disk,
    folder: &Path,
    mode: u32,
) -> Result<(), WriteFile> {
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|f| !disk.exists(f)).collect();
    create_folder_on(disk, folder, mode)?;
    while let Some(created) = missing.pop() {
        sync_dir_on(disk, parent(created))?;
    }
    Ok(())
}

/// Gives `path` exactly the permission bits `mode`.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), WriteFile> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(WriteFile::at("set permissions of", path))
}

/// Gives `path` to the numeric user and group; a link itself is changed, not what it points to.
/// Only root may give a file away.
pub fn set_owner(path: &Path, uid: u32, gid: u32) -> Result<(), WriteFile> {
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
        .map_err(WriteFile::at("set owner of", path))
}

fn write_new(disk: &dyn Disk, path: &Path, bytes: &[u8], mode: u32) -> Result<(), WriteFile> {
    let mut file = disk.create_new(path, mode).map_err(WriteFile::at("create", path))?;
    file.write_all(bytes).map_err(WriteFile::at("write", path))?;
    file.sync().map_err(WriteFile::at("sync", path))
}

fn temporary_beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{unique}.tmp", std::process::id()));
    parent(path).join(name)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_atomically_replaces_content_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        write_atomically(&path, b"old", 0o644).unwrap();
        write_atomically(&path, b"new", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn failed_write_leaves_the_old_content_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("folder");
        std::fs::create_dir_all(target.join("full")).unwrap();
        let error = write_atomically(&target, b"x", 0o600).unwrap_err();
        assert_eq!(error.action, "replace");
        assert!(target.join("full").is_dir());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn create_dir_all_mode_sets_the_mode_of_an_existing_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        create_dir_all_mode(&folder, 0o700).unwrap();
        create_dir_all_mode(&folder, 0o755).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
