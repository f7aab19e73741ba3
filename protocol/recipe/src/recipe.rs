//! The typed recipe (recipes and deployments, A1).

use std::collections::BTreeMap;

use marram_model::{ComponentName, Requirement, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::platform::Template;

/// One version of a component, as its author described it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The component.
    pub component_name: ComponentName,
    /// Its version.
    pub component_version: Version,
    /// What kind of component it is.
    pub component_type: ComponentType,
    /// For people.
    pub component_description: Option<String>,
    /// For people.
    pub component_publisher: Option<String>,
    /// The Lambda function version that it was made from.
    pub component_source: Option<String>,
    /// The configuration that holds where nothing else was set.
    pub default_configuration: Map<String, Value>,
    /// What must be on the device with it.
    pub dependencies: BTreeMap<ComponentName, Dependency>,
    /// Platforms in the order of preference.
    pub manifests: Vec<Manifest>,
    /// The lifecycle of manifests that have none of their own.
    pub lifecycle: Map<String, Value>,
}

/// What kind of component a recipe describes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentType {
    /// Runs scripts.
    #[default]
    Generic,
    /// Runs a Lambda function.
    Lambda,
    /// Runs within the nucleus.
    Plugin,
    /// Is the nucleus.
    Nucleus,
}

impl ComponentType {
    pub(crate) const ALL: [Self; 4] = [Self::Generic, Self::Lambda, Self::Plugin, Self::Nucleus];

    /// The word in recipes and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "aws.greengrass.generic",
            Self::Lambda => "aws.greengrass.lambda",
            Self::Plugin => "aws.greengrass.plugin",
            Self::Nucleus => "aws.greengrass.nucleus",
        }
    }

    /// The word in the device's configuration, `services.<name>.componentType`.
    pub fn config_word(self) -> &'static str {
        match self {
            Self::Generic => "GENERIC",
            Self::Lambda => "LAMBDA",
            Self::Plugin => "PLUGIN",
            Self::Nucleus => "NUCLEUS",
        }
    }
}

/// A component that must be on the device too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Which versions of it will do.
    pub requirement: Requirement,
    /// Whether order matters.
    pub dependency_type: DependencyType,
}

/// Whether a dependent waits for its dependency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DependencyType {
    /// It starts after, and restarts with, its dependency.
    #[default]
    Hard,
    /// It only needs it to be installed.
    Soft,
}

impl DependencyType {
    pub(crate) const ALL: [Self; 2] = [Self::Hard, Self::Soft];

    /// The word in recipes and in the device's configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "HARD",
            Self::Soft => "SOFT",
        }
    }
}

/// What holds for one platform.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    /// For people.
    pub name: Option<String>,
    /// Which devices it is for; absent or empty means all.
    pub platform: Option<Template>,
    /// If not empty, it replaces the recipe's lifecycle.
    pub lifecycle: Map<String, Value>,
    /// Keywords that choose within the recipe's lifecycle, in the order of preference.
    pub selections: Vec<String>,
    /// Files to bring to the device.
    pub artifacts: Vec<Artifact>,
}

/// A file that a component needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// `s3://bucket/key`, `greengrass:name`, …
    pub uri: String,
    /// Standard padded base64 of its hash.
    pub digest: Option<String>,
    /// How the digest was made, for example `SHA-256`.
    pub algorithm: Option<String>,
    /// Whether it is an archive to unpack.
    pub unarchive: Unarchive,
    /// Who may do what with it.
    pub permission: Permission,
}

/// Whether an artifact is an archive to unpack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unarchive {
    /// It is left as it is.
    #[default]
    None,
    /// It is a ZIP file.
    Zip,
}

impl Unarchive {
    pub(crate) const ALL: [Self; 2] = [Self::None, Self::Zip];

    /// The word in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Zip => "ZIP",
        }
    }
}

/// Who may read and execute an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Who may read it.
    pub read: Audience,
    /// Who may execute it.
    pub execute: Audience,
}

impl Default for Permission {
    fn default() -> Self {
        Self { read: Audience::Owner, execute: Audience::None }
    }
}

/// Who may do something with an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Nobody.
    None,
    /// The user and group that the component runs as.
    Owner,
    /// Everybody on the device.
    All,
}

impl Audience {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Owner, Self::All];

    /// The word in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Owner => "OWNER",
            Self::All => "ALL",
        }
    }
}
