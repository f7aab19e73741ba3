//! Watchers: who wants to know when a value of the tree changes.
//!
//! A watcher's queue is bounded, and writers never wait for it. When it overflows, the watcher gets
//! one change for the whole watched path after those it has queued, so that "read again what you
//! watch" is always a right reaction and nothing is lost silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};

use super::edit::Edit;
use super::tree::compare_names;

/// Changes that wait for one watcher before they become one.
const QUEUE: usize = 256;

/// A leaf got another value, or a node was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path from the root in stored casing. Shorter than the watched path when a node above it
    /// went away.
    pub path: Vec<String>,
}

/// Receives the changes at and below one path; dropping it ends the watch.
#[derive(Debug)]
pub struct Watcher {
    path: Vec<String>,
    changes: mpsc::Receiver<Change>,
    overflowed: Arc<AtomicBool>,
}

impl Watcher {
    /// The next change; `None` once the store is gone.
    ///
    /// Cancel safe: a dropped call loses no change.
    pub async fn changed(&mut self) -> Option<Change> {
        match self.changes.try_recv() {
            Ok(change) => return Some(change),
            Err(TryRecvError::Empty) if self.overflowed.swap(false, Ordering::AcqRel) => {
                return Some(Change { path: self.path.clone() });
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return None,
        }
        self.changes.recv().await
    }
}

/// All watchers of one store.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: Vec<String>,
    changes: mpsc::Sender<Change>,
    overflowed: Arc<AtomicBool>,
}

impl Watchers {
    /// Adds a watch of the node at `path`, which need not exist yet.
    pub(crate) fn watch(&mut self, path: Vec<String>) -> Watcher {
        let (sender, changes) = mpsc::channel(QUEUE);
        let overflowed = Arc::new(AtomicBool::new(false));
        self.entries.push(Entry {
            path: path.clone(),
            changes: sender,
            overflowed: overflowed.clone(),
        });
        Watcher { path, changes, overflowed }
    }

    /// Tells everyone concerned about `edits`, in their order.
    pub(crate) fn notify(&mut self, edits: &[Edit]) {
        self.entries.retain(|entry| !entry.changes.is_closed());
        for path in edits.iter().filter_map(Edit::changed_path) {
            for entry in self.entries.iter().filter(|entry| related(&entry.path, path)) {
                entry.send(Change { path: path.to_vec() });
            }
        }
    }
}

impl Entry {
    fn send(&self, change: Change) {
        if let Err(TrySendError::Full(change)) = self.changes.try_send(change) {
            self.overflowed.store(true, Ordering::Release);
            // The reader may have emptied the queue before it could see the flag, and would sleep:
            // if there is room now, this wakes it; if there is none, it still has to look again.
            let _ = self.changes.try_send(change);
        }
    }
}

/// Whether one path is the other or lies below it.
fn related(watched: &[String], changed: &[String]) -> bool {
    watched.iter().zip(changed).all(|(a, b)| compare_names(a, b).is_eq())
}
