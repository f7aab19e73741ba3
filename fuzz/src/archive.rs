//! A ZIP archive, unpacked into a folder of its own.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use marram_nucleus::packages::unpack_archive;
use tempfile::TempDir;

/// The most that may come out, in bytes: far above what an input can hold.
const ROOM: u64 = 1024 * 1024;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(tempfile::tempdir().expect("a folder"));
}

pub(crate) fn run(data: &[u8]) {
    FOLDER.with_borrow(|folder| unpack(data, folder.path()));
}

fn unpack(data: &[u8], folder: &Path) {
    let (archive, into) = (folder.join("archive.zip"), folder.join("into"));
    fs::write(&archive, data).expect("the archive is written");
    fs::create_dir(&into).expect("an empty folder");
    let unpacked = unpack_archive(&archive, &into, ROOM);
    let bytes = content(&into);
    if unpacked.is_ok() {
        assert!(bytes <= ROOM, "{bytes} bytes came out of {ROOM}");
    }
    let mut beside: Vec<_> =
        fs::read_dir(folder).expect("the folder").flatten().map(|e| e.file_name()).collect();
    beside.sort();
    assert_eq!(beside, ["archive.zip", "into"], "a file outside of its folder");
    fs::remove_dir_all(&into).expect("the folder can be removed");
}

/// Bytes in all files below; links are none that an archive may make.
fn content(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder that can be read").flatten();
    entries
        .map(|entry| {
            let kind = entry.file_type().expect("a kind");
            assert!(!kind.is_symlink(), "{} is a link", entry.path().display());
            match kind.is_dir() {
                true => content(&entry.path()),
                false => entry.metadata().expect("its size").len(),
            }
        })
        .sum()
}
