//! Why the store could not be opened or changed.

use std::path::PathBuf;

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
    /// The edits could not be encoded.
    #[error("the change cannot be written as a journal record")]
    Encode(#[source] serde_json::Error),
    /// After a failed write the journal could not be opened again.
    #[error("the configuration journal cannot be opened again; check the disk")]
    Reopen(#[source] marram_seglog::OpenJournal),
    /// The journal could not be written.
    #[error("the configuration journal cannot be written; check the disk")]
    Journal(#[source] marram_seglog::WriteJournal),
}
