//! Whether what is on the disk is known.
//!
//! After a failed write nobody knows: nothing may follow it, until the folder is opened again.

use std::io;
use std::path::{Path, PathBuf};

use crate::journal::WriteJournal;

/// The folder, and whether a write to it has failed.
#[derive(Debug)]
pub(crate) struct Health {
    folder: PathBuf,
    is_broken: bool,
}

impl Health {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), is_broken: false }
    }

    /// Before a write.
    pub(crate) fn check(&self) -> Result<(), WriteJournal> {
        if self.is_broken {
            return Err(WriteJournal::Broken { folder: self.folder.clone() });
        }
        Ok(())
    }

    /// After a write.
    pub(crate) fn settle(
        &mut self,
        action: &'static str,
        done: io::Result<()>,
    ) -> Result<(), WriteJournal> {
        done.map_err(|source| {
            self.is_broken = true;
            self.error(action, source)
        })
    }

    /// After a write that failed in a way of its own.
    pub(crate) fn is_lost(&mut self) {
        self.is_broken = true;
    }

    /// A failure that says nothing of what is on the disk.
    pub(crate) fn error(&self, action: &'static str, source: io::Error) -> WriteJournal {
        WriteJournal::Log { action, folder: self.folder.clone(), source }
    }
}
