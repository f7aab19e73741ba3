//! What the supervisor publishes: every component's status, and the changes as they come.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use marram_model::ComponentName;
use marram_model::component_state::ComponentState;
use tokio::sync::{broadcast, watch};

use super::output::ComponentOutput;
use super::status::{ComponentStatus, Mark, Settled, StateChange};

/// State changes that a slow listener may lag behind before it misses some.
const CHANGES: usize = 256;

/// Statuses for reading, changes for listening.
#[derive(Debug)]
pub(super) struct Board {
    components: RwLock<BTreeMap<ComponentName, Posted>>,
    changes: broadcast::Sender<StateChange>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct Posted {
    status: ComponentStatus,
    output: ComponentOutput,
}

/// What waiting tasks wake up for.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Counts everything posted.
    posts: u64,
    is_stopped: bool,
}

impl Posted {
    fn status(&self) -> ComponentStatus {
        ComponentStatus { last_stderr: self.output.last_stderr(), ..self.status.clone() }
    }
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            components: RwLock::default(),
            changes: broadcast::channel(CHANGES).0,
            progress: watch::channel(Progress::default()).0,
        }
    }

    /// The status of a component is now this. Its `last_stderr` is not read: it comes from `output`.
    pub(super) fn post(&self, status: ComponentStatus, output: &ComponentOutput) {
        let posted = Posted { status, output: output.clone() };
        let name = posted.status.name.clone();
        self.components.write().unwrap_or_else(PoisonError::into_inner).insert(name, posted);
        self.progress.send_modify(|progress| progress.posts += 1);
    }

    /// The component is gone.
    pub(super) fn remove(&self, name: &ComponentName) {
        self.components.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.progress.send_modify(|progress| progress.posts += 1);
    }

    /// Tells listeners.
    pub(super) fn announce(&self, change: StateChange) {
        // Nobody listening is no error.
        let _ = self.changes.send(change);
    }

    /// Nothing will be posted any more.
    pub(super) fn stop(&self) {
        self.progress.send_modify(|progress| progress.is_stopped = true);
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<StateChange> {
        self.changes.subscribe()
    }

    /// All components in the order of their names.
    pub(super) fn all(&self) -> Vec<ComponentStatus> {
        let components = self.components.read().unwrap_or_else(PoisonError::into_inner);
        components.values().map(Posted::status).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<ComponentStatus> {
        let components = self.components.read().unwrap_or_else(PoisonError::into_inner);
        components.get(name).map(Posted::status)
    }

    /// Waits until `names` are where they shall be, or one has become BROKEN after `since`.
    pub(super) async fn settled(&self, names: &[ComponentName], since: Mark) -> Settled {
        let mut progress = self.progress.subscribe();
        loop {
            let is_stopped = progress.borrow_and_update().is_stopped;
            if let Some(settled) = self.evaluate(names, since) {
                return settled;
            }
            if is_stopped || progress.changed().await.is_err() {
                return Settled::Stopped;
            }
        }
    }

    fn evaluate(&self, names: &[ComponentName], since: Mark) -> Option<Settled> {
        let components = self.components.read().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<ComponentName> =
            names.iter().filter(|name| !components.contains_key(*name)).cloned().collect();
        if !missing.is_empty() {
            return Some(Settled::Missing(missing));
        }
        let wanted = || names.iter().filter_map(|name| components.get(name));
        let broken: Vec<ComponentStatus> = wanted()
            .filter(|posted| posted.status.state == ComponentState::Broken)
            .filter(|posted| posted.status.changed > since)
            .map(Posted::status)
            .collect();
        if !broken.is_empty() {
            return Some(Settled::Broken(broken));
        }
        wanted().all(|posted| posted.status.is_settled).then_some(Settled::Reached)
    }
}
