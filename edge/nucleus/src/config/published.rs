//! What readers see: the newest tree that is durable, and who wants to hear of the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::Notify;

use super::edit::Edit;
use super::tree::Node;
use super::watch::{Watcher, Watchers};

/// The newest tree that is durable, and who wants to hear of it.
#[derive(Debug)]
pub(super) struct Published {
    /// What readers see; replaced as a whole.
    root: RwLock<Arc<Node>>,
    watchers: Mutex<Watchers>,
    effective_is_old: Notify,
}

impl Published {
    pub(super) fn new(root: Arc<Node>) -> Self {
        Self {
            root: RwLock::new(root),
            watchers: Mutex::default(),
            effective_is_old: Notify::new(),
        }
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest durable tree.
    pub(super) fn root(&self) -> Arc<Node> {
        self.root.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn watch(&self, path: Vec<String>) -> Watcher {
        self.watchers().watch(path)
    }

    /// Waits for a change since the last call.
    pub(super) async fn changed(&self) {
        self.effective_is_old.notified().await;
    }

    /// `root` is durable, and differs from the one before by `edits`.
    pub(super) fn publish(&self, root: Arc<Node>, edits: &[Edit]) {
        // Held over both: who begins to watch either sees the change or hears of it.
        let mut watchers = self.watchers();
        *self.root.write().unwrap_or_else(PoisonError::into_inner) = root;
        watchers.notify(edits);
        self.effective_is_old.notify_one();
    }
}
