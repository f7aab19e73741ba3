//! Group commit: changes that are made at the same time share one write and one sync.
//!
//! A change is *staged* first: made in memory on the newest tree, and added to the last batch. A
//! *flush* writes the oldest batch as one journal record, syncs it, and only then publishes its
//! tree. One flush runs at a time, and the next takes all that was staged meanwhile. So order is
//! kept, a batch is kept whole or not at all, and nobody sees what a power cut may take back. A
//! batch that cannot be written takes those staged on top of it along: all are refused, and the
//! tree is again what is on the disk.
//!
//! What waits to be written is bounded: who may wait does so for room ([`Committer::room`]); who
//! blocks writes his own change before he returns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use marram_seglog::MAX_RECORD_BYTES;
use tokio::sync::Notify;

use super::edit::{self, Edit};
use super::error::{ChangeConfig, WriteChange};
use super::journal::ConfigJournal;
use super::published::Published;
use super::transaction::Transaction;
use super::tree::Node;

/// A batch that would grow beyond this is followed by another one. One change may be longer.
const BATCH_BYTES: usize = 1024 * 1024;
/// Changes that would make more bytes wait than this have to wait themselves.
const STAGED_BYTES: usize = 4 * BATCH_BYTES;

/// The changes that are on their way to the disk.
#[derive(Debug)]
pub(super) struct Committer {
    staged: Mutex<Staged>,
    /// Held while a batch is written.
    disk: Mutex<ConfigJournal>,
    /// A batch has left the queue.
    drained: Notify,
}

#[derive(Debug)]
struct Staged {
    /// The newest tree, with everything that is staged.
    head: Arc<Node>,
    /// Oldest first.
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Of the newest change, which may be written already.
    last: Ticket,
    /// Whether somebody in the background will write what is staged.
    is_flushing: bool,
}

#[derive(Debug)]
struct Batch {
    /// A JSON list of edits, without its end.
    record: Vec<u8>,
    edits: Vec<Edit>,
    /// The tree after them.
    root: Arc<Node>,
    ticket: Ticket,
}

/// What becomes of a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticket(Arc<Outcome>);

#[derive(Debug, Default)]
struct Outcome {
    result: OnceLock<Result<(), Arc<WriteChange>>>,
    settled: Notify,
}

impl Ticket {
    fn settle(&self, result: Result<(), Arc<WriteChange>>) {
        // Only one flush has the batch; a second result cannot come.
        let _ = self.0.result.set(result);
        self.0.settled.notify_waiters();
    }

    fn kept() -> Self {
        let ticket = Self::default();
        ticket.settle(Ok(()));
        ticket
    }

    fn result(&self) -> Option<Result<(), ChangeConfig>> {
        Some(self.0.result.get()?.clone().map_err(ChangeConfig::NotWritten))
    }

    /// Waits until the batch is durable, or refused.
    pub(super) async fn settled(&self) -> Result<(), ChangeConfig> {
        loop {
            let settled = self.0.settled.notified();
            if let Some(result) = self.result() {
                return result;
            }
            settled.await;
        }
    }
}

