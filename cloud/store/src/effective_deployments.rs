//! Effective deployments: where each core device stands with each deployment it was given.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// One deployment on one core device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveDeploymentRow {
    /// The core device's thing name.
    pub thing: String,
    /// The deployment.
    pub deployment_id: String,
    /// `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `COMPLETED`, `FAILED`, `REJECTED`, `CANCELED` …
    pub status: String,
    /// Most specific error code, detailed status and cause of a failure.
    pub reason: Option<String>,
    /// A list of texts, general to specific.
    pub error_stack_json: String,
    /// A list of texts.
    pub error_types_json: String,
    /// When it last changed, in milliseconds since 1970.
    pub modified_at_ms: i64,
}

impl EffectiveDeploymentRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            thing: row.try_get("thing_name")?,
            deployment_id: row.try_get("deployment_id")?,
            status: row.try_get("status")?,
            reason: row.try_get("reason")?,
            error_stack_json: row.try_get("error_stack_json")?,
            error_types_json: row.try_get("error_types_json")?,
            modified_at_ms: row.try_get("modified_at")?,
        })
    }
}

impl Reader {
    /// Where the core device stands with the deployment.
    ///
    /// # Errors
    /// The database refused.
    pub async fn effective_deployment(
        &mut self,
        thing: &str,
        deployment_id: &str,
    ) -> Result<Option<EffectiveDeploymentRow>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM effective_deployments WHERE thing_name = $1 AND deployment_id = $2",
        )
        .bind(thing)
        .bind(deployment_id)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(EffectiveDeploymentRow::from_row).transpose()
    }

    /// At most `limit` deployments of the core device, last changed first, changed before
    /// `before` (milliseconds and deployment id; `None` for the first).
    ///
    /// # Errors
    /// The database refused.
    pub async fn effective_deployments_before(
        &mut self,
        thing: &str,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> Result<Vec<EffectiveDeploymentRow>, StoreError> {
        let (before_ms, before_id) = before.unwrap_or((i64::MAX, ""));
        let rows = sqlx::query(
            "SELECT * FROM effective_deployments WHERE thing_name = $1 \
             AND (modified_at < $2 OR (modified_at = $2 AND deployment_id < $3)) \
             ORDER BY modified_at DESC, deployment_id DESC LIMIT $4",
        )
        .bind(thing)
        .bind(before_ms)
        .bind(before_id)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(EffectiveDeploymentRow::from_row).collect()
    }
}

impl Tx {
    /// Keeps where a core device stands with a deployment, whatever was there.
    ///
    /// # Errors
    /// There is no such deployment, or the database refused.
    pub async fn put_effective_deployment(
        &mut self,
        row: &EffectiveDeploymentRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO effective_deployments (thing_name, deployment_id, status, reason, \
             error_stack_json, error_types_json, modified_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (thing_name, deployment_id) DO UPDATE SET status = excluded.status, \
             reason = excluded.reason, error_stack_json = excluded.error_stack_json, \
             error_types_json = excluded.error_types_json, modified_at = excluded.modified_at",
        )
        .bind(row.thing.as_str())
        .bind(row.deployment_id.as_str())
        .bind(row.status.as_str())
        .bind(row.reason.as_deref())
        .bind(row.error_stack_json.as_str())
        .bind(row.error_types_json.as_str())
        .bind(row.modified_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
