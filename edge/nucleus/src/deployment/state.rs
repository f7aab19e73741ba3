//! What deployments must not forget, in the device's configuration journal.
//!
//! Everything is one leaf each below `services.DeploymentService`, which a rollback leaves alone:
//! the books of the groups, the deployment under way, and the outcomes that the cloud has not
//! heard yet. A leaf is replaced whole, and group names that differ only in case stay apart.

use marram_model::status::DeploymentOutcome;
use marram_os::clock::SharedClock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::current::Current;
use super::groups::Groups;
use super::local_status::{LocalDeployment, LocalDeployments};
use super::request::Source;
use crate::cloud::DeploymentStatusUpdate;
use crate::config::{ChangeConfig, ConfigStore, Transaction};

const CURRENT: &[&str] = &["services", "DeploymentService", "runtime", "current"];
const GROUPS: &[&str] = &["services", "DeploymentService", "groups"];
const OUTCOMES: &[&str] = &["services", "DeploymentService", "runtime", "outcomes"];

const LOCAL: &[&str] = &["services", "DeploymentService", "runtime", "local"];

/// The deployments' part of the configuration.
#[derive(Debug, Clone)]
pub struct DeploymentState {
    config: ConfigStore,
    clock: SharedClock,
}

impl DeploymentState {
    /// The state in this configuration.
    pub fn new(config: ConfigStore, clock: SharedClock) -> Self {
        Self { config, clock }
    }

    /// The books.
    pub fn groups(&self) -> Groups {
        self.read(GROUPS).unwrap_or_default()
    }

    /// The deployment that was under way when the device stopped.
    pub fn current(&self) -> Option<Current> {
        self.read(CURRENT)
    }

    /// What the cloud has not heard yet, oldest first.
    pub fn outcomes(&self) -> Vec<DeploymentStatusUpdate> {
        self.read(OUTCOMES).unwrap_or_default()
    }

    /// Keeps the deployment under way; durable when it returns.
    pub async fn save_current(&self, current: &Current) -> Result<(), ChangeConfig> {
        self.config.change(|tx| self.put_current(tx, current)).await
    }

    /// As [`Self::save_current`], as part of a larger change.
    pub fn put_current(&self, tx: &mut Transaction, current: &Current) -> Result<(), ChangeConfig> {
        self.put(tx, CURRENT, current)
    }

    /// Ends the deployment under way, which `source` asked for: nothing is under way any more, the
    /// books are as they are now, and the outcome is noted. Durable when it returns.
    pub async fn close(
        &self,
        groups: Option<&Groups>,
        source: &Source,
        outcome: &DeploymentOutcome,
    ) -> Result<(), ChangeConfig> {
        self.config
            .change(|tx| {
                if let Some(groups) = groups {
                    self.put(tx, GROUPS, groups)?;
                }
                tx.remove(CURRENT);
                self.put_outcome(tx, source, outcome)
            })
            .await
    }

    /// Notes how a deployment stands; durable when it returns.
    pub async fn add_outcome(
        &self,
        source: &Source,
        outcome: &DeploymentOutcome,
    ) -> Result<(), ChangeConfig> {
        self.config.change(|tx| self.put_outcome(tx, source, outcome)).await
    }

    /// Local deployments are told to those who ask on this device; the others are added to those
    /// that the cloud must hear, where one that says the same deployment is still going on is
    /// superseded.
    fn put_outcome(
        &self,
        tx: &mut Transaction,
        source: &Source,
        outcome: &DeploymentOutcome,
    ) -> Result<(), ChangeConfig> {
        if let Source::Local { deployment_id } = source {
            let mut local: LocalDeployments = read(tx.get(LOCAL)).unwrap_or_default();
            local.set(deployment_id, outcome.clone());
            return self.put(tx, LOCAL, &local);
        }
        let update = DeploymentStatusUpdate { source: source.clone(), outcome: outcome.clone() };
        let mut outcomes: Vec<DeploymentStatusUpdate> = read(tx.get(OUTCOMES)).unwrap_or_default();
        outcomes
            .retain(|known| known.source != update.source || known.outcome.status.is_terminal());
        if outcomes.last() != Some(&update) {
            outcomes.push(update);
        }
        self.put(tx, OUTCOMES, &outcomes)
    }