impl Committer {
    pub(super) fn new(root: Arc<Node>, journal: ConfigJournal) -> Self {
        let staged = Staged {
            head: root,
            batches: VecDeque::new(),
            bytes: 0,
            last: Ticket::kept(),
            is_flushing: false,
        };
        Self { staged: Mutex::new(staged), disk: Mutex::new(journal), drained: Notify::new() }
    }

    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever holds it writes.
    pub(super) fn disk(&self) -> MutexGuard<'_, ConfigJournal> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change in memory. It has happened once the ticket says so.
    pub(super) fn stage<T, E: From<ChangeConfig>>(
        &self,
        change: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<(T, Ticket), E> {
        let mut staged = self.staged();
        let mut transaction = Transaction::new(staged.head.clone());
        let result = change(&mut transaction)?;
        let root = transaction.into_root();
        let edits = edit::difference(&staged.head, &root);
        if !edits.is_empty() {
            staged.add(edits, root)?;
        }
        // A change that changes nothing may rest on one that is not durable yet.
        Ok((result, staged.last.clone()))
    }

    /// Waits until there is room for a further change.
    pub(super) async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            if self.staged().bytes < STAGED_BYTES {
                return;
            }
            drained.await;
        }
    }

    /// Writes what is staged until the ticket is settled.
    pub(super) fn settle(
        &self,
        ticket: &Ticket,
        published: &Published,
    ) -> Result<(), ChangeConfig> {
        let mut disk = self.disk();
        loop {
            if let Some(result) = ticket.result() {
                return result;
            }
            // The ticket's batch is staged: nobody else is writing it.
            self.flush(&mut disk, published);
        }
    }

    /// Writes everything that is staged.
    pub(super) fn settle_all(&self, published: &Published) {
        let mut disk = self.disk();
        while self.flush(&mut disk, published) {}
    }

    /// Whether somebody has to begin to write in the background: true once, until
    /// [`Self::may_stop_flushing`] or [`Self::stop_flushing`].
    pub(super) fn must_start_flushing(&self) -> bool {
        let mut staged = self.staged();
        let must = !staged.is_flushing && !staged.batches.is_empty();
        staged.is_flushing |= must;
        must
    }

    /// Whether whoever writes in the background has nothing left to do.
    pub(super) fn may_stop_flushing(&self) -> bool {
        let mut staged = self.staged();
        staged.is_flushing = !staged.batches.is_empty();
        !staged.is_flushing
    }

    /// Nobody writes in the background any more.
    pub(super) fn stop_flushing(&self) {
        self.staged().is_flushing = false;
    }

    /// Writes the oldest batch, if there is one.
    fn flush(&self, disk: &mut ConfigJournal, published: &Published) -> bool {
        let Some(batch) = self.take_batch() else { return false };
        let Batch { mut record, edits, root, ticket } = batch;
        record.push(b']');
        let old = published.root();
        match disk.append(&record, &old, &root) {
            Ok(()) => {
                published.publish(root, &edits);
                ticket.settle(Ok(()));
            }
            Err(error) => {
                let error = Arc::new(error);
                // Refused before the answer: who hears it may try again on the tree of before.
                self.staged().refuse_all(old, &error);
                ticket.settle(Err(error));
            }
        }
        self.drained.notify_waiters();
        true
    }

    fn take_batch(&self) -> Option<Batch> {
        let mut staged = self.staged();
        let batch = staged.batches.pop_front()?;
        staged.bytes -= batch.record.len();
        Some(batch)
    }
}

impl Staged {
    fn add(&mut self, edits: Vec<Edit>, root: Arc<Node>) -> Result<(), ChangeConfig> {
        let list = serde_json::to_vec(&edits).map_err(ChangeConfig::Encode)?;
        if list.len() > MAX_RECORD_BYTES {
            return Err(ChangeConfig::TooLong { bytes: list.len(), limit: MAX_RECORD_BYTES });
        }
        let items = &list[1..list.len() - 1];
        self.bytes += items.len() + 1;
        self.head = root.clone();
        match self.batches.back_mut() {
            Some(batch) if batch.record.len() + items.len() < BATCH_BYTES => {
                batch.record.push(b',');
                batch.record.extend_from_slice(items);
                batch.edits.extend(edits);
                batch.root = root;
            }
            _ => {
                let record = [b"[", items].concat();
                let ticket = Ticket::default();
                self.last = ticket.clone();
                self.batches.push_back(Batch { record, edits, root, ticket });
            }
        }
        Ok(())
    }

    /// What was staged on top of a tree that never came to be has never happened either.
    fn refuse_all(&mut self, durable: Arc<Node>, error: &Arc<WriteChange>) {
        for batch in self.batches.drain(..) {
            batch.ticket.settle(Err(Arc::clone(error)));
        }
        self.head = durable;
        self.bytes = 0;
        self.last = Ticket::kept();
    }
}
