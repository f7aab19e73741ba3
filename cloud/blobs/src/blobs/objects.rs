//! Objects: putting, opening, listing, copying, deleting.

use std::fs;
use std::sync::Arc;

use marram_os::file::sync_dir;

use super::{Blobs, Inner, no_bucket};
use crate::index::list;
use crate::layout::{discard, new_name, write_json};
use crate::names::check_key;
use crate::{AccessBlob, Attributes, Content, ListQuery, Object, Page, Staged};

/// What becomes of an object that has the key already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    /// `If-None-Match: *`.
    Refuse,
}

impl Blobs {
    /// Makes a staged body the object `key`, in place of the one that has it.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`], [`AccessBlob::InvalidKey`],
    /// [`AccessBlob::MetadataTooLarge`], or a failing disk.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        staged: Staged,
        attributes: Attributes,
    ) -> Result<Arc<Object>, AccessBlob> {
        self.put_over(bucket, key, staged, attributes, Existing::Replace).await
    }

    pub(crate) async fn put_over(
        &self,
        bucket: &str,
        key: &str,
        staged: Staged,
        attributes: Attributes,
        existing: Existing,
    ) -> Result<Arc<Object>, AccessBlob> {
        check_key(key)?;
        attributes.check()?;
        let bucket = bucket.to_owned();
        let object = Object {
            key: key.to_owned(),
            size: staged.size,
            etag: staged.etag(),
            sha256: staged.sha256_base64(),
            modified_ms: self.inner.clock.now_ms(),
            attributes,
            content: new_name(),
        };
        self.run(move |inner| {
            inner.check_bucket(&bucket)?;
            let content = inner.layout.content(&bucket, &object.content);
            staged.file.move_to(&content)?;
            inner.commit(&bucket, object, existing)
        })
        .await
    }

    /// What is known about an object, without opening it.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`] or [`AccessBlob::NoSuchKey`].
    pub fn head(&self, bucket: &str, key: &str) -> Result<Arc<Object>, AccessBlob> {
        self.inner.find(bucket, key)
    }

    /// Opens an object.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`], [`AccessBlob::NoSuchKey`], or a failing disk.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Content, AccessBlob> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.run(move |inner| inner.open_object(&bucket, &key)).await
    }

    /// Lists one page of a bucket.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`].
    pub fn list(&self, bucket: &str, query: &ListQuery) -> Result<Page, AccessBlob> {
        let buckets = self.inner.read();
        let objects = &buckets.get(bucket).ok_or_else(|| no_bucket(bucket))?.objects;
        Ok(list(objects, query))
    }

    /// Copies an object; the content is shared on disk. `attributes` replace those of the source.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`], [`AccessBlob::NoSuchKey`], [`AccessBlob::InvalidKey`],
    /// [`AccessBlob::MetadataTooLarge`], or a failing disk.
    pub async fn copy(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        attributes: Option<Attributes>,
    ) -> Result<Arc<Object>, AccessBlob> {
        check_key(to.1)?;
        attributes.as_ref().map_or(Ok(()), Attributes::check)?;
        let (from, to_bucket, to_key) =
            ((from.0.to_owned(), from.1.to_owned()), to.0.to_owned(), to.1.to_owned());
        self.run(move |inner| inner.copy(&from, &to_bucket, to_key, attributes)).await
    }

    /// Deletes an object; that there is none is no error, as in S3.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`] or a failing disk.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), AccessBlob> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.run(move |inner| inner.delete(&bucket, &key)).await
    }
}

impl Inner {
    pub(super) fn check_bucket(&self, bucket: &str) -> Result<(), AccessBlob> {
        self.read().get(bucket).map(drop).ok_or_else(|| no_bucket(bucket))
    }

