//! Brings one file to the device, going on where an earlier attempt broke off.

use std::path::{Path, PathBuf};

use marram_os::disk::free_bytes;
use marram_os::file::{set_mode, sync_dir};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use super::prepare::{PrepareArtifact, PrepareSettings};
use super::source::{ArtifactRequest, ArtifactSource, OpenArtifact};
use super::{UNFINISHED, blocking, digest, folder_bytes};

/// A file that is to be on the device.
pub(super) struct Wanted<'a> {
    /// Where it belongs; its folder exists.
    pub(super) path: &'a Path,
    /// From where; `from_byte` is filled in here.
    pub(super) request: ArtifactRequest,
    pub(super) algorithm: &'static ring::digest::Algorithm,
    /// Standard padded base64.
    pub(super) digest: &'a str,
    /// Permission bits of the file.
    pub(super) mode: u32,
    /// The folder that the store's limit counts.
    pub(super) store: &'a Path,
}

impl Wanted<'_> {
    /// Fetches until the digest is right, pausing between attempts. Cancelled by dropping: what
    /// has come is kept beside the file's place and gone on with.
    pub(super) async fn fetch(
        mut self,
        source: &dyn ArtifactSource,
        settings: &PrepareSettings,
    ) -> Result<(), PrepareArtifact> {
        let part = part_of(self.path);
        let mut wrong_digests = 0;
        let mut network_failures = 0;
        loop {
            // All of it may be here already, from an attempt that was killed at its end.
            if self.is_complete(&part).await? {
                return self.put_in_place(&part).await;
            }
            match self.fetch_once(&part, source, settings).await {
                Ok(()) => {
                    let actual = self.digest_of(&part).await?;
                    if actual == self.digest {
                        return self.put_in_place(&part).await;
                    }
                    remove(&part).await?;
                    wrong_digests += 1;
                    tracing::warn!(artifact = ?self.request.uri, wrong_digests, "wrong digest");
                    if wrong_digests >= settings.retry.digest_attempts {
                        let expected = self.digest.to_owned();
                        let attempts = wrong_digests;
                        return Err(PrepareArtifact::Checksum { expected, actual, attempts });
                    }
                }
                Err(PrepareArtifact::Fetch(error)) if error.is_transient => {
                    network_failures += 1;
                    tracing::warn!(
                        artifact = ?self.request.uri,
                        network_failures,
                        error = error.source.as_ref() as &(dyn std::error::Error + 'static),
                        "the artifact did not come whole"
                    );
                    if settings.retry.gives_up_after(network_failures) {
                        return Err(PrepareArtifact::Fetch(error));
                    }
                }
                // The source may have refused only to go on from there.
                Err(PrepareArtifact::Fetch(_)) if self.request.from_byte > 0 => {
                    remove(&part).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            settings.retry.pause(network_failures + wrong_digests).await;
        }
    }

    /// One attempt, which ends when all has come or something is in the way.
    async fn fetch_once(
        &mut self,
        part: &Path,
        source: &dyn ArtifactSource,
        settings: &PrepareSettings,
    ) -> Result<(), PrepareArtifact> {
        self.request.from_byte = match fs::metadata(part).await {
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
        let used = self.store_bytes().await?.saturating_sub(self.request.from_byte);
        self.request.max_bytes = settings.max_store_bytes.saturating_sub(used);
        check_room(part, 0, settings)?;
        let open = source.open(&self.request).await.map_err(PrepareArtifact::Fetch)?;
        if let Some(total) = open.total_bytes {
            if total > self.request.max_bytes {
                let limit = settings.max_store_bytes;
                return Err(PrepareArtifact::StoreFull { bytes: total, used, limit });
            }
            check_room(part, total.saturating_sub(open.starts_at), settings)?;
        }
        self.write(part, open, used, settings).await
    }

    async fn write(
        &self,
        part: &Path,
        mut open: OpenArtifact,
        used: u64,
        settings: &PrepareSettings,
    ) -> Result<(), PrepareArtifact> {
        let failed = |source| PrepareArtifact::io("write", part, source);
        let mut file =
            File::options().create(true).append(true).open(part).await.map_err(failed)?;
        // A source that does not go on from there sends all of it again, or from before.
        file.set_len(open.starts_at.min(self.request.from_byte)).await.map_err(failed)?;
        let mut length = open.starts_at;
        while let Some(chunk) = open.body.chunk().await.map_err(PrepareArtifact::Fetch)? {
            length = length.saturating_add(chunk.len() as u64);
            if length > self.request.max_bytes {
                let limit = settings.max_store_bytes;
                return Err(PrepareArtifact::StoreFull { bytes: length, used, limit });
            }
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)
    }

    async fn is_complete(&self, part: &Path) -> Result<bool, PrepareArtifact> {
        if !part.is_file() {
            return Ok(false);
        }
        Ok(self.digest_of(part).await? == self.digest)
    }

    async fn digest_of(&self, path: &Path) -> Result<String, PrepareArtifact> {
        digest_of(path, self.algorithm).await
    }

    async fn store_bytes(&self) -> Result<u64, PrepareArtifact> {
        let store = self.store.to_owned();
        blocking::run(move |_| folder_bytes(&store))
            .await
            .map_err(|source| PrepareArtifact::io("measure", self.store, source))
    }

    async fn put_in_place(&self, part: &Path) -> Result<(), PrepareArtifact> {
        let (part, path, mode) = (part.to_owned(), self.path.to_owned(), self.mode);
        blocking::run(move |_| {
            set_mode(&part, mode).map_err(PrepareArtifact::Write)?;
            std::fs::rename(&part, &path)
                .map_err(|source| PrepareArtifact::io("put in place", &path, source))?;
            sync_dir(path.parent().unwrap_or(&path)).map_err(PrepareArtifact::Write)
        })
        .await
    }
}

pub(super) async fn digest_of(
    path: &Path,
    algorithm: &'static ring::digest::Algorithm,
) -> Result<String, PrepareArtifact> {
    let owned = path.to_owned();
    blocking::run(move |cancelled| digest::of_file(&owned, algorithm, cancelled))
        .await
        .map_err(|source| PrepareArtifact::io("read", path, source))
}

/// Where a file is while it is not complete.
fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{UNFINISHED}{name}"))
}

async fn remove(path: &Path) -> Result<(), PrepareArtifact> {
    match fs::remove_file(path).await {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(PrepareArtifact::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// The disk must keep its reserve after `bytes` more.
fn check_room(path: &Path, bytes: u64, settings: &PrepareSettings) -> Result<(), PrepareArtifact> {
    let folder = path.parent().unwrap_or(path);
    let free =
        free_bytes(folder).map_err(|source| PrepareArtifact::io("measure", folder, source))?;
    if free < settings.min_free_bytes.saturating_add(bytes) {
        let reserve = settings.min_free_bytes;
        return Err(PrepareArtifact::DiskFull { bytes, free, reserve });
    }
    Ok(())
}
