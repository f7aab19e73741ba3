//! Makes a component version ready to run: artifacts fetched, checked, unpacked, protected.

use std::io;
use std::path::{Path, PathBuf};

use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};
use marram_os::file::{WriteFile, create_dir_all_mode, set_mode};
use marram_recipe::{Artifact, Audience, Manifest, Permission, Recipe};

use super::archive::Unarchive;
use super::artifact::{Location, ParseArtifactUri, locate, unarchived_name};
use super::download::{Wanted, digest_of};
use super::recipes::LoadRecipe;
use super::retry::RetryPolicy;
use super::source::{ArtifactRequest, ArtifactSource, FetchArtifact};
use super::unarchive::Unpacking;
use super::{CleanUp, OPEN_FOLDER, PackageStore, blocking, digest};

/// What bounds the preparation of artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareSettings {
    /// `componentStoreMaxSizeBytes`: what recipes, artifacts and unpacked archives may take
    /// together, in bytes (`nucleus: componentmanager/ComponentStore.java`, `getContentSize`).
    pub max_store_bytes: u64,
    /// Bytes of the disk that stay free.
    pub min_free_bytes: u64,
    /// How often and how soon downloads are tried again.
    pub retry: RetryPolicy,
}

impl Default for PrepareSettings {
    /// Greengrass's: 10 GB for the store, 20 MiB free.
    fn default() -> Self {
        Self {
            max_store_bytes: 10_000_000_000,
            min_free_bytes: 20 * 1024 * 1024,
            retry: RetryPolicy::default(),
        }
    }
}

/// Why a component version cannot be made ready.
#[derive(Debug, thiserror::Error)]
#[error("{} of {component} {version} cannot be made ready", what(artifact.as_deref()))]
pub struct PrepareArtifacts {
    /// The component.
    pub component: ComponentName,
    /// Its version.
    pub version: Version,
    /// The artifact's URI as the recipe has it; absent if their folders are in the way.
    pub artifact: Option<String>,
    /// What is in the way.
    #[source]
    pub cause: PrepareArtifact,
}

fn what(artifact: Option<&str>) -> String {
    artifact.map_or_else(|| "the folders".to_owned(), |uri| format!("artifact `{uri}`"))
}

impl PrepareArtifacts {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        self.cause.error_codes()
    }
}

