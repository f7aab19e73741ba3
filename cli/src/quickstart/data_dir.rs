//! The directory that a quickstart lives in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::BadInput;

/// A fresh directory, removed when dropped unless the user chose it or something failed.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    remove: bool,
}

impl DataDir {
    /// Makes `chosen`, which must be new or empty, or a temporary directory.
    ///
    /// The device's components may run as another user, who has to be able to pass through.
    pub(crate) fn make(chosen: Option<&Path>) -> Result<Self> {
        let (path, remove) = match chosen {
            Some(path) => (std::path::absolute(path)?, false),
            None => {
                let name = format!("marram-quickstart-{}", uuid::Uuid::new_v4().simple());
                (std::env::temp_dir().join(&name[..name.len() - 20]), true)
            }
        };
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        let is_empty = fs::read_dir(&path)?.next().is_none();
        if !is_empty {
            return Err(BadInput(format!(
                "--data {}: the directory is not empty; name a new one",
                path.display()
            ))
            .into());
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { path, remove })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is.
    pub(crate) fn keep(&mut self) {
        self.remove = false;
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.remove {
            // What cannot be removed is in a temporary directory, where it may stay.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
