//! A job, whoever made it: one that carries a deployment, or one that people made.

use marram_aws::ApiError;
use marram_aws::greengrassv2::DeploymentStatus;
use marram_model::jobs::DEPLOYMENT_NAMESPACE;
use marram_store::{DeploymentRow, JobRow, Reader};
use serde_json::Value;

use crate::unit::Unit;

/// A job goes on.
pub(crate) const IN_PROGRESS: &str = "IN_PROGRESS";
/// A job was given up.
pub(crate) const CANCELED: &str = "CANCELED";
/// Everything of a job is done.
pub(crate) const COMPLETED: &str = "COMPLETED";

/// For the things that are its targets when it is made.
pub(crate) const SNAPSHOT: &str = "SNAPSHOT";
/// Also for those that join its targets later.
pub(crate) const CONTINUOUS: &str = "CONTINUOUS";

/// Why a job that its abort criteria ended was cancelled.
const ABORTED: &str = "ABORT_CRITERIA_MET";

/// A job.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    /// It carries a deployment.
    Deployment(DeploymentRow),
    /// It was made on its own.
    Ordinary(JobRow),
}

impl Job {
    /// The job `id`, also of a deployment that was deleted.
    pub(crate) async fn find(reader: &mut Reader, id: &str) -> Result<Option<Self>, ApiError> {
        if let Some(row) = reader.deployment_of_job(id).await? {
            return Ok(Some(Self::Deployment(row)));
        }
        Ok(reader.job(id).await?.map(Self::Ordinary))
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Deployment(row) => row.job_id.as_deref().unwrap_or_default(),
            Self::Ordinary(row) => &row.id,
        }
    }

    /// `""` for the topics without a namespace.
    pub(crate) fn namespace(&self) -> &str {
        match self {
            Self::Deployment(_) => DEPLOYMENT_NAMESPACE,
            Self::Ordinary(row) => &row.namespace,
        }
    }

    /// Whether it goes on.
    pub(crate) fn is_in_force(&self) -> bool {
        match self {
            Self::Deployment(row) => row.status == DeploymentStatus::Active.as_str(),
            Self::Ordinary(row) => row.status == IN_PROGRESS,
        }
    }

    /// What devices get.
    pub(crate) fn document(&self) -> Result<Value, ApiError> {
        let text = match self {
            Self::Deployment(row) => &row.document_json,
            Self::Ordinary(row) => &row.document_json,
        };
        serde_json::from_str(text).map_err(|error| {
            ApiError::internal(format!("the document of job {} is damaged: {error}", self.id()))
        })
    }

    /// The job after its abort criteria ended it.
    pub(super) async fn abort(&self, unit: &mut Unit) -> Result<Self, ApiError> {
        tracing::warn!(job_id = self.id(), "too many failures: the rest is cancelled");
        match self {
            Self::Deployment(row) => {
                let status = DeploymentStatus::Canceled.as_str();
                unit.tx.set_deployment_status(&row.id, status).await?;
                Ok(Self::Deployment(DeploymentRow { status: status.to_owned(), ..row.clone() }))
            }
            Self::Ordinary(row) => {
                let row = JobRow {
                    status: CANCELED.to_owned(),
                    reason_code: Some(ABORTED.to_owned()),
                    comment: Some("An abort criterion was met.".to_owned()),
                    updated_at_ms: unit.now_ms,
                    completed_at_ms: Some(unit.now_ms),
                    ..row.clone()
                };
                unit.tx.put_job(&row).await?;
                Ok(Self::Ordinary(row))
            }
        }
    }

    /// Ends a SNAPSHOT of which nothing is pending any more.
    pub(crate) async fn settle(&self, unit: &mut Unit) -> Result<(), ApiError> {
        let Self::Ordinary(row) = self else { return Ok(()) };
        if row.status != IN_PROGRESS || row.target_selection != SNAPSHOT {
            return Ok(());
        }
        if !unit.tx.pending_executions_of_job(&row.id, "", 1).await?.is_empty() {
            return Ok(());
        }
        let row = JobRow {
            status: COMPLETED.to_owned(),
            updated_at_ms: unit.now_ms,
            completed_at_ms: Some(unit.now_ms),
            ..row.clone()
        };
        Ok(unit.tx.put_job(&row).await?)
    }
}
