//! The deployment under way, as it is kept so that a restart can carry on.

use std::collections::BTreeSet;

use marram_model::deployment::{DeploymentDocument, FailureHandlingPolicy};
use marram_model::{ComponentName, Version};
use serde::{Deserialize, Serialize};

use super::bootstrap::BootstrapTasks;
use super::local::Folders;
use super::machine::{Machine, OnFailure};
use super::request::{Request, Source};
use crate::config::Origin;

/// One deployment with its position and what its steps have found out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// What was asked.
    pub request: Request,
    /// The document, read.
    pub document: DeploymentDocument,
    /// Where it is.
    pub machine: Machine,
    /// The groups that the cloud listed; `None` before it was asked, or if it could not say.
    #[serde(default)]
    pub membership: Option<BTreeSet<String>>,
    /// Components that were BROKEN before it changed the device: a rollback need not mend them.
    #[serde(default)]
    pub broken_before: BTreeSet<ComponentName>,
    /// Folders that a local deployment brings; `None` once they are copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folders: Option<Folders>,
    /// How long components have put it off, in ms.
    #[serde(default)]
    pub deferred_ms: u64,
    /// Components that were asked whether now is a good time, for as long as that is open.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asked: BTreeSet<ComponentName>,
    /// Bootstrap steps on the way.
    #[serde(default, skip_serializing_if = "BootstrapTasks::is_empty")]
    pub bootstrap: BootstrapTasks,
    /// Bootstrap steps on the way back.
    #[serde(default, skip_serializing_if = "BootstrapTasks::is_empty")]
    pub rollback_bootstrap: BootstrapTasks,
    /// The version of the nucleus that it brings in the place of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nucleus: Option<Version>,
}

impl Current {
    /// A deployment that is about to begin.
    pub fn new(request: Request, document: DeploymentDocument) -> Self {
        let on_failure = match document.failure_handling_policy {
            FailureHandlingPolicy::Rollback => OnFailure::Rollback,
            FailureHandlingPolicy::DoNothing => OnFailure::DoNothing,
        };
        Self {
            request,
            document,
            machine: Machine::new(on_failure),
            membership: None,
            broken_before: BTreeSet::new(),
            folders: None,
            deferred_ms: 0,
            asked: BTreeSet::new(),
            bootstrap: BootstrapTasks::default(),
            rollback_bootstrap: BootstrapTasks::default(),
            nucleus: None,
        }
    }

    /// What tells it from others.
    pub fn key(&self) -> &str {
        self.request.source.key()
    }

    /// What the books and the fleet status name as the origin of its components: the document's
    /// configuration ARN, or the id of a local deployment.
    pub fn config_arn(&self) -> &str {
        match &self.request.source {
            Source::Local { deployment_id } => deployment_id,
            Source::Job { .. } | Source::Shadow { .. } => &self.document.configuration_arn,
        }
    }

    /// What the values that it brings are stamped with.
    pub fn origin(&self) -> Origin {
        if let Source::Local { deployment_id } = &self.request.source {
            return Origin::LocalDeployment { id: deployment_id.clone() };
        }
        let arn = &self.document.configuration_arn;
        let target = arn.split_once(":configuration:").map_or(arn.as_str(), |(_, target)| target);
        Origin::Deployment { id: self.document.deployment_id.clone(), target: target.to_owned() }
    }

    /// The document's creation time; the time of receipt if it has none.
    pub fn timestamp(&self) -> i64 {
        self.document.creation_timestamp.unwrap_or(self.request.received_ms)
    }
}
