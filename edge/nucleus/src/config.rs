//! The device's configuration: a tree of timestamped values that survives everything.
//!
//! A [`ConfigStore`] holds one tree. Every change is a [`Transaction`]: it works on a copy, is
//! written to the journal, synced, and only then becomes what readers see and watchers hear of
//! (`commit`). So a change that returned is never lost, and a kill at any instruction leaves all
//! of a change or nothing of it. Readers never wait for the disk.
//!
//! Whoever may not block uses [`ConfigStore::change`], or [`ConfigStore::begin`] to have many
//! changes on their way at once: the disk is then written on a thread for that.
//!
//! Keys are found in any casing and keep the one they were first written in. Objects are
//! containers; everything else, lists and `null` included, is a leaf.
//!
//! Sources: recipes-and-deployments B6 and C1.1, ipc 4.4.

mod begun;
mod commit;
mod component_update;
mod edit;
mod effective;
mod error;
pub mod initial;
mod journal;
mod origin;
mod published;
mod rules;
mod transaction;
mod tree;
mod tree_serde;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use marram_os::clock::SharedClock;
use marram_os::file::create_folder_durably_on;
use marram_os::storage::{OsDisk, SharedDisk};
use marram_telemetry::Chain;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use begun::Begun;
pub use component_update::{ComponentUpdate, UpdateConfiguration};
pub use effective::{WriteEffectiveConfig, without_private_keys};
pub use error::{ChangeConfig, OpenConfig, WriteChange};
pub use origin::{ExplainedValue, Origin};
pub use rules::{ResolveConfiguration, ResolvedConfig, Sources, is_builtin_service};
pub use transaction::Transaction;
pub use watch::{Change, Watcher};

use crate::packages::blocking;
use crate::paths::NucleusPaths;
use commit::Committer;
use initial::InitialConfig;
use journal::{ConfigJournal, RecoveredTree};
use published::Published;
use tree::Node;

/// The journal's folder in `config/`.
const JOURNAL: &str = "journal";
/// The file in `config/` that people read.
const EFFECTIVE_CONFIG: &str = "effectiveConfig.yaml";

/// Changes in quick succession are written to `effectiveConfig.yaml` together.
const EFFECTIVE_CONFIG_PAUSE: Duration = Duration::from_secs(1);

/// The configuration. Clones are the same store.
#[derive(Debug, Clone)]
pub struct ConfigStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    published: Published,
    /// `None` for a store that is only looked at.
    committer: Option<Committer>,
    clock: SharedClock,
    disk: SharedDisk,
    effective_path: PathBuf,
}

/// The whole configuration at one moment, to be restored by a rollback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigSnapshot {
    root: SnapshotRoot,
}

#[derive(Debug, Clone, PartialEq)]
struct SnapshotRoot(Arc<Node>);

impl ConfigSnapshot {
    /// The value at `path` at that moment.
    pub fn get(&self, path: &[&str]) -> Option<Value> {
        let SnapshotRoot(root) = &self.root;
        Some(root.find(path)?.to_value())
    }
}

/// A node with what a reader may want to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigNode {
    /// Its key in stored casing; empty for the root.
    pub name: String,
    /// Its value; an object if and only if it is a container.
    pub value: Value,
    /// Milliseconds since the epoch of its newest leaf; `None` without leaves.
    pub modified: Option<i64>,
}

impl ConfigStore {
    /// Opens the configuration under `paths`.
    ///
    /// At the first start `config/config.yaml` is merged, if it exists. `init` is merged at every
    /// start, with its own timestamp: it wins where it was edited after the last deployment.
    pub fn open(
        paths: &NucleusPaths,
        init: Option<InitialConfig>,
        clock: SharedClock,
    ) -> Result<Self, OpenConfig> {
        Self::open_on(OsDisk::shared(), paths, init, clock)
    }

