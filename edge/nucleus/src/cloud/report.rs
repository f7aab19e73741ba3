//! How a deployment stands, on its way to the cloud.

use marram_model::status::DeploymentOutcome;
use serde::{Deserialize, Serialize};

use crate::deployment::Source;

/// A deployment's status to be told; kept in the configuration until it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatusUpdate {
    /// Whom to tell.
    pub source: Source,
    /// How it stands.
    pub outcome: DeploymentOutcome,
}

/// What became of a status: either way it need not be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The cloud has it.
    Delivered,
    /// The cloud does not want it, for example because the job was cancelled or deleted.
    DroppedByCloud {
        /// The cloud's code and words.
        reason: String,
    },
    /// There is no such status in the cloud: jobs are neither queued nor cancelled by a device,
    /// and its own deployments are not the cloud's.
    NotTold,
}

/// The cloud did not take a status: it must be told again after the next connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the deployment's status could not be told: {reason}")]
pub struct Undelivered {
    /// Why not.
    pub reason: String,
}

impl Undelivered {
    pub(crate) fn because(reason: impl ToString) -> Self {
        Self { reason: reason.to_string() }
    }
}
