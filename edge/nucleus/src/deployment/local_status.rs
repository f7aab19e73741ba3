//! What is remembered of deployments made on the device itself, for those who made them.

use marram_model::error_code::ErrorCode;
use marram_model::status::{DeploymentOutcome, DeploymentStatus, DetailedStatus};
use serde::{Deserialize, Serialize};

/// Finished ones that are remembered; unfinished ones always are, and the queue bounds them.
const FINISHED: usize = 10;

/// One local deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalDeployment {
    /// A UUID.
    pub id: String,
    /// When it was asked for, ms since the epoch.
    pub created_ms: i64,
    /// How it stands.
    pub outcome: DeploymentOutcome,
}

/// All that is remembered, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LocalDeployments(Vec<LocalDeployment>);

impl LocalDeployments {
    /// A new one waits for its turn.
    pub(crate) fn add(&mut self, id: &str, created_ms: i64) {
        self.0.push(LocalDeployment {
            id: id.to_owned(),
            created_ms,
            outcome: DeploymentOutcome::plain(DeploymentStatus::Queued),
        });
    }

    /// One was not taken after all.
    pub(crate) fn remove(&mut self, id: &str) {
        self.0.retain(|known| known.id != id);
    }

    /// One has moved on.
    pub(crate) fn set(&mut self, id: &str, outcome: DeploymentOutcome) {
        if let Some(known) = self.0.iter_mut().find(|known| known.id == id) {
            known.outcome = outcome;
        }
        let finished = self.0.iter().filter(|known| known.outcome.status.is_terminal()).count();
        let mut surplus = finished.saturating_sub(FINISHED);
        self.0.retain(|known| {
            let goes = surplus > 0 && known.outcome.status.is_terminal();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// The device starts, and nothing waits any more: only `resumed` goes on. Whoever asks for one
    /// of the others is told that it has to be made again.
    pub(crate) fn restart(&mut self, resumed: Option<&str>) {
        for known in &mut self.0 {
            if !known.outcome.status.is_terminal() && resumed != Some(known.id.as_str()) {
                known.outcome = DeploymentOutcome::failed(
                    DetailedStatus::FailedNoStateChange,
                    "the device stopped before the deployment had begun: make it again",
                    [ErrorCode::DeploymentInterrupted],
                );
            }
        }
    }

    pub(crate) fn into_newest_first(self) -> Vec<LocalDeployment> {
        self.0.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(local: &LocalDeployments) -> Vec<String> {
        local.clone().into_newest_first().into_iter().map(|known| known.id).collect()
    }

    #[test]
    fn ten_finished_ones_and_all_unfinished_ones_are_remembered() {
        let mut local = LocalDeployments::default();
        local.add("waits", 0);
        for n in 1..=12 {
            local.add(&n.to_string(), n);
            local.set(&n.to_string(), DeploymentOutcome::succeeded());
        }
        let ids = ids(&local);
        assert_eq!(ids.len(), 11);
        assert_eq!((ids[0].as_str(), ids[9].as_str(), ids[10].as_str()), ("12", "3", "waits"));
    }

    #[test]
    fn a_restart_fails_what_nobody_resumes() {
        let mut local = LocalDeployments::default();
        for id in ["waits", "lost", "resumed"] {
            local.add(id, 1);
        }
        for id in ["lost", "resumed"] {
            local.set(id, DeploymentOutcome::plain(DeploymentStatus::InProgress));
        }
        local.restart(Some("resumed"));
        assert_eq!(ids(&local), ["resumed", "lost", "waits"]);
        let status = |id: &str| local.0.iter().find(|l| l.id == id).unwrap().outcome.status;
        assert_eq!(status("lost"), DeploymentStatus::Failed);
        assert_eq!(status("waits"), DeploymentStatus::Failed);
        assert_eq!(status("resumed"), DeploymentStatus::InProgress);
    }
}
