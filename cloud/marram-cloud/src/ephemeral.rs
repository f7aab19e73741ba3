//! A data directory for one run: made in the system's folder for temporary files, and removed.

use std::path::{Path, PathBuf};

use marram_os::file::{WriteFile, create_dir_all_mode};

/// Removed with all that is in it when dropped; a process that is killed leaves it behind.
#[derive(Debug)]
pub(crate) struct Ephemeral(PathBuf);

impl Ephemeral {
    pub(crate) fn create() -> Result<Self, WriteFile> {
        let name = format!("marram-ephemeral-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        create_dir_all_mode(&path, 0o700)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "cannot remove the temporary folder");
        }
    }
}
