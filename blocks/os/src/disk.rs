//! How much room a file system has left.

use std::io;
use std::path::Path;

/// What a file system has and has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that an unprivileged user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Files that may still be made.
    pub free_inodes: u64,
    /// Files in all; 0 on a file system that does not count them.
    pub inodes: u64,
}

/// The room on the file system that holds `path`.
pub fn room(path: &Path) -> io::Result<Room> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(Room {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        free_inodes: stat.f_favail,
        inodes: stat.f_files,
    })
}

/// Bytes that an unprivileged user may still write on the file system that holds `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    room(path).map(|room| room.free_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_bytes_of_a_temporary_folder_is_positive() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert!(free_bytes(&dir.path().join("absent")).is_err());
        let room = room(dir.path()).unwrap();
        assert!(room.free_bytes <= room.bytes && room.free_inodes <= room.inodes);
    }
}