/// Why one artifact cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareArtifact {
    /// Its URI.
    #[error("its URI cannot be used")]
    Uri(#[source] ParseArtifactUri),
    /// It must be fetched, and the recipe does not say how to check it.
    #[error("its recipe has no `Algorithm`: create the component version again in the cloud")]
    NoAlgorithm,
    /// A hash that we do not have.
    #[error("its hash `{0}` is not known: use SHA-256")]
    UnknownAlgorithm(String),
    /// What came is not what the recipe describes.
    #[error(
        "its digest is {actual}, but the recipe says {expected} ({attempts} attempts): create \
         the component version again for a changed artifact"
    )]
    Checksum {
        /// Of the recipe.
        expected: String,
        /// Of what came last.
        actual: String,
        /// How often it came.
        attempts: u32,
    },
    /// The store's limit.
    #[error(
        "its {bytes} bytes with the {used} that the store has are more than \
         componentStoreMaxSizeBytes ({limit}): raise it, or remove components"
    )]
    StoreFull {
        /// Its size.
        bytes: u64,
        /// What else is in the store.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk's limit.
    #[error("its {bytes} bytes do not fit: {free} are free and {reserve} must stay so; make room")]
    DiskFull {
        /// Its size, as far as it is known.
        bytes: u64,
        /// What the disk has.
        free: u64,
        /// What must stay.
        reserve: u64,
    },
    /// It did not come.
    #[error("it did not come")]
    Fetch(#[source] FetchArtifact),
    /// It came, but cannot be unpacked.
    #[error("it cannot be unpacked")]
    Unarchive(#[source] Unarchive),
    /// The ARN that its source needs cannot be read.
    #[error("its component's metadata cannot be read")]
    Metadata(#[source] LoadRecipe),
    /// The disk refused.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The disk refused.
    #[error("its file cannot be written")]
    Write(#[source] WriteFile),
    /// What an earlier attempt left cannot be removed.
    #[error("what an earlier attempt left is in the way")]
    CleanUp(#[source] CleanUp),
}

impl PrepareArtifact {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    fn error_codes(&self) -> Vec<ErrorCode> {
        use ErrorCode as Code;
        match self {
            Self::Uri(error) => vec![Code::ComponentPackageLoadingError, error.error_code()],
            Self::NoAlgorithm => {
                vec![Code::ArtifactDownloadError, Code::RecipeMissingArtifactHashAlgorithm]
            }
            Self::UnknownAlgorithm(_) => {
                vec![Code::ArtifactDownloadError, Code::HashingAlgorithmUnavailable]
            }
            Self::Checksum { .. } => {
                vec![Code::ArtifactDownloadError, Code::ArtifactChecksumMismatch]
            }
            Self::StoreFull { .. } | Self::DiskFull { .. } => {
                vec![Code::ComponentPackageLoadingError, Code::DiskSpaceCritical]
            }
            Self::Fetch(error) => {
                let mut codes = vec![Code::ArtifactDownloadError];
                codes.extend(error.codes.iter().cloned());
                codes
            }
            Self::Unarchive(_) => vec![Code::IoError, Code::IoUnzipError],
            Self::Metadata(error) => error.error_codes(),
            Self::Io { .. } | Self::Write(_) | Self::CleanUp(_) => {
                vec![Code::IoError, Code::IoWriteError]
            }
        }
    }
}

impl PackageStore {
    /// Brings all artifacts of a manifest to the device and unpacks them.
    ///
    /// What is here and right stays. Ends only when all is done, something cannot be helped, or
    /// `settings.retry` is used up; dropping the future ends it at any time, and the next call
    /// goes on from there.
    pub async fn prepare_artifacts(
        &self,
        recipe: &Recipe,
        manifest: &Manifest,
        source: &dyn ArtifactSource,
        settings: &PrepareSettings,
    ) -> Result<(), PrepareArtifacts> {
        let (component, version) = (&recipe.component_name, &recipe.component_version);
        let failed = |artifact: Option<&Artifact>, cause| PrepareArtifacts {
            component: component.clone(),
            version: version.clone(),
            artifact: artifact.map(|artifact| artifact.uri.clone()),
            cause,
        };
        for folder in
            [self.paths.artifacts(component, version), self.paths.unarchived(component, version)]
        {
            make_version_folder(&folder).map_err(|cause| failed(None, cause))?;
        }
        for artifact in &manifest.artifacts {
            let one = OneArtifact { store: self, component, version, artifact, settings };
            one.prepare(source).await.map_err(|cause| failed(Some(artifact), cause))?;
        }
        Ok(())
    }
}

/// A folder `<root>/<component>/<version>`, open to look into on both levels.
fn make_version_folder(folder: &Path) -> Result<(), PrepareArtifact> {
    if let Some(component) = folder.parent() {
        create_dir_all_mode(component, OPEN_FOLDER).map_err(PrepareArtifact::Write)?;
    }
    create_dir_all_mode(folder, OPEN_FOLDER).map_err(PrepareArtifact::Write)
}

struct OneArtifact<'a> {
    store: &'a PackageStore,
    component: &'a ComponentName,
    version: &'a Version,
    artifact: &'a Artifact,
    settings: &'a PrepareSettings,
}

impl OneArtifact<'_> {
    async fn prepare(&self, source: &dyn ArtifactSource) -> Result<(), PrepareArtifact> {
        let location = locate(&self.artifact.uri).map_err(PrepareArtifact::Uri)?;
        let folder = self.store.paths.artifacts(self.component, self.version);
        let path = folder.join(&location.file_name);
        if self.is_here(&path).await? {
            set_mode(&path, self.mode()).map_err(PrepareArtifact::Write)?;
        } else {
            self.fetch(&path, &location, source).await?;
        }
        match self.artifact.unarchive {
            marram_recipe::Unarchive::None => Ok(()),
            marram_recipe::Unarchive::Zip => self.unarchive(&path, &location.file_name).await,
        }
    }

    /// Whether the file is here and right. One without a digest came with a local recipe.
    async fn is_here(&self, path: &Path) -> Result<bool, PrepareArtifact> {
        if !path.is_file() {
            return Ok(false);
        }
        match (&self.artifact.digest, &self.artifact.algorithm) {
            (Some(expected), Some(name)) => {
                let algorithm = known_algorithm(name)?;
                Ok(digest_of(path, algorithm).await? == *expected)
            }
            _ => Ok(true),
        }
    }

    async fn fetch(
        &self,
        path: &Path,
        location: &Location,
        source: &dyn ArtifactSource,
    ) -> Result<(), PrepareArtifact> {
        let name = self.artifact.algorithm.as_deref().ok_or(PrepareArtifact::NoAlgorithm)?;
        let algorithm = known_algorithm(name)?;
        let metadata = self.store.load_metadata(self.component, self.version);
        let request = ArtifactRequest {
            uri: location.uri.clone(),
            component_arn: metadata.map_err(PrepareArtifact::Metadata)?.component_version_arn,
            from_byte: 0,
            max_bytes: self.settings.max_store_bytes,
        };
        let wanted = Wanted {
            path,
            request,
            algorithm,
            // No digest equals the empty one: it counts as a mismatch, as in Greengrass.
            digest: self.artifact.digest.as_deref().unwrap_or_default(),
            mode: self.mode(),
            store: &self.store.paths.packages(),
        };
        wanted.fetch(source, self.settings).await
    }

    async fn unarchive(&self, archive: &Path, file_name: &str) -> Result<(), PrepareArtifact> {
        let unpacking = Unpacking {
            archive: archive.to_owned(),
            root: self.store.paths.unarchived(self.component, self.version),
            stem: unarchived_name(file_name).to_owned(),
            mode: self.mode(),
            store: self.store.paths.packages(),
            max_store_bytes: self.settings.max_store_bytes,
            min_free_bytes: self.settings.min_free_bytes,
        };
        blocking::run(move |cancelled| unpacking.run(cancelled)).await
    }

    fn mode(&self) -> u32 {
        mode_of(self.artifact.permission, marram_os::user::is_root())
    }
}

fn known_algorithm(name: &str) -> Result<&'static ring::digest::Algorithm, PrepareArtifact> {
    digest::algorithm(name).ok_or_else(|| PrepareArtifact::UnknownAlgorithm(name.to_owned()))
}

/// Permission bits of an artifact's files (A5.4). A nucleus that is not root keeps the right to
/// write: it could not remove or replace the file otherwise.
fn mode_of(permission: Permission, is_root: bool) -> u32 {
    let mode = match (permission.read, permission.execute) {
        (_, Audience::All) => 0o555,
        (Audience::All, Audience::Owner) => 0o554,
        (_, Audience::Owner) => 0o550,
        (Audience::All, Audience::None) => 0o444,
        (Audience::Owner, Audience::None) => 0o440,
        (Audience::None, Audience::None) => 0o400,
    };
    if is_root { mode } else { mode | 0o200 }
}

#[cfg(test)]
mod tests;
