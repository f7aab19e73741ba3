//! Recipe files and their metadata.

use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marram_model::error_code::ErrorCode;
use marram_model::{ComponentName, Version};
use marram_os::file::{WriteFile, write_atomically};
use marram_recipe::platform::Attributes;
use marram_recipe::{Format, Manifest, ParseRecipe, Recipe, Strictness};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::PackageStore;

pub(super) const RECIPE_SUFFIX: &str = ".recipe.yaml";
pub(super) const METADATA_SUFFIX: &str = ".metadata.json";

/// Mode of recipes: they may tell secrets of their component.
const FILE_MODE: u32 = 0o600;

/// What the store knows of a component version beside its recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The component version's ARN; absent for local components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_version_arn: Option<String>,
}

/// Why a recipe could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreRecipe {
    /// It cannot be written as YAML.
    #[error("the recipe of {component} {version} cannot be kept: {reason}")]
    Format {
        /// The component.
        component: ComponentName,
        /// The version.
        version: Version,
        /// What the writer objects to.
        reason: String,
    },
    /// The disk refused.
    #[error("the recipe of a component cannot be kept")]
    Write(#[source] WriteFile),
}

impl StoreRecipe {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        vec![ErrorCode::IoError, ErrorCode::IoWriteError]
    }
}

/// Why a recipe could not be read from the store.
#[derive(Debug, thiserror::Error)]
pub enum LoadRecipe {
    /// It is not there.
    #[error("there is no recipe of {component} {version} on this device")]
    NotFound {
        /// The component.
        component: ComponentName,
        /// The version.
        version: Version,
    },
    /// The disk refused.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is no recipe any more.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ParseRecipe,
    },
    /// It has no manifest at all.
    #[error("the recipe of {component} {version} has no manifest: add one to it")]
    NoManifest {
        /// The component.
        component: ComponentName,
        /// The version.
        version: Version,
    },
    /// It has none for this device.
    #[error(
        "the recipe of {component} {version} has no manifest for this device ({attributes}): \
         add one, or do not deploy it here"
    )]
    NoPlatform {
        /// The component.
        component: ComponentName,
        /// The version.
        version: Version,
        /// What the device is.
        attributes: String,
    },
    /// The metadata beside it is damaged.
    #[error("`{}` is damaged", path.display())]
    DamagedMetadata {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl LoadRecipe {
    /// The codes that a deployment reports for it, after `DEPLOYMENT_FAILURE`.
    pub fn error_codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::NotFound { .. } | Self::NoPlatform { .. } => {
                vec![ErrorCode::LocalRecipeNotFound]
            }
            Self::NoManifest { .. } => vec![ErrorCode::RecipeMissingManifest],
            Self::Read { .. } => vec![ErrorCode::IoError, ErrorCode::IoReadError],
            Self::Damaged { .. } => vec![ErrorCode::LocalRecipeCorrupted],
            Self::DamagedMetadata { .. } => vec![ErrorCode::RecipeMetadataParseError],
        }
    }
}

/// What a recipe is on this device.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformRecipe {
    /// The whole recipe.
    pub recipe: Recipe,
    /// The manifest for this device.
    pub manifest: Manifest,
    /// The lifecycle for this device, its variables not filled in.
    pub lifecycle: Map<String, Value>,
}

impl PackageStore {
    /// The recipe of a version, as it is on a device with these attributes. Blocks on the disk.
    pub fn recipe_for_platform(
        &self,
        component: &ComponentName,
        version: &Version,
        attributes: &Attributes,
    ) -> Result<PlatformRecipe, LoadRecipe> {
        let recipe = self.load_recipe(component, version)?;
        let (component, version) = (component.clone(), version.clone());
        if recipe.manifests.is_empty() {
            return Err(LoadRecipe::NoManifest { component, version });
        }
        let Some(selected) = recipe.select(attributes) else {
            let attributes: Vec<String> =
                attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let attributes = attributes.join(", ");
            return Err(LoadRecipe::NoPlatform { component, version, attributes });
        };
        let (manifest, lifecycle) = (selected.manifest.clone(), selected.lifecycle);
        Ok(PlatformRecipe { recipe, manifest, lifecycle })
    }

    /// Keeps a recipe, durably. Blocks on the disk.
    pub fn save_recipe(&self, recipe: &Recipe, metadata: &Metadata) -> Result<(), StoreRecipe> {
        let format = |reason: String| StoreRecipe::Format {
            component: recipe.component_name.clone(),
            version: recipe.component_version.clone(),
            reason,
        };
        let yaml = recipe.to_yaml().map_err(|error| format(error.to_string()))?;
        let json = serde_json::to_vec(metadata).map_err(|error| format(error.to_string()))?;
        let (name, version) = (&recipe.component_name, &recipe.component_version);
        // The recipe makes the version visible, so its metadata must be there before it.
        let path = self.recipe_file(name, version, METADATA_SUFFIX);
        write_atomically(&path, &json, FILE_MODE).map_err(StoreRecipe::Write)?;
        let path = self.recipe_file(name, version, RECIPE_SUFFIX);
        write_atomically(&path, yaml.as_bytes(), FILE_MODE).map_err(StoreRecipe::Write)
    }

    /// The recipe of a version. Blocks on the disk.
    pub fn load_recipe(
        &self,
        component: &ComponentName,
        version: &Version,
    ) -> Result<Recipe, LoadRecipe> {
        let path = self.recipe_file(component, version, RECIPE_SUFFIX);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (component, version) = (component.clone(), version.clone());
                return Err(LoadRecipe::NotFound { component, version });
            }
            Err(source) => return Err(LoadRecipe::Read { path, source }),
        };
        marram_recipe::parse(&bytes, Format::Yaml, Strictness::Device)
            .map_err(|source| LoadRecipe::Damaged { path, source })
    }

    /// What is known of a version beside its recipe; nothing if there is no such file. Blocks on
    /// the disk.
    pub fn load_metadata(
        &self,
        component: &ComponentName,
        version: &Version,
    ) -> Result<Metadata, LoadRecipe> {
        let path = self.recipe_file(component, version, METADATA_SUFFIX);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| LoadRecipe::DamagedMetadata { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Metadata::default()),
            Err(source) => Err(LoadRecipe::Read { path, source }),
        }
    }

    /// The versions of a component whose recipes are here, the highest first. Blocks on the disk.
    pub fn versions_of(&self, component: &ComponentName) -> Result<Vec<Version>, LoadRecipe> {
        let path = self.paths.recipes();
        let failed = |source| LoadRecipe::Read { path: path.clone(), source };
        let prefix = format!("{}@", name_hash(component));
        let mut versions = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let version = name
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(RECIPE_SUFFIX))
                .and_then(|version| version.parse::<Version>().ok());
            versions.extend(version);
        }
        versions.sort_by(|a, b| b.cmp(a));
        Ok(versions)
    }

    fn recipe_file(&self, component: &ComponentName, version: &Version, suffix: &str) -> PathBuf {
        self.paths.recipes().join(format!("{}{suffix}", stem(component, version)))
    }
}

/// The name of a version's files without their suffixes.
pub(super) fn stem(component: &ComponentName, version: &Version) -> String {
    format!("{}@{version}", name_hash(component))
}

/// Base64url of the SHA-256 of the name: names may be longer than file names.
fn name_hash(component: &ComponentName) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, component.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}
