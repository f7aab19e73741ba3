//! Gives a whole folder to a user.
//!
//! The user may already own parts of it and change them meanwhile. So the walk goes from open folder
//! to open folder and never through a link, and a file that has another name elsewhere stays whose
//! it is: it may be anybody's.

use std::io;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, openat, statat};

/// Folders within folders; each costs a file descriptor.
const MAX_DEPTH: usize = 128;

const FOLDER: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// Whether a folder itself is given away too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The folder and all in it.
    Whole,
    /// Only what is in it.
    Content,
}

/// Gives the folder at `path`, or what is in it, to the numeric user and group. Links are given
/// themselves, not what they point to. A folder that does not exist has nothing to give. Needs
/// root.
pub fn give_folder(path: &Path, uid: u32, gid: u32, extent: Extent) -> io::Result<()> {
    let folder = match openat(CWD, path, FOLDER, Mode::empty()) {
        Ok(folder) => folder,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let owner = Owner { uid, gid };
    if extent == Extent::Whole {
        rustix::fs::fchown(&folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    owner.take_content(folder.as_fd(), MAX_DEPTH)
}

struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn take_content(&self, folder: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        if depth == 0 {
            return Err(io::Error::other(format!("folders are more than {MAX_DEPTH} deep")));
        }
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let is_theirs = (stat.st_uid, stat.st_gid) == (self.uid, self.gid);
            let has_other_names = !is_folder && stat.st_nlink > 1;
            if !is_theirs && !has_other_names {
                let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
                chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            if is_folder {
                let inner = openat(folder, name, FOLDER, Mode::empty())?;
                self.take_content(inner.as_fd(), depth - 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a5_4_all_but_links_targets_and_other_names_is_given() {
        if !crate::user::is_root() {
            eprintln!("skipped: only root may give files away");
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("given/inner")).unwrap();
        for file in ["given/inner/file", "target", "shared"] {
            std::fs::write(at(file), "").unwrap();
        }
        std::os::unix::fs::symlink(at("target"), at("given/link")).unwrap();
        std::fs::hard_link(at("shared"), at("given/other-name")).unwrap();
        let owner = |name: &str| {
            let metadata = std::fs::symlink_metadata(at(name)).unwrap();
            (metadata.uid(), metadata.gid())
        };
        give_folder(&at("given"), 4711, 4712, Extent::Content).unwrap();
        assert_eq!(owner("given"), (0, 0));
        for given in ["given/inner", "given/inner/file", "given/link"] {
            assert_eq!(owner(given), (4711, 4712), "{given}");
        }
        assert_eq!((owner("target"), owner("shared")), ((0, 0), (0, 0)));
        give_folder(&at("given"), 4711, 4712, Extent::Whole).unwrap();
        assert_eq!(owner("given"), (4711, 4712));
        give_folder(&at("missing"), 1, 1, Extent::Whole).unwrap();
    }
}
