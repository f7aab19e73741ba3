//! The store: buckets by name, objects by key, and the order of writes that makes them durable.

mod multipart;
mod objects;
mod snapshot;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use marram_os::clock::SharedClock;
use marram_os::disk::free_bytes;
use marram_os::file::sync_dir;
use tracing::warn;

use crate::index::Objects;
use crate::layout::{BucketFile, Layout, read_json, write_json};
use crate::names::check_bucket;
use crate::staging::Staging;
use crate::{AccessBlob, OpenBlobs};

pub use multipart::Upload;
pub(crate) use objects::Existing;

/// The bounds of a store.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest body of one object or part in bytes; S3's is 5 GiB.
    pub max_body_bytes: u64,
    /// Bytes that stay free on the disk: a body that would take them is refused, so that the rest
    /// of the cloud can go on writing.
    pub reserve_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body_bytes: 5 * 1024 * 1024 * 1024, reserve_bytes: 64 * 1024 * 1024 }
    }
}

/// A directory of buckets and objects. Clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    limits: Limits,
    clock: SharedClock,
    buckets: RwLock<BTreeMap<String, Bucket>>,
    /// Held while metadata files change, so that disk and index change in the same order.
    commits: Mutex<()>,
}

#[derive(Debug)]
struct Bucket {
    created_ms: i64,
    objects: Objects,
}

impl Blobs {
    /// Opens or makes the store in `directory`, and sweeps away what a kill left there.
    ///
    /// # Errors
    /// The directory cannot be made, read or written.
    pub async fn open(
        directory: &Path,
        limits: Limits,
        clock: SharedClock,
    ) -> Result<Self, OpenBlobs> {
        let directory = directory.to_path_buf();
        let path = directory.clone();
        let opened = tokio::task::spawn_blocking(move || Inner::open(&directory, limits, clock));
        match opened.await {
            Ok(inner) => Ok(Self { inner: Arc::new(inner?) }),
            Err(error) => Err(OpenBlobs::Io { path, source: io::Error::other(error) }),
        }
    }

    /// All buckets by name, each with its time of creation in milliseconds since the epoch.
    pub fn buckets(&self) -> Vec<(String, i64)> {
        self.inner.read().iter().map(|(name, bucket)| (name.clone(), bucket.created_ms)).collect()
    }

    /// Whether there is a bucket of this name.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`].
    pub fn check_bucket(&self, bucket: &str) -> Result<(), AccessBlob> {
        self.inner.check_bucket(bucket)
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// [`AccessBlob::InvalidBucketName`], [`AccessBlob::BucketExists`], or a failing disk.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), AccessBlob> {
        check_bucket(bucket)?;
        let bucket = bucket.to_owned();
        self.run(move |inner| inner.create_bucket(&bucket)).await
    }

    /// Removes an empty bucket and its unfinished uploads.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`], [`AccessBlob::BucketNotEmpty`], or a failing disk.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), AccessBlob> {
        let bucket = bucket.to_owned();
        self.run(move |inner| inner.delete_bucket(&bucket)).await
    }

    /// Begins to take in a body of `expected` bytes, when that is known.
    ///
    /// # Errors
    /// [`AccessBlob::TooLarge`], [`AccessBlob::DiskFull`], or a failing disk.
    pub async fn stage(&self, expected: Option<u64>) -> Result<Staging, AccessBlob> {
        let limit = self.inner.limits.max_body_bytes;
        let needed = expected.unwrap_or(0);
        if needed > limit {
            return Err(AccessBlob::TooLarge { limit });
        }
        self.run(move |inner| inner.check_room(needed)).await?;
        Staging::create(self.inner.layout.new_staged(), limit).await
    }

    /// Runs file work where it may block.
    async fn run<T, F>(&self, work: F) -> Result<T, AccessBlob>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, AccessBlob> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let path = inner.layout.root().to_path_buf();
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(error) => Err(AccessBlob::Io { path, source: io::Error::other(error) }),
        }
    }
}

impl Inner {
    fn open(directory: &Path, limits: Limits, clock: SharedClock) -> Result<Self, OpenBlobs> {
        let layout = Layout::prepare(directory)?;
        let mut buckets = BTreeMap::new();
        for name in layout.bucket_names()? {
            let file = layout.bucket(&name).join("bucket.json");
            match read_json::<BucketFile>(&file) {
                Ok(BucketFile { created_ms }) => {
                    let objects = layout.load_objects(&name)?;
                    buckets.insert(name, Bucket { created_ms, objects });
                }
                Err(error) => warn!(bucket = name, %error, "bucket is not served"),
            }
        }
        let inner =
            Self { layout, limits, clock, buckets: RwLock::new(buckets), commits: Mutex::new(()) };
        inner.abandon_old_uploads();
        Ok(inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn committing(&self) -> MutexGuard<'_, ()> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_bucket(&self, name: &str) -> Result<(), AccessBlob> {
        let _committing = self.committing();
        if self.read().contains_key(name) {
            return Err(AccessBlob::BucketExists(name.to_owned()));
        }
        let created_ms = self.clock.now_ms();
        let made = self.layout.new_staged();
        Layout::make_bucket_folders(&made)?;
        write_json(&made.join("bucket.json"), &BucketFile { created_ms })?;
        fs::rename(&made, self.layout.bucket(name)).map_err(AccessBlob::at(&made))?;
        sync_dir(&self.layout.buckets())?;
        self.write().insert(name.to_owned(), Bucket { created_ms, objects: Objects::new() });
        Ok(())
    }

    fn delete_bucket(&self, name: &str) -> Result<(), AccessBlob> {
        let _committing = self.committing();
        match self.read().get(name) {
            None => return Err(no_bucket(name)),
            Some(bucket) if !bucket.objects.is_empty() => {
                return Err(AccessBlob::BucketNotEmpty(name.to_owned()));
            }
            Some(_) => {}
        }
        let removed = self.layout.new_staged();
        fs::rename(self.layout.bucket(name), &removed).map_err(AccessBlob::at(&removed))?;
        sync_dir(&self.layout.buckets())?;
        self.write().remove(name);
        fs::remove_dir_all(&removed).map_err(AccessBlob::at(&removed))
    }

    fn check_room(&self, needed: u64) -> Result<(), AccessBlob> {
        let root = self.layout.root();
        let free = free_bytes(root).map_err(AccessBlob::at(root))?;
        if free < needed.saturating_add(self.limits.reserve_bytes) {
            return Err(AccessBlob::DiskFull { path: root.to_path_buf(), needed });
        }
        Ok(())
    }
}

fn no_bucket(name: &str) -> AccessBlob {
    AccessBlob::NoSuchBucket(name.to_owned())
}

#[cfg(test)]
mod tests;
