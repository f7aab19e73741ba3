//! Keeps the tree through restarts and power cuts: one journal of edits, with snapshots.
//!
//! A record is the list of edits of the changes that were made at the same time, so that each is
//! kept whole or not at all. After a failed write it is unknown whether the record arrived; the next change therefore begins with
//! a snapshot of the tree as it is in memory, which settles it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use marram_os::storage::SharedDisk;
use marram_seglog::{Damage, Journal, Recovered, WriteJournal};
use marram_telemetry::Chain;

use super::edit::Edit;
use super::error::{OpenConfig, WriteChange};
use super::tree::Node;

/// The log may grow this far, in bytes, before a snapshot replaces it.
const LOG_BYTES: u64 = 1024 * 1024;

/// The open journal of one store.
#[derive(Debug)]
pub(crate) struct ConfigJournal {
    disk: SharedDisk,
    folder: PathBuf,
    /// `None` after a failed write, until the next one opens it again.
    journal: Option<Journal>,
    /// The log's length that asks for the next snapshot: it grows with the snapshot, so that
    /// snapshots stay rare whatever the size of the tree.
    snapshot_at: u64,
}

/// What a journal held.
#[derive(Debug)]
pub(crate) struct RecoveredTree {
    /// The tree at the last change that was kept.
    pub(crate) root: Arc<Node>,
    /// Whether anything had ever been kept.
    pub(crate) is_first_start: bool,
    /// Whether something is or was there that could not be read.
    pub(crate) is_cut: bool,
}

impl RecoveredTree {
    /// What the journal in `folder` holds; it may be in use.
    pub(crate) fn look(folder: &Path) -> Result<Self, OpenConfig> {
        let failed = |source| OpenConfig::Journal { path: folder.to_owned(), source };
        Self::replay(&Journal::look(folder).map_err(failed)?)
    }

    fn replay(recovered: &Recovered) -> Result<Self, OpenConfig> {
        let is_first_start = recovered.snapshot.is_none() && recovered.records.is_empty();
        let is_cut = recovered.dropped_bytes > 0 || !recovered.damage.is_empty();
        let mut root: Arc<Node> = match &recovered.snapshot {
            Some(snapshot) => Arc::new(
                serde_json::from_slice(snapshot)
                    .map_err(|source| OpenConfig::Damaged { source })?,
            ),
            None => Arc::default(),
        };
        for record in &recovered.records {
            match serde_json::from_slice::<Vec<Edit>>(record) {
                Ok(edits) => edits.iter().for_each(|edit| edit.apply(&mut root)),
                Err(source) => return Err(OpenConfig::Damaged { source }),
            }
        }
        Ok(Self { root, is_first_start, is_cut })
    }
}

impl ConfigJournal {
    /// Opens the journal and replays it.
    pub(crate) fn open(
        disk: SharedDisk,
        folder: PathBuf,
    ) -> Result<(Self, RecoveredTree), OpenConfig> {
        let failed = |source| OpenConfig::Journal { path: folder.clone(), source };
        let (journal, recovered) = Journal::open_on(Arc::clone(&disk), &folder).map_err(failed)?;
        let mut tree = RecoveredTree::replay(&recovered)?;
        // Of what an earlier start could not read, only the copies are left.
        tree.is_cut |= disk.exists(&folder.join(Journal::DAMAGED));
        let mut this = Self { disk, folder, journal: Some(journal), snapshot_at: LOG_BYTES };
        if !recovered.damage.is_empty() {
            this.tell(&recovered.damage);
            if !tree.is_first_start {
                // What could be read is made whole again before anything rests on it.
                this.journal = None;
                this.journal = Some(
                    this.reopen(&tree.root).map_err(|e| OpenConfig::Keep(Arc::new(e).into()))?,
                );
            }
        }
        Ok((this, tree))
    }

    fn tell(&self, damage: &[Damage]) {
        let copies = self.folder.join(Journal::DAMAGED);
        for damage in damage {
            tracing::error!(
                copies = %copies.display(),
                "the configuration journal was damaged: {damage}; check the disk, and deploy again \
                 what is missing"
            );
        }
    }

    /// Keeps `record`, the edits that turn `old` into `new`: they survive a power cut when this
    /// returns.
    pub(crate) fn append(
        &mut self,
        record: &[u8],
        old: &Node,
        new: &Node,
    ) -> Result<(), WriteChange> {
        let mut journal = match self.journal.take() {
            Some(journal) => journal,
            None => self.reopen(old)?,
        };
        journal.append(record).map_err(WriteChange::Journal)?;
        journal.sync().map_err(WriteChange::Journal)?;
        self.journal = match journal.log_bytes() >= self.snapshot_at {
            true => self.compact(journal, new),
            false => Some(journal),
        };
        Ok(())
    }

    /// As after a failed write.
    #[cfg(test)]
    pub(crate) fn close(&mut self) {
        self.journal = None;
    }

    /// As when the log is long.
    #[cfg(test)]
    pub(crate) fn compact_now(&mut self, tree: &Node) {
        let journal = self.journal.take().unwrap();
        self.journal = self.compact(journal, tree);
    }

    fn reopen(&self, tree: &Node) -> Result<Journal, WriteChange> {
        let opened = Journal::open_on(Arc::clone(&self.disk), &self.folder);
        let (mut journal, _) = opened.map_err(WriteChange::Reopen)?;
        let snapshot = serde_json::to_vec(tree).map_err(WriteChange::Encode)?;
        journal.start_over(&snapshot).map_err(WriteChange::Journal)?;
        Ok(journal)
    }

    /// A snapshot that fails costs no change: the log goes on, or where that is in doubt the next
    /// change opens the journal again.
    fn compact(&mut self, mut journal: Journal, tree: &Node) -> Option<Journal> {
        let Ok(snapshot) = serde_json::to_vec(tree) else { return Some(journal) };
        self.snapshot_at = LOG_BYTES.max(4 * snapshot.len() as u64);
        let Err(error) = journal.snapshot(&snapshot) else { return Some(journal) };
        tracing::warn!(error = %Chain(&error), "the configuration journal could not be compacted");
        (!matches!(error, WriteJournal::Snapshot(_))).then_some(journal)
    }
}