    /// As [`Self::open`], with the journal on this disk.
    pub fn open_on(
        disk: SharedDisk,
        paths: &NucleusPaths,
        init: Option<InitialConfig>,
        clock: SharedClock,
    ) -> Result<Self, OpenConfig> {
        let folder = paths.config();
        create_folder_durably_on(&*disk, &folder, 0o700)
            .map_err(|source| OpenConfig::Folder { path: folder.clone(), source })?;
        let path = folder.join(JOURNAL);
        let (journal, recovered) = ConfigJournal::open(Arc::clone(&disk), path.clone())?;
        // A kill within the first write of all leaves as little, but before there was this file.
        let has_run = disk.exists(&folder.join(EFFECTIVE_CONFIG));
        if recovered.is_first_start && recovered.is_cut && has_run {
            return Err(OpenConfig::Lost { path });
        }
        let store = Self::of(paths, recovered.root, Some(journal), disk, clock);
        let first = match recovered.is_first_start {
            true => initial::read_if_present(&paths.config_yaml())?,
            false => None,
        };
        store
            .transaction(|tx| {
                for config in first.into_iter().chain(init) {
                    let timestamp = config.modified_ms.min(store.shared.clock.now_ms());
                    tx.merge_from(Some(&config.origin), &[], &config.value, timestamp)?;
                }
                Ok(())
            })
            .map_err(OpenConfig::Keep)?;
        Ok(store)
    }

    /// The configuration as it is kept under `paths`, for whoever looks at it from beside a nucleus
    /// that may be running: nothing is locked or written, and every change is refused. Before the
    /// first start it is what `config/config.yaml` says.
    pub fn look(paths: &NucleusPaths, clock: SharedClock) -> Result<Self, OpenConfig> {
        let recovered = RecoveredTree::look(&paths.config().join(JOURNAL))?;
        let mut root = recovered.root;
        if recovered.is_first_start
            && let Some(config) = initial::read_if_present(&paths.config_yaml())?
        {
            let mut transaction = Transaction::new(root);
            transaction
                .merge_from(Some(&config.origin), &[], &config.value, config.modified_ms)
                .map_err(OpenConfig::Keep)?;
            root = transaction.into_root();
        }
        Ok(Self::of(paths, root, None, OsDisk::shared(), clock))
    }

    fn of(
        paths: &NucleusPaths,
        root: Arc<Node>,
        journal: Option<ConfigJournal>,
        disk: SharedDisk,
        clock: SharedClock,
    ) -> Self {
        let committer = journal.map(|journal| Committer::new(root.clone(), journal));
        let published = Published::new(root);
        let effective_path = paths.config().join(EFFECTIVE_CONFIG);
        Self { shared: Arc::new(Shared { published, committer, clock, disk, effective_path }) }
    }

    /// The disk that the journal is on.
    pub(crate) fn disk(&self) -> &SharedDisk {
        &self.shared.disk
    }

    fn root(&self) -> Arc<Node> {
        self.shared.published.root()
    }

    fn committer(&self) -> Result<&Committer, ChangeConfig> {
        self.shared.committer.as_ref().ok_or(ChangeConfig::OnlyLookedAt)
    }

    /// The value at `path`, keys in stored casing.
    pub fn get(&self, path: &[&str]) -> Option<Value> {
        Some(self.root().find(path)?.to_value())
    }

    /// The node at `path`.
    pub fn get_node<S: AsRef<str>>(&self, path: &[S]) -> Option<ConfigNode> {
        let root = self.root();
        let node = root.find(path)?;
        Some(ConfigNode {
            name: root.stored_name(path).map(|name| name.to_string()).unwrap_or_default(),
            value: node.to_value(),
            modified: node.modified(),
        })
    }

    /// When the node at `path` was last modified, in milliseconds since the epoch.
    pub fn modified(&self, path: &[&str]) -> Option<i64> {
        self.root().find(path)?.modified()
    }

    /// Changes several things at once: all of it is durable when this returns `Ok`, and none of it
    /// has happened when it returns `Err`.
    ///
    /// Blocks for one write to the disk; `change` must not use the store itself.
    pub fn transaction<T, E: From<ChangeConfig>>(
        &self,
        change: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let committer = self.committer()?;
        let (result, ticket) = committer.stage(change)?;
        committer.settle(&ticket, &self.shared.published)?;
        Ok(result)
    }

    /// As [`Self::transaction`], without blocking the thread. The change happens, too, when the
    /// future is dropped once it has waited for the disk.
    pub async fn change<T, E: From<ChangeConfig>>(
        &self,
        change: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        Ok(self.begin(change).await?.kept().await?)
    }

