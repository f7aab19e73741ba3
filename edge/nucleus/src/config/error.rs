//! Why the store could not be opened or changed.

use std::path::PathBuf;
use std::sync::Arc;

use super::initial::ReadInitialConfig;

/// Why the configuration could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenConfig {
    /// The folder of the configuration could not be made.
    #[error("cannot make the configuration folder {}; check who owns the root folder", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: marram_os::file::WriteFile,
    },
    /// The journal could not be read or created.
    #[error("cannot open the configuration journal in {}", path.display())]
    Journal {
        /// The journal's folder.
        path: PathBuf,
        /// What failed.
        #[source]
        source: marram_seglog::OpenJournal,
    },
    /// The journal is whole, but this version cannot read what it says.
    #[error(
        "the configuration journal was written by another version; start that one, or move \
             the journal away to begin with config.yaml again"
    )]
    Damaged {
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The device had a configuration, and nothing of it can be read. To begin with `config.yaml`
    /// as if nothing had been would lose it silently.
    #[error(
        "nothing of the configuration journal in {} can be read, though the device has run before: \
         restore that folder from a backup, or move it away to begin with config.yaml again, and \
         deploy again",
        path.display()
    )]
    Lost {
        /// The journal's folder.
        path: PathBuf,
    },
    /// `config.yaml` is not usable.
    #[error("cannot use the initial configuration")]
    Initial(#[from] ReadInitialConfig),
    /// The first values could not be kept.
    #[error("cannot keep the initial configuration")]
    Keep(#[source] ChangeConfig),
}

/// Why the configuration could not be changed; nothing of the change has happened then.
#[derive(Debug, thiserror::Error)]
pub enum ChangeConfig {
    /// The store was opened with [`super::ConfigStore::look`].
    #[error("this configuration is only looked at: another process owns it")]
    OnlyLookedAt,
    /// The value is nested too deeply for the journal.
    #[error("the value at `{path}` is nested deeper than {limit} levels; make it flatter")]
    TooDeep {
        /// Where it was to go, segments joined by `.`.
        path: String,
        /// Levels allowed, counted from the root.
        limit: usize,
    },
    /// The change is longer than a record of the journal.
    #[error("the change takes {bytes} bytes, more than the {limit} that fit; make several of it")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most that fit.
        limit: usize,
    },
    /// The edits could not be encoded.
    #[error("the change cannot be written as a journal record")]
    Encode(#[source] serde_json::Error),
    /// The journal could not be written. The changes that were to be written together share it.
    #[error(transparent)]
    NotWritten(#[from] Arc<WriteChange>),
}

/// Why changes could not be written to the journal; none of them has happened then.
#[derive(Debug, thiserror::Error)]
pub enum WriteChange {
    /// The tree could not be encoded.
    #[error("the configuration cannot be written as a snapshot")]
    Encode(#[source] serde_json::Error),
    /// After a failed write the journal could not be opened again.
    #[error("the configuration journal cannot be opened again; check the disk")]
    Reopen(#[source] marram_seglog::OpenJournal),
    /// The journal could not be written.
    #[error("the configuration journal cannot be written; check the disk")]
    Journal(#[source] marram_seglog::WriteJournal),
}
