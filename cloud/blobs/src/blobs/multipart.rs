//! Multipart uploads: parts are files of the upload's folder until the upload is completed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use marram_aws::s3::CompletedPart;
use marram_aws::sigv4::hex;
use marram_os::file::sync_dir;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::objects::Existing;
use super::{Blobs, Inner};
use crate::layout::{FILE_MODE, Layout, discard, new_name, read_json, write_json};
use crate::names::check_key;
use crate::staging::{Digests, StagedFile};
use crate::{AccessBlob, Attributes, Content, Object, Part, Staged};

/// S3's least length of a part that is not the last.
const LEAST_PART_BYTES: u64 = 5 * 1024 * 1024;
const MAX_PART_NUMBER: u16 = 10_000;
/// Uploads older than this are taken as forgotten when the store is opened: seven days.
const ABANDONED_AFTER_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
const COPY_BUFFER: usize = 256 * 1024;

/// The content of `upload.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UploadFile {
    key: String,
    begun_ms: i64,
    attributes: Attributes,
}

/// Names one upload, and the bucket and key that the caller says it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload.
    pub id: String,
}

impl Blobs {
    /// Begins an upload; the answer is its id.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchBucket`], [`AccessBlob::InvalidKey`],
    /// [`AccessBlob::MetadataTooLarge`], or a failing disk.
    pub async fn begin_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<String, AccessBlob> {
        check_key(key)?;
        attributes.check()?;
        let bucket = bucket.to_owned();
        let key = key.to_owned();
        self.run(move |inner| {
            inner.check_bucket(&bucket)?;
            let id = new_name();
            let folder = inner.layout.upload(&bucket, &id);
            Layout::make_upload_folder(&folder)?;
            let begun_ms = inner.clock.now_ms();
            write_json(&folder.join("upload.json"), &UploadFile { key, begun_ms, attributes })?;
            Ok(id)
        })
        .await
    }

    /// Whether there is such an upload, before its body is taken in.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchUpload`], [`AccessBlob::NoSuchBucket`], or a failing disk.
    pub async fn check_upload(&self, upload: &Upload) -> Result<(), AccessBlob> {
        let upload = upload.clone();
        self.run(move |inner| inner.find_upload(&upload).map(drop)).await
    }

    /// Makes a staged body one part, in place of an earlier one with its number.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchUpload`], [`AccessBlob::InvalidPartNumber`], or a failing disk.
    pub async fn put_part(
        &self,
        upload: &Upload,
        number: u32,
        staged: Staged,
    ) -> Result<Part, AccessBlob> {
        let number = u16::try_from(number)
            .ok()
            .filter(|number| (1..=MAX_PART_NUMBER).contains(number))
            .ok_or(AccessBlob::InvalidPartNumber(number))?;
        let upload = upload.clone();
        self.run(move |inner| inner.put_part(&upload, number, staged)).await
    }

    /// Stages `length` bytes of an opened object from `first` on, to become a part.
    ///
    /// # Errors
    /// [`AccessBlob::TooLarge`], [`AccessBlob::DiskFull`], or a failing disk.
    pub async fn stage_copy(
        &self,
        content: Content,
        first: u64,
        length: u64,
    ) -> Result<Staged, AccessBlob> {
        let limit = self.inner.limits.max_body_bytes;
        if length > limit {
            return Err(AccessBlob::TooLarge { limit });
        }
        self.run(move |inner| {
            inner.check_room(length)?;
            inner.join(|joined| {
                let mut file = content.file;
                file.seek(io::SeekFrom::Start(first))?;
                copy_digested(&mut file.take(length), joined)
            })
        })
        .await
    }

    /// The parts of an upload by number.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchUpload`] or a failing disk.
    pub async fn parts(&self, upload: &Upload) -> Result<BTreeMap<u16, Part>, AccessBlob> {
        let upload = upload.clone();
        self.run(move |inner| {
            inner.find_upload(&upload)?;
            inner.parts(&upload)
        })
        .await
    }

