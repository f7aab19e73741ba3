//! Where things are under a core device's root folder: the layout of Greengrass.
//!
//! Source: recipes-and-deployments C1 (`nucleus: util/NucleusPaths.java`).

use std::path::{Path, PathBuf};

use marram_model::{ComponentName, Version};

/// The folders and files of one core device's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NucleusPaths {
    root: PathBuf,
}

impl NucleusPaths {
    /// Paths under `root`, which must be absolute: components get them as they are.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself: `{kernel:rootPath}`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config/`: the journal, `config.yaml` (input) and `effectiveConfig.yaml` (output).
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    /// `config/config.yaml`: read at the first start only.
    pub fn config_yaml(&self) -> PathBuf {
        self.config().join("config.yaml")
    }

    /// `packages/`: the component store, whose size `componentStoreMaxSizeBytes` limits.
    pub fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    /// `packages/recipes/`.
    pub fn recipes(&self) -> PathBuf {
        self.packages().join("recipes")
    }

    /// `packages/artifacts/`.
    pub fn artifacts_root(&self) -> PathBuf {
        self.packages().join("artifacts")
    }

    /// `packages/artifacts-unarchived/`.
    pub fn unarchived_root(&self) -> PathBuf {
        self.packages().join("artifacts-unarchived")
    }

    /// `{artifacts:path}` of one component version.
    pub fn artifacts(&self, component: &ComponentName, version: &Version) -> PathBuf {
        self.artifacts_root().join(component.as_ref()).join(version.to_string())
    }

    /// `{artifacts:decompressedPath}` of one component version.
    pub fn unarchived(&self, component: &ComponentName, version: &Version) -> PathBuf {
        self.unarchived_root().join(component.as_ref()).join(version.to_string())
    }

    /// `{work:path}`: the component's working folder, which survives its removal.
    pub fn work(&self, component: &ComponentName) -> PathBuf {
        self.root.join("work").join(component.as_ref())
    }

    /// `work/aws.greengrass.DiskSpooler/`: components' messages to AWS IoT Core that wait, and those
    /// that were given up.
    pub fn spool(&self) -> PathBuf {
        self.root.join("work/aws.greengrass.DiskSpooler")
    }

    /// `logs/`: `greengrass.log` and one file per component.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// `telemetry/`: what components have measured.
    pub fn telemetry(&self) -> PathBuf {
        self.root.join("telemetry")
    }

    /// `deployments/`.
    pub fn deployments(&self) -> PathBuf {
        self.root.join("deployments")
    }

    /// `cli_ipc_info/`: the tokens of people who use the device.
    pub fn cli_ipc_info(&self) -> PathBuf {
        self.root.join("cli_ipc_info")
    }

    /// The IPC socket, unless `system.ipcSocketPath` names another.
    pub fn ipc_socket(&self) -> PathBuf {
        self.root.join("ipc.socket")
    }
}