    /// Makes a change, which takes place in the order of these calls, and has it written in the
    /// background together with others. Waits only if too much is on its way to the disk.
    ///
    /// Readers see the change once it is durable. Needs a tokio runtime.
    pub async fn begin<T, E: From<ChangeConfig>>(
        &self,
        change: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<Begun<T>, E> {
        let committer = self.committer()?;
        committer.room().await;
        let (result, ticket) = committer.stage(change)?;
        begun::write_in_background(self, committer);
        Ok(Begun::new(result, ticket))
    }

    /// [`Transaction::merge`] alone; durable when it returns.
    pub fn merge(&self, path: &[&str], value: &Value, timestamp: i64) -> Result<(), ChangeConfig> {
        self.transaction(|tx| tx.merge(path, value, timestamp))
    }

    /// [`Transaction::replace`] alone; durable when it returns.
    pub fn replace(
        &self,
        path: &[&str],
        value: &Value,
        timestamp: i64,
    ) -> Result<(), ChangeConfig> {
        self.transaction(|tx| tx.replace(path, value, timestamp))
    }

    /// [`Transaction::remove`] alone; durable when it returns.
    pub fn remove(&self, path: &[&str]) -> Result<(), ChangeConfig> {
        self.transaction(|tx| {
            tx.remove(path);
            Ok(())
        })
    }

    /// A component changes its own configuration over IPC, begun as by [`Self::begin`];
    /// [`Begun::ended`] gives the result. What was written before [`UpdateConfiguration::Outdated`]
    /// is durable then, too.
    pub async fn begin_update_from_component(
        &self,
        update: &ComponentUpdate<'_>,
    ) -> Result<Begun<Result<(), UpdateConfiguration>>, UpdateConfiguration> {
        update.check()?;
        self.begin(|tx| tx.update_component(update)).await.map_err(UpdateConfiguration::NotKept)
    }

    /// What `component`'s configuration would become by a deployment (B6.1); changes nothing.
    ///
    /// `reset` and `update` (with the merge timestamp) are those of the document's entry for the
    /// component; a component that the document does not name has neither.
    pub fn resolve_component(
        &self,
        component: &str,
        defaults: &Value,
        reset: &[String],
        update: Option<(&Map<String, Value>, i64)>,
        sources: &Sources,
    ) -> Result<ResolvedConfig, ResolveConfiguration> {
        let root = self.root();
        let running = root.find(&[rules::SERVICES, component, rules::CONFIGURATION]);
        rules::resolve_component(running, component, defaults, reset, update, sources)
    }

    /// The values at and below `path` with when and by whom each was set, in the order of their
    /// keys; `None` if there is nothing.
    pub fn explain(&self, path: &[&str]) -> Option<Vec<ExplainedValue>> {
        let root = self.root();
        let mut explained = Vec::new();
        origin::explain(root.find(path)?, &mut Vec::new(), &mut explained);
        Some(explained)
    }

    /// What `component`'s configuration would be after [`Transaction::write_configuration`]; changes
    /// nothing.
    pub fn preview_configuration(
        &self,
        component: &str,
        resolved: &ResolvedConfig,
        merge_timestamp: i64,
    ) -> Result<Value, ChangeConfig> {
        let mut transaction = Transaction::new(self.root());
        transaction.write_configuration(component, resolved, merge_timestamp)?;
        let path = [rules::SERVICES, component, rules::CONFIGURATION];
        Ok(transaction.get(&path).unwrap_or_default())
    }

    /// The configuration as it is now.
    pub fn snapshot(&self) -> ConfigSnapshot {
        ConfigSnapshot { root: SnapshotRoot(self.root()) }
    }

    /// [`Transaction::restore`] alone; durable when it returns.
    pub fn restore(&self, snapshot: &ConfigSnapshot) -> Result<(), ChangeConfig> {
        self.transaction(|tx| {
            tx.restore(snapshot);
            Ok(())
        })
    }

    /// Watches the node at `path`, which need not exist yet.
    pub fn watch(&self, path: &[&str]) -> Watcher {
        let path = path.iter().map(|&name| name.to_owned()).collect();
        self.shared.published.watch(path)
    }

    /// Brings `effectiveConfig.yaml` up to date. Values are durable before: every change is when
    /// its method returns.
    pub fn commit(&self) -> Result<(), WriteEffectiveConfig> {
        effective::write(&self.shared.effective_path, &self.root())
    }

    /// Keeps `effectiveConfig.yaml` up to date for as long as it is polled: at once, and a second
    /// after each change.
    pub async fn keep_effective_config(&self) {
        loop {
            let store = self.clone();
            if let Err(error) = blocking::run(move |_| store.commit()).await {
                tracing::warn!(error = %Chain(&error), "effectiveConfig.yaml could not be written");
            }
            self.shared.published.changed().await;
            tokio::time::sleep(EFFECTIVE_CONFIG_PAUSE).await;
        }
    }
}

impl Serialize for SnapshotRoot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SnapshotRoot {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Arc::new(Node::deserialize(deserializer)?)))
    }
}

#[cfg(test)]
mod tests;
