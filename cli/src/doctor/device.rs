//! The device that is looked at: its configuration and identity, read as the nucleus reads them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marram_nucleus::cloud::CloudSettings;
use marram_nucleus::config::{ConfigStore, OpenConfig};
use marram_nucleus::paths::NucleusPaths;
use marram_os::clock::{SharedClock, SystemClock};
use marram_telemetry::Chain;
use serde_json::Value;

use super::check::Finding;

/// What all checks of a device share.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) paths: NucleusPaths,
    pub(super) config: Result<ConfigStore, OpenConfig>,
    pub(super) clock: SharedClock,
}

impl Device {
    pub(super) fn open(root: &Path) -> Self {
        let (paths, clock) = (NucleusPaths::new(root), SystemClock::shared());
        let config = ConfigStore::look(&paths, Arc::clone(&clock));
        Self { paths, config, clock }
    }

    /// The configuration, or why a check that needs it has nothing to look at.
    pub(super) fn config(&self) -> Result<&ConfigStore, Finding> {
        self.config.as_ref().map_err(|_| {
            Finding::skipped("the configuration cannot be read: see the check `configuration`")
        })
    }

    /// How the device reaches its cloud.
    pub(super) fn settings(&self) -> Result<CloudSettings, Finding> {
        CloudSettings::from_config(self.config()?)
            .ok_or_else(|| Finding::skipped("the configuration names no cloud"))
    }

    /// TLS with the device's identity, as the nucleus sets it up.
    pub(super) fn tls(
        settings: &CloudSettings,
        alpn: &[&[u8]],
    ) -> Result<Arc<rustls::ClientConfig>, Finding> {
        settings.tls(alpn).map(Arc::new).map_err(|error| {
            Finding::skipped(format!("the device's identity cannot be used: {}", Chain(&error)))
        })
    }

    /// A text of the nucleus's own configuration.
    pub(super) fn nucleus_text(&self, path: &[&str]) -> Option<String> {
        let config = self.config.as_ref().ok()?;
        let own = ["services", "aws.greengrass.Nucleus", "configuration"];
        match config.get(&[&own, path].concat())? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The process that has the root folder in use.
    pub(super) fn nucleus_process(&self) -> io::Result<Option<u32>> {
        match marram_os::lock::holder(&self.paths.root().join(".lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            holder => holder,
        }
    }

    /// Whether a nucleus uses this root folder. The process of one in another container is not seen,
    /// but its socket is in the folder that both see.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.nucleus_process(), Ok(None))
            || UnixStream::connect(self.ipc_socket()).is_ok()
    }

    fn ipc_socket(&self) -> PathBuf {
        let configured =
            self.config.as_ref().ok().and_then(|c| c.get(&["system", "ipcSocketPath"]));
        let configured =
            configured.as_ref().and_then(Value::as_str).filter(|path| !path.is_empty());
        configured.map_or_else(|| self.paths.ipc_socket(), PathBuf::from)
    }

    /// The user that the nucleus runs as: that of its process, or else the owner of its folder.
    pub(super) fn nucleus_uid(&self) -> io::Result<u32> {
        if let Ok(Some(process)) = self.nucleus_process()
            && let Ok(metadata) = fs::metadata(format!("/proc/{process}"))
        {
            return Ok(metadata.uid());
        }
        fs::metadata(self.paths.root()).map(|metadata| metadata.uid())
    }
}