    pub(super) fn find(&self, bucket: &str, key: &str) -> Result<Arc<Object>, AccessBlob> {
        let buckets = self.read();
        let objects = &buckets.get(bucket).ok_or_else(|| no_bucket(bucket))?.objects;
        objects
            .get(key)
            .cloned()
            .ok_or_else(|| AccessBlob::NoSuchKey { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Opens the content while the index is held: content is removed only after the index no
    /// longer names it, so what was found can be opened.
    pub(super) fn open_object(&self, bucket: &str, key: &str) -> Result<Content, AccessBlob> {
        let buckets = self.read();
        let objects = &buckets.get(bucket).ok_or_else(|| no_bucket(bucket))?.objects;
        let Some(object) = objects.get(key) else {
            return Err(AccessBlob::NoSuchKey { bucket: bucket.to_owned(), key: key.to_owned() });
        };
        let path = self.layout.content(bucket, &object.content);
        let file = fs::File::open(&path).map_err(AccessBlob::at(&path))?;
        Ok(Content { object: Arc::clone(object), file, path })
    }

    /// Makes `object`, whose content file is in its place, the one that its key names.
    pub(super) fn commit(
        &self,
        bucket: &str,
        object: Object,
        existing: Existing,
    ) -> Result<Arc<Object>, AccessBlob> {
        let content = self.layout.content(bucket, &object.content);
        let committed = self.commit_metadata(bucket, object, existing);
        if committed.is_err() {
            discard(&content);
        }
        committed
    }

    fn commit_metadata(
        &self,
        bucket: &str,
        object: Object,
        existing: Existing,
    ) -> Result<Arc<Object>, AccessBlob> {
        sync_dir(&self.layout.bucket(bucket).join("content"))?;
        let _committing = self.committing();
        self.check_bucket(bucket)?;
        if existing == Existing::Refuse && self.find(bucket, &object.key).is_ok() {
            return Err(AccessBlob::KeyExists { bucket: bucket.to_owned(), key: object.key });
        }
        write_json(&self.layout.metadata(bucket, &object.key), &object)?;
        let object = Arc::new(object);
        let replaced = self
            .write()
            .get_mut(bucket)
            .and_then(|b| b.objects.insert(object.key.clone(), Arc::clone(&object)));
        if let Some(replaced) = replaced {
            discard(&self.layout.content(bucket, &replaced.content));
        }
        Ok(object)
    }

    fn copy(
        &self,
        from: &(String, String),
        to_bucket: &str,
        to_key: String,
        attributes: Option<Attributes>,
    ) -> Result<Arc<Object>, AccessBlob> {
        self.check_bucket(to_bucket)?;
        let content = new_name();
        let place = self.layout.content(to_bucket, &content);
        let source = {
            let buckets = self.read();
            let objects = &buckets.get(&from.0).ok_or_else(|| no_bucket(&from.0))?.objects;
            let Some(source) = objects.get(&from.1) else {
                let (bucket, key) = from.clone();
                return Err(AccessBlob::NoSuchKey { bucket, key });
            };
            let existing = self.layout.content(&from.0, &source.content);
            fs::hard_link(&existing, &place).map_err(AccessBlob::at(&existing))?;
            Arc::clone(source)
        };
        let checksum = source.attributes.checksum.clone();
        let attributes = attributes.map_or_else(
            || source.attributes.clone(),
            |attributes| Attributes { checksum, ..attributes },
        );
        let object = Object {
            key: to_key,
            modified_ms: self.clock.now_ms(),
            attributes,
            content,
            ..Object::clone(&source)
        };
        self.commit(to_bucket, object, Existing::Replace)
    }

    fn delete(&self, bucket: &str, key: &str) -> Result<(), AccessBlob> {
        let _committing = self.committing();
        let object = match self.find(bucket, key) {
            Ok(object) => object,
            Err(AccessBlob::NoSuchKey { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let metadata = self.layout.metadata(bucket, key);
        fs::remove_file(&metadata).map_err(AccessBlob::at(&metadata))?;
        sync_dir(&self.layout.objects(bucket))?;
        if let Some(bucket) = self.write().get_mut(bucket) {
            bucket.objects.remove(key);
        }
        discard(&self.layout.content(bucket, &object.content));
        Ok(())
    }
}
