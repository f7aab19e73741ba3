//! Component versions and the artifacts that belong to them.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A component version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentVersion {
    /// `PRIVATE` or `PUBLIC`.
    pub scope: String,
    /// The component's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The recipe with what the cloud filled in.
    pub recipe_json: String,
    /// `JSON` or `YAML`: how it was uploaded.
    pub uploaded_format: String,
    /// `DEPLOYABLE` or `FAILED`.
    pub state: String,
    /// An object: artifact URI to what is wrong with it.
    pub errors_json: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// One artifact of a private component version, kept by the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentArtifact {
    /// A UUID's 32 hex digits, unique to this artifact.
    pub artifact_id: String,
    /// The last segment of its URI.
    pub file_name: String,
    /// Where its author put it.
    pub uri: String,
}

impl ComponentVersion {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            scope: row.try_get("scope")?,
            name: row.try_get("component_name")?,
            version: row.try_get("version")?,
            recipe_json: row.try_get("recipe_json")?,
            uploaded_format: row.try_get("uploaded_format")?,
            state: row.try_get("state")?,
            errors_json: row.try_get("errors_json")?,
            created_at_ms: row.try_get("created_at")?,
        })
    }
}

impl ComponentArtifact {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            artifact_id: row.try_get("artifact_id")?,
            file_name: row.try_get("file_name")?,
            uri: row.try_get("uri")?,
        })
    }
}

impl Reader {
    /// All versions of the component `name` in `scope`, in no order: versions are not text.
    ///
    /// # Errors
    /// The database refused.
    pub async fn component_versions(
        &mut self,
        scope: &str,
        name: &str,
    ) -> Result<Vec<ComponentVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT scope, component_name, version, recipe_json, uploaded_format, state, \
             errors_json, created_at FROM component_versions \
             WHERE scope = $1 AND component_name = $2",
        )
        .bind(scope)
        .bind(name)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ComponentVersion::from_row).collect()
    }

    /// One component version.
    ///
    /// # Errors
    /// The database refused.
    pub async fn component_version(
        &mut self,
        scope: &str,
        name: &str,
        version: &str,
    ) -> Result<Option<ComponentVersion>, StoreError> {
        let row = sqlx::query(
            "SELECT scope, component_name, version, recipe_json, uploaded_format, state, \
             errors_json, created_at FROM component_versions \
             WHERE scope = $1 AND component_name = $2 AND version = $3",
        )
        .bind(scope)
        .bind(name)
        .bind(version)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(ComponentVersion::from_row).transpose()
    }

    /// At most `limit` names of components in `scope` that sort after `after` (`""` for the
    /// first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn component_names_after(
        &mut self,
        scope: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT component_name FROM component_versions \
             WHERE scope = $1 AND component_name > $2 ORDER BY component_name LIMIT $3",
        )
        .bind(scope)
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("component_name")?)).collect()
    }

    /// The artifacts of a private component version.
    ///
    /// # Errors
    /// The database refused.
    pub async fn component_artifacts(
        &mut self,
        name: &str,
        version: &str,
    ) -> Result<Vec<ComponentArtifact>, StoreError> {
        let rows = sqlx::query(
            "SELECT artifact_id, file_name, uri FROM component_artifacts \
             WHERE component_name = $1 AND version = $2 ORDER BY uri",
        )
        .bind(name)
        .bind(version)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ComponentArtifact::from_row).collect()
    }
}

impl Tx {
    /// Keeps a component version, whatever was there.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_component_version(
        &mut self,
        component: &ComponentVersion,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO component_versions (scope, component_name, version, recipe_json, \
             uploaded_format, state, errors_json, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (scope, component_name, version) DO UPDATE SET \
             recipe_json = excluded.recipe_json, uploaded_format = excluded.uploaded_format, \
             state = excluded.state, errors_json = excluded.errors_json, \
             created_at = excluded.created_at",
        )
        .bind(component.scope.as_str())
        .bind(component.name.as_str())
        .bind(component.version.as_str())
        .bind(component.recipe_json.as_str())
        .bind(component.uploaded_format.as_str())
        .bind(component.state.as_str())
        .bind(component.errors_json.as_str())
        .bind(component.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Adds an artifact to a private component version.
    ///
    /// # Errors
    /// The id is taken, or the database refused.
    pub async fn insert_component_artifact(
        &mut self,
        name: &str,
        version: &str,
        artifact: &ComponentArtifact,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO component_artifacts (component_name, version, artifact_id, file_name, \
             uri) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(name)
        .bind(version)
        .bind(artifact.artifact_id.as_str())
        .bind(artifact.file_name.as_str())
        .bind(artifact.uri.as_str())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes a private component version and its artifacts' rows; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_component_version(
        &mut self,
        name: &str,
        version: &str,
    ) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM component_artifacts WHERE component_name = $1 AND version = $2")
            .bind(name)
            .bind(version)
            .execute(self.connection())
            .await?;
        let done = sqlx::query(
            "DELETE FROM component_versions \
             WHERE scope = 'PRIVATE' AND component_name = $1 AND version = $2",
        )
        .bind(name)
        .bind(version)
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