    /// Forgets an outcome that the cloud has heard.
    pub async fn remove_outcome(&self, heard: &DeploymentStatusUpdate) -> Result<(), ChangeConfig> {
        self.config
            .change(|tx| {
                let mut outcomes: Vec<DeploymentStatusUpdate> =
                    read(tx.get(OUTCOMES)).unwrap_or_default();
                outcomes.retain(|known| known != heard);
                self.put(tx, OUTCOMES, &outcomes)
            })
            .await
    }

    /// The deployments made on this device, the newest first.
    pub fn local_deployments(&self) -> Vec<LocalDeployment> {
        self.read::<LocalDeployments>(LOCAL).unwrap_or_default().into_newest_first()
    }

    /// Changes what is known of local deployments; durable when it returns.
    pub(crate) async fn change_local(
        &self,
        change: impl FnOnce(&mut LocalDeployments),
    ) -> Result<(), ChangeConfig> {
        self.config
            .change(|tx| {
                let mut local: LocalDeployments = read(tx.get(LOCAL)).unwrap_or_default();
                change(&mut local);
                self.put(tx, LOCAL, &local)
            })
            .await
    }

    /// Writes a value as one leaf: objects inside are text, so that no key of theirs is looked up
    /// in another casing.
    fn put<T: Serialize>(
        &self,
        tx: &mut Transaction,
        path: &[&str],
        value: &T,
    ) -> Result<(), ChangeConfig> {
        let text = serde_json::to_string(value).map_err(ChangeConfig::Encode)?;
        tx.replace(path, &Value::from(text), self.clock.now_ms())
    }

    fn read<T: DeserializeOwned>(&self, path: &[&str]) -> Option<T> {
        read(self.config.get(path))
    }
}

fn read<T: DeserializeOwned>(leaf: Option<Value>) -> Option<T> {
    let leaf = leaf?;
    match serde_json::from_str(leaf.as_str().unwrap_or_default()) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "a record of the deployments cannot be read and is ignored");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use marram_model::status::DeploymentStatus;
    use marram_os::clock::SystemClock;

    use super::*;
    use crate::paths::NucleusPaths;

    fn open(folder: &std::path::Path) -> DeploymentState {
        let clock: SharedClock = Arc::new(SystemClock);
        let config =
            ConfigStore::open(&NucleusPaths::new(folder), None, Arc::clone(&clock)).unwrap();
        DeploymentState::new(config, clock)
    }

    fn pending(job: &str, status: DeploymentStatus) -> DeploymentStatusUpdate {
        DeploymentStatusUpdate {
            source: Source::Job { job_id: job.to_owned() },
            outcome: DeploymentOutcome::plain(status),
        }
    }

    async fn add(
        state: &DeploymentState,
        update: DeploymentStatusUpdate,
    ) -> Result<(), ChangeConfig> {
        state.add_outcome(&update.source, &update.outcome).await
    }

    #[tokio::test]
    async fn outcomes_survive_a_restart_in_order_without_overtaken_ones() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        add(&state, pending("a", DeploymentStatus::InProgress)).await.unwrap();
        add(&state, pending("a", DeploymentStatus::Succeeded)).await.unwrap();
        add(&state, pending("b", DeploymentStatus::InProgress)).await.unwrap();
        drop(state);
        let state = open(folder.path());
        let expected =
            [pending("a", DeploymentStatus::Succeeded), pending("b", DeploymentStatus::InProgress)];
        assert_eq!(state.outcomes(), expected);
        state.remove_outcome(&expected[0]).await.unwrap();
        assert_eq!(state.outcomes(), expected[1..]);
    }

    #[tokio::test]
    async fn an_outcome_reported_twice_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        add(&state, pending("a", DeploymentStatus::Succeeded)).await.unwrap();
        add(&state, pending("a", DeploymentStatus::Succeeded)).await.unwrap();
        assert_eq!(state.outcomes().len(), 1);
    }

    #[test]
    fn an_unreadable_record_is_ignored_and_not_fatal() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        state.config.replace(CURRENT, &Value::from("{"), 1).unwrap();
        assert!(state.current().is_none());
    }
}
