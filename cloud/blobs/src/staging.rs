//! Bodies on their way in: written to a file of their own, counted and digested as they pass.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marram_aws::sigv4::hex;
use md5::{Digest, Md5};
use ring::digest::{Context, SHA256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::AccessBlob;
use crate::layout::{FILE_MODE, discard};

const BUFFER: usize = 256 * 1024;

/// A file in `staging` that goes away unless it is moved to its place.
#[derive(Debug)]
pub(crate) struct StagedFile {
    path: Option<PathBuf>,
}

impl StagedFile {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path: Some(path) }
    }

    /// Renames the file to its place, on which it is no longer ours.
    pub(crate) fn move_to(mut self, place: &Path) -> Result<(), AccessBlob> {
        if let Some(path) = self.path.take() {
            std::fs::rename(&path, place).map_err(AccessBlob::at(&path))?;
        }
        Ok(())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            discard(path);
        }
    }
}

/// Digests of a body as it passes.
pub(crate) struct Digests {
    size: u64,
    md5: Md5,
    sha256: Context,
}

impl Digests {
    pub(crate) fn new() -> Self {
        Self { size: 0, md5: Md5::new(), sha256: Context::new(&SHA256) }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.size += data.len() as u64;
        self.md5.update(data);
        self.sha256.update(data);
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn md5(&self) -> [u8; 16] {
        self.md5.clone().finalize().into()
    }

    pub(crate) fn sha256_hex(&self) -> String {
        hex(self.sha256.clone().finish().as_ref())
    }
}

/// A body being written. Dropping it forgets the body.
pub struct Staging {
    staged: StagedFile,
    file: BufWriter<File>,
    path: PathBuf,
    digests: Digests,
    limit: u64,
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging")
            .field("path", &self.path)
            .field("size", &self.digests.size)
            .finish_non_exhaustive()
    }
}

impl Staging {
    pub(crate) async fn create(path: PathBuf, limit: u64) -> Result<Self, AccessBlob> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let file = options.open(&path).await.map_err(AccessBlob::at(&path))?;
        Ok(Self {
            staged: StagedFile::at(path.clone()),
            file: BufWriter::with_capacity(BUFFER, file),
            path,
            digests: Digests::new(),
            limit,
        })
    }

    /// The digests of what was written.
    pub(crate) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Writes the next piece.
    ///
    /// # Errors
    /// [`AccessBlob::TooLarge`], [`AccessBlob::DiskFull`] or [`AccessBlob::Io`].
    pub async fn write(&mut self, data: &[u8]) -> Result<(), AccessBlob> {
        if self.digests.size + data.len() as u64 > self.limit {
            return Err(AccessBlob::TooLarge { limit: self.limit });
        }
        self.digests.update(data);
        self.file.write_all(data).await.map_err(AccessBlob::at(&self.path))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`AccessBlob::DiskFull`] or [`AccessBlob::Io`].
    pub async fn finish(mut self) -> Result<Staged, AccessBlob> {
        let synced: io::Result<()> = async {
            self.file.flush().await?;
            self.file.get_ref().sync_all().await
        }
        .await;
        synced.map_err(AccessBlob::at(&self.path))?;
        Ok(Staged::new(self.staged, self.digests))
    }
}

/// A whole body, durable in `staging` but not yet an object. Dropping it forgets the body.
#[derive(Debug)]
pub struct Staged {
    pub(crate) file: StagedFile,
    /// Its length in bytes.
    pub size: u64,
    /// Its MD5.
    pub md5: [u8; 16],
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl Staged {
    pub(crate) fn new(file: StagedFile, digests: Digests) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digests.sha256.finish().as_ref());
        Self { file, size: digests.size, md5: digests.md5.finalize().into(), sha256 }
    }

    /// The SHA-256 in standard base64, as recipes write digests.
    pub fn sha256_base64(&self) -> String {
        STANDARD.encode(self.sha256)
    }

    /// The SHA-256 in lower-case hexadecimal, as signatures write it.
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    /// The ETag of an object or part with this content: its MD5 in lower-case hexadecimal.
    pub fn etag(&self) -> String {
        hex(&self.md5)
    }
}
