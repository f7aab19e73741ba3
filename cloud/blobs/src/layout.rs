//! Where things are in the store's directory, and reading it at start.
//!
//! ```text
//! staging/<uuid>                     bodies under way, buckets being made or removed
//! buckets/<bucket>/bucket.json       when it was made
//!                  objects/<h>.json  metadata; <h> is the SHA-256 of the key
//!                  content/<uuid>    immutable content
//!                  uploads/<id>/     upload.json, <number>.json, content of the parts
//! ```

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marram_aws::sigv4::sha256_hex;
use marram_os::file::create_dir_all_mode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use crate::index::Objects;
use crate::{AccessBlob, Object, OpenBlobs};

/// Only the cloud's own user may look into the store.
const FOLDER_MODE: u32 = 0o700;
/// The mode of every file in it.
pub(crate) const FILE_MODE: u32 = 0o600;

/// The content of `bucket.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BucketFile {
    pub(crate) created_ms: i64,
}

/// The paths of a store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the folders that are missing and empties `staging`.
    pub(crate) fn prepare(root: &Path) -> Result<Self, OpenBlobs> {
        let layout = Self { root: root.to_path_buf() };
        for folder in [root.to_path_buf(), layout.staging(), layout.buckets()] {
            create_dir_all_mode(&folder, FOLDER_MODE)?;
        }
        for path in entries(&layout.staging())? {
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|source| OpenBlobs::Io { path, source })?;
        }
        Ok(layout)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn buckets(&self) -> PathBuf {
        self.root.join("buckets")
    }

    pub(crate) fn bucket(&self, bucket: &str) -> PathBuf {
        self.buckets().join(bucket)
    }

    pub(crate) fn objects(&self, bucket: &str) -> PathBuf {
        self.bucket(bucket).join("objects")
    }

    pub(crate) fn metadata(&self, bucket: &str, key: &str) -> PathBuf {
        self.objects(bucket).join(format!("{}.json", sha256_hex(key.as_bytes())))
    }

    pub(crate) fn content(&self, bucket: &str, name: &str) -> PathBuf {
        self.bucket(bucket).join("content").join(name)
    }

    pub(crate) fn upload(&self, bucket: &str, id: &str) -> PathBuf {
        self.bucket(bucket).join("uploads").join(id)
    }

    fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// A new path in `staging`.
    pub(crate) fn new_staged(&self) -> PathBuf {
        self.staging().join(new_name())
    }

    /// Makes the folders of a bucket at `path`.
    pub(crate) fn make_bucket_folders(path: &Path) -> Result<(), AccessBlob> {
        for folder in
            [path.to_path_buf(), path.join("objects"), path.join("content"), path.join("uploads")]
        {
            create_dir_all_mode(&folder, FOLDER_MODE)?;
        }
        Ok(())
    }

    /// Makes the folder of a multipart upload.
    pub(crate) fn make_upload_folder(path: &Path) -> Result<(), AccessBlob> {
        Ok(create_dir_all_mode(path, FOLDER_MODE)?)
    }

    /// The names of all buckets on disk.
    pub(crate) fn bucket_names(&self) -> Result<Vec<String>, OpenBlobs> {
        let names = entries(&self.buckets())?
            .into_iter()
            .filter_map(|path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        Ok(names.collect())
    }

    /// Reads a bucket's objects and removes content that nothing names any more.
    ///
    /// Damaged metadata is reported and left where it is; then no content is removed, because it
    /// may be that of the damaged object.
    pub(crate) fn load_objects(&self, bucket: &str) -> Result<Objects, OpenBlobs> {
        let contents = entries(&self.bucket(bucket).join("content"))?;
        let there: HashSet<String> = contents.iter().filter_map(|path| file_name(path)).collect();
        let mut objects = Objects::new();
        let mut damaged = false;
        for path in entries(&self.objects(bucket))? {
            if is_leftover(&path) {
                remove_leftover(&path)?;
                continue;
            }
            match read_json::<Object>(&path) {
                Ok(object) if there.contains(&object.content) => {
                    objects.insert(object.key.clone(), Arc::new(object));
                }
                Ok(object) => {
                    warn!(bucket, key = object.key, content = object.content, "content is missing");
                }
                Err(error) => {
                    warn!(bucket, path = %path.display(), %error, "metadata is damaged");
                    damaged = true;
                }
            }
        }
        if !damaged {
            let named: HashSet<&str> = objects.values().map(|o| o.content.as_str()).collect();
            for path in contents {
                if !file_name(&path).is_some_and(|name| named.contains(name.as_str())) {
                    remove_leftover(&path)?;
                }
            }
        }
        Ok(objects)
    }
}

/// A name that no file had before.
pub(crate) fn new_name() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Reads a metadata file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, AccessBlob> {
    let bytes = fs::read(path).map_err(AccessBlob::at(path))?;
    serde_json::from_slice(&bytes)
        .map_err(|source| AccessBlob::Damaged { path: path.to_path_buf(), source })
}

/// Writes a metadata file so that it is there whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), AccessBlob> {
    let bytes = serde_json::to_vec(value)
        .map_err(|source| AccessBlob::Damaged { path: path.to_path_buf(), source })?;
    Ok(marram_os::file::write_atomically(path, &bytes, FILE_MODE)?)
}

/// Removes a file that nothing names; that it stays costs only room until the next start.
pub(crate) fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(path = %path.display(), %error, "an unused file could not be removed");
    }
}

/// The paths directly in `folder`.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, OpenBlobs> {
    let wrong = |source| OpenBlobs::Io { path: folder.to_path_buf(), source };
    let entries = fs::read_dir(folder).map_err(wrong)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(wrong)).collect()
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned)
}

/// Whether a file is one that an atomic write did not live to rename.
fn is_leftover(path: &Path) -> bool {
    file_name(path).is_none_or(|name| name.starts_with('.'))
}

fn remove_leftover(path: &Path) -> Result<(), OpenBlobs> {
    fs::remove_file(path).map_err(|source| OpenBlobs::Io { path: path.to_path_buf(), source })
}
