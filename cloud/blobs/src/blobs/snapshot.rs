//! A second name for every object, at one moment: what a back-up copies at its leisure.

use std::fs;
use std::io;
use std::path::Path;

use super::{Blobs, Inner};
use crate::AccessBlob;

impl Blobs {
    /// Links all buckets with their objects into `folder`, which is made, as they are between two
    /// writes. Content is never changed in place, so the links stay what they are. Uploads under
    /// way are left out. Where the file system has no links, files are copied.
    ///
    /// # Errors
    /// `folder` exists, or the disk failed.
    pub async fn snapshot(&self, folder: &Path) -> Result<(), AccessBlob> {
        let folder = folder.to_path_buf();
        self.run(move |inner| inner.snapshot(&folder)).await
    }
}

impl Inner {
    fn snapshot(&self, folder: &Path) -> Result<(), AccessBlob> {
        let _committing = self.committing();
        let to = folder.join("buckets");
        fs::create_dir_all(&to).map_err(AccessBlob::at(&to))?;
        for name in self.read().keys() {
            let (from, to) = (self.layout.bucket(name), to.join(name));
            for part in ["objects", "content", "uploads"] {
                fs::create_dir_all(to.join(part)).map_err(AccessBlob::at(&to))?;
            }
            link(&from.join("bucket.json"), &to.join("bucket.json"))?;
            for part in ["objects", "content"] {
                link_files(&from.join(part), &to.join(part))?;
            }
        }
        Ok(())
    }
}

fn link_files(from: &Path, to: &Path) -> Result<(), AccessBlob> {
    for entry in fs::read_dir(from).map_err(AccessBlob::at(from))? {
        let entry = entry.map_err(AccessBlob::at(from))?;
        match link(&entry.path(), &to.join(entry.file_name())) {
            // Content whose object was not committed may be discarded meanwhile.
            Err(AccessBlob::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<(), AccessBlob> {
    fs::hard_link(from, to)
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Err(error),
            _ => fs::copy(from, to).map(drop),
        })
        .map_err(AccessBlob::at(from))
}