    /// Joins the named parts to the object and forgets the upload.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchUpload`], [`AccessBlob::InvalidPart`],
    /// [`AccessBlob::InvalidPartOrder`], [`AccessBlob::PartTooSmall`], or a failing disk. The
    /// upload is still there afterwards.
    pub async fn complete_upload(
        &self,
        upload: &Upload,
        parts: Vec<CompletedPart>,
    ) -> Result<Arc<Object>, AccessBlob> {
        let upload = upload.clone();
        self.run(move |inner| inner.complete(&upload, &parts)).await
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    /// [`AccessBlob::NoSuchUpload`] or a failing disk.
    pub async fn abort_upload(&self, upload: &Upload) -> Result<(), AccessBlob> {
        let upload = upload.clone();
        self.run(move |inner| {
            inner.find_upload(&upload)?;
            inner.forget_upload(&upload.bucket, &upload.id)
        })
        .await
    }
}

/// Where the bytes of several sources are joined.
struct Joined {
    file: fs::File,
    digests: Digests,
}

impl Inner {
    fn find_upload(&self, upload: &Upload) -> Result<UploadFile, AccessBlob> {
        self.check_bucket(&upload.bucket)?;
        let unknown = || AccessBlob::NoSuchUpload(upload.id.clone());
        // Ids are our own hexadecimal names; anything else could be a path.
        if upload.id.is_empty() || !upload.id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let path = self.layout.upload(&upload.bucket, &upload.id).join("upload.json");
        let file: UploadFile = match read_json(&path) {
            Err(AccessBlob::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(unknown());
            }
            read => read?,
        };
        if file.key == upload.key { Ok(file) } else { Err(unknown()) }
    }

    fn put_part(&self, upload: &Upload, number: u16, staged: Staged) -> Result<Part, AccessBlob> {
        let folder = self.layout.upload(&upload.bucket, &upload.id);
        let part = Part {
            number,
            size: staged.size,
            etag: staged.etag(),
            modified_ms: self.clock.now_ms(),
            content: new_name(),
        };
        let _committing = self.committing();
        self.find_upload(upload)?;
        let replaced: Option<Part> = read_json(&folder.join(format!("{number}.json"))).ok();
        staged.file.move_to(&folder.join(&part.content))?;
        write_json(&folder.join(format!("{number}.json")), &part)?;
        if let Some(replaced) = replaced {
            discard(&folder.join(replaced.content));
        }
        Ok(part)
    }

