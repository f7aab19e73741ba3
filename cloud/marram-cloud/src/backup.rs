//! Back-ups of a running cloud, in one archive.
//!
//! What one holds belongs to one moment: while the store's one writer is held, all objects get a
//! second name and the store's snapshot begins; then both are read while the cloud goes on. A
//! component whose artifact was being made is in both or in neither.

pub(crate) mod archive;
pub(crate) mod restore;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use marram_api::{BackingUp, Backups};
use marram_aws::ApiError;
use marram_blobs::{AccessBlob, Blobs};
use marram_model::arn::Account;
use marram_os::clock::SharedClock;
use marram_os::file::{WriteFile, create_dir_all_mode};
use marram_store::{DumpStore, Store, StoreError};

use archive::WriteArchive;

/// What folders of back-ups under way begin with, in the data directory.
const FOLDER: &str = "backup-";

/// The parts of a cloud that a back-up is made of.
#[derive(Debug)]
pub(crate) struct Backup {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) account: Account,
    pub(crate) clock: SharedClock,
    pub(crate) data: PathBuf,
}

/// Why a back-up could not be made.
#[derive(Debug, thiserror::Error)]
enum MakeBackup {
    #[error("cannot make a folder for it")]
    Folder(#[from] WriteFile),
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    #[error("the objects cannot be read")]
    Blobs(#[from] AccessBlob),
    #[error("the store cannot be written down")]
    Dump(#[from] DumpStore),
    #[error("the archive cannot be written")]
    Archive(#[from] WriteArchive),
    #[error("the archive cannot be written")]
    Io(#[from] io::Error),
}

impl Backups for Backup {
    fn back_up(&self) -> BackingUp<'_> {
        Box::pin(async {
            self.make().await.map_err(|error| {
                ApiError::internal(format!(
                    "the back-up could not be made: {}",
                    marram_telemetry::Chain(&error)
                ))
            })
        })
    }
}

impl Backup {
    async fn make(&self) -> Result<File, MakeBackup> {
        let folder = Folder::create(&self.data)?;
        let writer = self.store.begin().await?;
        let blobs = folder.0.join("blobs");
        self.blobs.snapshot(&blobs).await?;
        let mut snapshot = self.store.read().await?;
        snapshot.schema_version().await?;
        drop(writer);

        let dump = folder.0.join("store.jsonl");
        let mut file = BufWriter::new(File::create_new(&dump)?);
        snapshot.dump(&mut file).await?;
        file.flush()?;
        drop(snapshot);

        let sources = vec![
            (archive::STORE.to_owned(), dump),
            (archive::KEY_FILE.to_owned(), self.data.join(archive::KEY_FILE)),
            ("ca".to_owned(), self.data.join("ca")),
            ("blobs".to_owned(), blobs),
        ];
        let about = archive::About {
            created_at_ms: self.clock.now_ms(),
            account_id: self.account.account_id.clone(),
            region: self.account.region.clone(),
        };
        let path = folder.0.join("archive.zip");
        let written = tokio::task::spawn_blocking(move || {
            archive::write(&path, about, &sources)?;
            // The folder goes once the file is open: what was opened stays readable.
            let file = File::open(&path)?;
            drop(folder);
            Ok(file)
        });
        written.await.map_err(io::Error::other)?
    }
}

/// A folder in the data directory, on its file system; removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create(data: &Path) -> Result<Self, MakeBackup> {
        let folder = Self(data.join(format!("{FOLDER}{}", uuid::Uuid::new_v4())));
        create_dir_all_mode(&folder.0, 0o700)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "cannot remove a back-up's folder");
        }
    }
}

/// Removes what back-ups that were killed left in the data directory.
pub(crate) fn sweep(data: &Path) {
    let Ok(entries) = fs::read_dir(data) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(FOLDER) {
            drop(Folder(entry.path()));
        }
    }
}
