//! A deployment as it reached the device: where from, and the document as it was sent.

use serde::{Deserialize, Serialize};

/// Who asked, and how to answer them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A thing-group deployment: an IoT job execution.
    Job {
        /// The job's id, which is the deployment's id on the device.
        job_id: String,
    },
    /// A thing deployment: the named shadow `AWSManagedGreengrassV2Deployment`.
    Shadow {
        /// The configuration ARN, which is the deployment's id on the device.
        configuration_arn: String,
    },
    /// A deployment made on the device itself.
    Local {
        /// A UUID.
        deployment_id: String,
    },
}

impl Source {
    /// What tells deployments apart on the device (recipes and deployments, B2).
    pub fn key(&self) -> &str {
        match self {
            Self::Job { job_id } => job_id,
            Self::Shadow { configuration_arn } => configuration_arn,
            Self::Local { deployment_id } => deployment_id,
        }
    }

    /// True for a deployment made on the device itself.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// True for a thing-group deployment: only these can be stale (B5.1).
    pub fn is_job(&self) -> bool {
        matches!(self, Self::Job { .. })
    }
}

/// One deployment to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asked.
    pub source: Source,
    /// The deployment document, or the local request (B1.2), unparsed: a malformed one is
    /// reported, not dropped.
    pub document: String,
    /// When it reached the device, ms since the epoch: the merge time of a document without one.
    pub received_ms: i64,
}

impl Request {
    /// A request that came in at `received_ms`.
    pub fn new(source: Source, document: impl Into<String>, received_ms: i64) -> Self {
        Self { source, document: document.into(), received_ms }
    }
}
