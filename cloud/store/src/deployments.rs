//! Deployments: the revisions of each target.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// A UUID.
    pub id: String,
    /// ARN of a thing or thing group.
    pub target_arn: String,
    /// Counts the target's deployments from 1.
    pub revision: i64,
    /// As its creator called it.
    pub name: Option<String>,
    /// `ACTIVE`, `COMPLETED`, `CANCELED`, `FAILED` or `INACTIVE`.
    pub status: String,
    /// ARN of the parent group of a subdeployment.
    pub parent_target_arn: Option<String>,
    /// The job that carries it to a group.
    pub job_id: Option<String>,
    /// The request with its defaults written out.
    pub request_json: String,
    /// What devices get.
    pub document_json: String,
    /// Whether it is the target's last revision.
    pub is_latest: bool,
    /// Whether it was deleted; devices still have what it brought.
    pub is_deleted: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// What [`Reader::deployments_before`] lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// Only those of this target.
    pub target_arn: Option<String>,
    /// Only subdeployments of this group.
    pub parent_target_arn: Option<String>,
    /// Only the last revision of each target.
    pub latest_only: bool,
}

impl DeploymentRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get("deployment_id")?,
            target_arn: row.try_get("target_arn")?,
            revision: row.try_get("revision")?,
            name: row.try_get("deployment_name")?,
            status: row.try_get("status")?,
            parent_target_arn: row.try_get("parent_target_arn")?,
            job_id: row.try_get("job_id")?,
            request_json: row.try_get("request_json")?,
            document_json: row.try_get("document_json")?,
            is_latest: row.try_get::<i64, _>("is_latest")? != 0,
            is_deleted: row.try_get::<i64, _>("is_deleted")? != 0,
            created_at_ms: row.try_get("created_at")?,
        })
    }
}

impl Reader {
    /// The deployment `id`, also when it was deleted.
    ///
    /// # Errors
    /// The database refused.
    pub async fn deployment(&mut self, id: &str) -> Result<Option<DeploymentRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM deployments WHERE deployment_id = $1")
            .bind(id)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(DeploymentRow::from_row).transpose()
    }

    /// The deployment that the job `job_id` carries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn deployment_of_job(
        &mut self,
        job_id: &str,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM deployments WHERE job_id = $1")
            .bind(job_id)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(DeploymentRow::from_row).transpose()
    }

    /// Revision `revision` of the target, also when it was deleted.
    ///
    /// # Errors
    /// The database refused.
    pub async fn deployment_revision(
        &mut self,
        target_arn: &str,
        revision: i64,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM deployments WHERE target_arn = $1 AND revision = $2")
            .bind(target_arn)
            .bind(revision)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(DeploymentRow::from_row).transpose()
    }

    /// The last revision of the target, also when it was deleted.
    ///
    /// # Errors
    /// The database refused.
    pub async fn latest_deployment(
        &mut self,
        target_arn: &str,
    ) -> Result<Option<DeploymentRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM deployments WHERE target_arn = $1 AND is_latest = 1")
            .bind(target_arn)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(DeploymentRow::from_row).transpose()
    }

    /// The subdeployments of the group that are in force.
    ///
    /// # Errors
    /// The database refused.
    pub async fn active_subdeployments(
        &mut self,
        parent_target_arn: &str,
    ) -> Result<Vec<DeploymentRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM deployments WHERE parent_target_arn = $1 AND status = 'ACTIVE'",
        )
        .bind(parent_target_arn)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(DeploymentRow::from_row).collect()
    }

    /// The group under which the target's subdeployments were made, if there are any.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parent_of_subgroup(
        &mut self,
        target_arn: &str,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT parent_target_arn FROM deployments \
             WHERE target_arn = $1 AND parent_target_arn IS NOT NULL LIMIT 1",
        )
        .bind(target_arn)
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| row.try_get("parent_target_arn")).transpose()?)
    }

    /// At most `limit` deployments, newest first, older than `before` (creation time in
    /// milliseconds and id; `None` for the newest).
    ///
    /// # Errors
    /// The database refused.
    pub async fn deployments_before(
        &mut self,
        filter: &DeploymentFilter,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> Result<Vec<DeploymentRow>, StoreError> {
        let (before_ms, before_id) = before.unwrap_or((i64::MAX, ""));
        let rows = sqlx::query(
            "SELECT * FROM deployments WHERE is_deleted = 0 \
             AND (created_at < $1 OR (created_at = $1 AND deployment_id < $2)) \
             AND ($3 = '' OR target_arn = $3) AND ($4 = '' OR parent_target_arn = $4) \
             AND ($5 = 0 OR is_latest = 1) \
             ORDER BY created_at DESC, deployment_id DESC LIMIT $6",
        )
        .bind(before_ms)
        .bind(before_id)
        .bind(filter.target_arn.as_deref().unwrap_or(""))
        .bind(filter.parent_target_arn.as_deref().unwrap_or(""))
        .bind(i64::from(filter.latest_only))
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(DeploymentRow::from_row).collect()
    }

    /// All group deployments in force: what the queues of their members follow from.
    ///
    /// # Errors
    /// The database refused.
    pub async fn active_group_deployments(&mut self) -> Result<Vec<DeploymentRow>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM deployments WHERE status = 'ACTIVE' AND job_id IS NOT NULL")
                .fetch_all(self.connection())
                .await?;
        rows.iter().map(DeploymentRow::from_row).collect()
    }
}

impl Tx {
    /// Counts the target's revisions one up and returns the new one's number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn next_revision(&mut self, target_arn: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO deployment_targets (target_arn, revision) VALUES ($1, 1) \
             ON CONFLICT (target_arn) \
             DO UPDATE SET revision = deployment_targets.revision + 1 RETURNING revision",
        )
        .bind(target_arn)
        .fetch_one(self.connection())
        .await?;
        Ok(row.try_get("revision")?)
    }

    /// Adds a deployment; it becomes its target's latest when it says so.
    ///
    /// # Errors
    /// The id, job id or revision is taken, or the database refused.
    pub async fn insert_deployment(&mut self, row: &DeploymentRow) -> Result<(), StoreError> {
        if row.is_latest {
            sqlx::query("UPDATE deployments SET is_latest = 0 WHERE target_arn = $1")
                .bind(row.target_arn.as_str())
                .execute(self.connection())
                .await?;
        }
        sqlx::query(
            "INSERT INTO deployments (deployment_id, target_arn, revision, deployment_name, \
             status, parent_target_arn, job_id, request_json, document_json, is_latest, \
             is_deleted, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(row.id.as_str())
        .bind(row.target_arn.as_str())
        .bind(row.revision)
        .bind(row.name.as_deref())
        .bind(row.status.as_str())
        .bind(row.parent_target_arn.as_deref())
        .bind(row.job_id.as_deref())
        .bind(row.request_json.as_str())
        .bind(row.document_json.as_str())
        .bind(i64::from(row.is_latest))
        .bind(i64::from(row.is_deleted))
        .bind(row.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Sets the deployment's status.
    ///
    /// # Errors
    /// The database refused.
    pub async fn set_deployment_status(
        &mut self,
        id: &str,
        status: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE deployments SET status = $2 WHERE deployment_id = $1")
            .bind(id)
            .bind(status)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Flags the deployment as deleted.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_deployment(&mut self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE deployments SET is_deleted = 1 WHERE deployment_id = $1")
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