    fn parts(&self, upload: &Upload) -> Result<BTreeMap<u16, Part>, AccessBlob> {
        let folder = self.layout.upload(&upload.bucket, &upload.id);
        let mut parts = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(AccessBlob::at(&folder))? {
            let path = entry.map_err(AccessBlob::at(&folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.strip_suffix(".json").is_some_and(|number| number.parse::<u16>().is_ok()) {
                let part: Part = read_json(&path)?;
                parts.insert(part.number, part);
            }
        }
        Ok(parts)
    }

    fn complete(
        &self,
        upload: &Upload,
        asked: &[CompletedPart],
    ) -> Result<Arc<Object>, AccessBlob> {
        let file = self.find_upload(upload)?;
        let parts = choose(&self.parts(upload)?, asked)?;
        self.check_room(parts.iter().map(|part| part.size).sum())?;
        let folder = self.layout.upload(&upload.bucket, &upload.id);
        let staged = self.join(|joined| {
            parts.iter().try_for_each(|part| {
                copy_digested(&mut fs::File::open(folder.join(&part.content))?, joined)
            })
        })?;
        let object = Object {
            key: upload.key.clone(),
            size: staged.size,
            etag: joined_etag(&parts),
            sha256: staged.sha256_base64(),
            modified_ms: self.clock.now_ms(),
            attributes: file.attributes,
            content: new_name(),
        };
        staged.file.move_to(&self.layout.content(&upload.bucket, &object.content))?;
        let object = self.commit(&upload.bucket, object, Existing::Replace)?;
        // The object is there; parts that cannot be removed now are removed as abandoned later.
        if let Err(error) = self.forget_upload(&upload.bucket, &upload.id) {
            warn!(bucket = upload.bucket, upload = upload.id, %error, "parts were left behind");
        }
        Ok(object)
    }

    /// A durable staged body with what `fill` puts into it.
    fn join(&self, fill: impl FnOnce(&mut Joined) -> io::Result<()>) -> Result<Staged, AccessBlob> {
        let path = self.layout.new_staged();
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let file = options.open(&path).map_err(AccessBlob::at(&path))?;
        let staged = StagedFile::at(path.clone());
        let mut joined = Joined { file, digests: Digests::new() };
        fill(&mut joined).and_then(|()| joined.file.sync_all()).map_err(AccessBlob::at(&path))?;
        Ok(Staged::new(staged, joined.digests))
    }

    fn forget_upload(&self, bucket: &str, id: &str) -> Result<(), AccessBlob> {
        let folder = self.layout.upload(bucket, id);
        let removed = self.layout.new_staged();
        fs::rename(&folder, &removed).map_err(AccessBlob::at(&folder))?;
        sync_dir(&self.layout.bucket(bucket).join("uploads"))?;
        fs::remove_dir_all(&removed).map_err(AccessBlob::at(&removed))
    }

    /// Removes uploads that nobody has completed for a week. One that cannot be read is left.
    pub(super) fn abandon_old_uploads(&self) {
        let oldest_ms = self.clock.now_ms() - ABANDONED_AFTER_MS;
        let buckets: Vec<String> = self.read().keys().cloned().collect();
        for bucket in buckets {
            let Ok(uploads) = fs::read_dir(self.layout.bucket(&bucket).join("uploads")) else {
                continue;
            };
            for entry in uploads.flatten() {
                let old = read_json::<UploadFile>(&entry.path().join("upload.json"))
                    .is_ok_and(|upload| upload.begun_ms < oldest_ms);
                let Some(id) = entry.file_name().to_str().filter(|_| old).map(str::to_owned) else {
                    continue;
                };
                if let Err(error) = self.forget_upload(&bucket, &id) {
                    warn!(bucket, upload = id, %error, "an abandoned upload was not removed");
                }
            }
        }
    }
}

/// The uploaded parts that are asked for, when they can be joined.
fn choose(there: &BTreeMap<u16, Part>, asked: &[CompletedPart]) -> Result<Vec<Part>, AccessBlob> {
    if asked.is_empty() || !asked.is_sorted_by(|a, b| a.number < b.number) {
        return Err(AccessBlob::InvalidPartOrder);
    }
    let mut parts = Vec::with_capacity(asked.len());
    for (place, wanted) in asked.iter().enumerate() {
        let part = there.get(&wanted.number).filter(|part| part.etag == wanted.etag);
        let Some(part) = part else {
            let etag = wanted.etag.clone();
            return Err(AccessBlob::InvalidPart { number: wanted.number, etag });
        };
        if place + 1 < asked.len() && part.size < LEAST_PART_BYTES {
            let (number, size) = (part.number, part.size);
            return Err(AccessBlob::PartTooSmall { number, size, least: LEAST_PART_BYTES });
        }
        parts.push(part.clone());
    }
    Ok(parts)
}

/// The MD5 of the parts' MD5s and their number, as S3 makes it.
fn joined_etag(parts: &[Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        for pair in part.etag.as_bytes().chunks(2) {
            let byte = std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
            md5.update([byte.unwrap_or_default()]);
        }
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}

fn copy_digested(source: &mut impl Read, joined: &mut Joined) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BUFFER];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        joined.digests.update(&buffer[..read]);
        joined.file.write_all(&buffer[..read])?;
    }
}
