//! The package store: recipes and artifacts of the component versions on this device.
//!
//! Layout and names are Greengrass's (recipes and deployments, A5 and C1). Everything appears
//! under its final name only when it is complete: recipes, artifacts and unpacked archives are
//! made beside their place and renamed. So a kill at any instruction leaves what was there
//! before, and a part of a download is gone on with, never run.

mod archive;
mod artifact;
pub(crate) mod blocking;
mod digest;
mod download;
mod import;
mod prepare;
mod recipes;
mod retry;
pub mod source;
mod unarchive;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use marram_model::{ComponentName, Version};
use marram_os::file::{WriteFile, create_dir_all_mode};

pub use archive::{Unarchive, unpack_archive};
pub use artifact::ParseArtifactUri;
pub use import::ImportFolder;
pub use prepare::{PrepareArtifact, PrepareArtifacts, PrepareSettings};
pub use recipes::{LoadRecipe, Metadata, PlatformRecipe, StoreRecipe};
pub use retry::RetryPolicy;

use crate::paths::NucleusPaths;

/// Mode of the folders that components may look into.
const OPEN_FOLDER: u32 = 0o755;
/// Mode of the folders that only the nucleus may look into.
const PRIVATE_FOLDER: u32 = 0o700;

/// Beginning of the names of what is not complete yet.
const UNFINISHED: &str = ".unfinished-";

/// The recipes and artifacts on this device. Clones are the same store.
#[derive(Debug, Clone)]
pub struct PackageStore {
    paths: NucleusPaths,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the package store cannot be opened")]
pub struct OpenStore(#[source] WriteFile);

/// Why stale versions could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be removed from the package store", path.display())]
pub struct CleanUp {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl PackageStore {
    /// Opens the store, making its folders where they are missing.
    pub fn open(paths: &NucleusPaths) -> Result<Self, OpenStore> {
        create_dir_all_mode(&paths.recipes(), PRIVATE_FOLDER).map_err(OpenStore)?;
        for folder in [paths.artifacts_root(), paths.unarchived_root()] {
            create_dir_all_mode(&folder, OPEN_FOLDER).map_err(OpenStore)?;
        }
        // Components reach their artifacts through it, so it must not keep the recipes' mode.
        create_dir_all_mode(&paths.packages(), OPEN_FOLDER).map_err(OpenStore)?;
        Ok(Self { paths: paths.clone() })
    }

    /// Removes every version that is not in `keep`: recipe, artifacts and unpacked archives, and
    /// what unfinished work left. Must not run beside [`PackageStore::prepare_artifacts`].
    /// Blocks on the disk.
    pub fn clean_up(
        &self,
        keep: &BTreeMap<ComponentName, BTreeSet<Version>>,
    ) -> Result<(), CleanUp> {
        self.clean_up_recipes(keep)?;
        for root in [self.paths.artifacts_root(), self.paths.unarchived_root()] {
            for component in children(&root)? {
                let versions = keep.get(name_of(&component));
                for version in children(&component)? {
                    let text = name_of(&version);
                    let stays = versions.is_some_and(|v| v.iter().any(|v| v.to_string() == text));
                    if !stays {
                        remove(&version)?;
                    }
                }
                if versions.is_none() {
                    remove(&component)?;
                }
            }
        }
        Ok(())
    }

    fn clean_up_recipes(
        &self,
        keep: &BTreeMap<ComponentName, BTreeSet<Version>>,
    ) -> Result<(), CleanUp> {
        let stems: BTreeSet<String> = keep
            .iter()
            .flat_map(|(name, versions)| versions.iter().map(|v| recipes::stem(name, v)))
            .collect();
        for file in children(&self.paths.recipes())? {
            let name = name_of(&file);
            let stem = name.strip_suffix(recipes::RECIPE_SUFFIX);
            let stem = stem.or_else(|| name.strip_suffix(recipes::METADATA_SUFFIX));
            if !stem.is_some_and(|stem| stems.contains(stem)) {
                remove(&file)?;
            }
        }
        Ok(())
    }
}

/// What is in a folder; nothing if there is no such folder.
fn children(folder: &Path) -> Result<Vec<PathBuf>, CleanUp> {
    let failed = |source| CleanUp { path: folder.to_owned(), source };
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// Bytes of all files below a folder. Files that vanish meanwhile do not count.
fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                bytes = bytes.saturating_add(metadata.len());
            }
        }
    }
    Ok(bytes)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn remove(path: &Path) -> Result<(), CleanUp> {
    let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let removed =
        if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(CleanUp { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
