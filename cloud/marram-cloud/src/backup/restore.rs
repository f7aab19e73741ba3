//! Making a cloud from a back-up, while none runs there.
//!
//! Everything is checked and put beside the target first, and then takes its place in one rename;
//! on PostgreSQL the store is filled in one transaction just before. What was there stays beside
//! it.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use marram_os::file::{WriteFile, create_dir_all_mode};
use marram_store::{Database, DumpStore, OpenStore, Store};

use super::archive::{self, ReadArchive};
use crate::cloud::DATABASE_FILE;

/// Why a cloud could not be restored; what was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreCloud {
    /// The data directory holds something.
    #[error("--data {}: is not empty: choose an empty directory, or give --replace", .0.display())]
    NotEmpty(PathBuf),
    /// A cloud runs there.
    #[error("--data {}: cannot be replaced", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who uses it.
        #[source]
        source: Box<OpenStore>,
    },
    /// The archive.
    #[error("the back-up {} cannot be used", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ReadArchive,
    },
    /// The store.
    #[error("the store cannot be restored")]
    Store(#[from] DumpStore),
    /// A folder cannot be made.
    #[error("cannot make a folder")]
    Folder(#[from] WriteFile),
    /// A file or folder cannot be read or moved.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// Whose cloud it is.
    pub account_id: String,
    /// Where what was in the data directory is now, if anything was.
    pub kept: Option<PathBuf>,
}

/// Makes the data directory, and the database if that is not in it, what the archive says.
///
/// # Errors
/// See [`RestoreCloud`].
pub async fn restore(
    archive: &Path,
    data: &Path,
    database: Option<Database>,
    replace: bool,
) -> Result<Restored, RestoreCloud> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreCloud::Io { path, source }
    };
    let data = std::path::absolute(data).map_err(at(data))?;
    let holds_something = fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something && !replace {
        return Err(RestoreCloud::NotEmpty(data));
    }
    // Held until the end, so that no cloud starts there meanwhile.
    let _lock =
        match holds_something {
            true => Some(marram_store::lock_file(&data.join(DATABASE_FILE)).map_err(|source| {
                RestoreCloud::InUse { path: data.clone(), source: source.into() }
            })?),
            false => None,
        };
    let staged = Staged::create(&data)?;
    let about = archive::extract(archive, &staged.0)
        .map_err(|source| RestoreCloud::Archive { path: archive.to_owned(), source })?;
    let dump_file = staged.0.join(archive::STORE);
    let dump = File::open(&dump_file).map_err(at(&dump_file))?;
    let target = database.unwrap_or_else(|| Database::from(staged.0.join(DATABASE_FILE)));
    Store::restore(target, &mut BufReader::new(dump), replace).await?;
    fs::remove_file(&dump_file).map_err(at(&dump_file))?;

    let mut kept = None;
    if data.exists() {
        let aside = beside(&data, "before-restore");
        fs::rename(&data, &aside).map_err(at(&data))?;
        match holds_something {
            true => kept = Some(aside),
            false => fs::remove_dir(&aside).map_err(at(&aside))?,
        }
    }
    fs::rename(&staged.0, &data).map_err(at(&data))?;
    Ok(Restored { account_id: about.account_id, kept })
}

/// The folder beside the target; removed when dropped, unless it took the target's place.
#[derive(Debug)]
struct Staged(PathBuf);

impl Staged {
    fn create(data: &Path) -> Result<Self, RestoreCloud> {
        let staged = Self(beside(data, "restoring"));
        create_dir_all_mode(&staged.0, 0o700)?;
        Ok(staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone where it took the target's place.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `DATA.WHAT-ID`, on the same file system.
fn beside(data: &Path, what: &str) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(format!(".{what}-{}", uuid::Uuid::new_v4().simple()));
    PathBuf::from(name)
}
