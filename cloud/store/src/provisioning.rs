//! Provisioning templates, the versions of their bodies, and the claims made for them.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A provisioning template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisioningTemplate {
    /// Its name, which is its key.
    pub name: String,
    /// `FLEET_PROVISIONING` or `JITP`.
    pub kind: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether devices may use it.
    pub is_enabled: bool,
    /// The role that it acts as; here a name.
    pub role_arn: String,
    /// Its pre-provisioning hook, a JSON object.
    pub hook_json: Option<String>,
    /// The version in force.
    pub default_version: i64,
    /// The highest version ever given.
    pub last_version: i64,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it last changed, in milliseconds since 1970.
    pub modified_at_ms: i64,
}

/// A version of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersion {
    /// Its number.
    pub version: i64,
    /// Its body, as it was sent.
    pub body: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl ProvisioningTemplate {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("template_name")?,
            kind: row.try_get("kind")?,
            description: row.try_get("description")?,
            is_enabled: row.try_get::<i64, _>("is_enabled")? != 0,
            role_arn: row.try_get("role_arn")?,
            hook_json: row.try_get("hook_json")?,
            default_version: row.try_get("default_version")?,
            last_version: row.try_get("last_version")?,
            created_at_ms: row.try_get("created_at")?,
            modified_at_ms: row.try_get("modified_at")?,
        })
    }
}

impl TemplateVersion {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: row.try_get("version")?,
            body: row.try_get("body")?,
            created_at_ms: row.try_get("created_at")?,
        })
    }
}

impl Reader {
    /// The template `name`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn provisioning_template(
        &mut self,
        name: &str,
    ) -> Result<Option<ProvisioningTemplate>, StoreError> {
        let row = sqlx::query("SELECT * FROM provisioning_templates WHERE template_name = $1")
            .bind(name)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(ProvisioningTemplate::from_row).transpose()
    }

    /// At most `limit` templates whose names sort after `after` (`""` for the first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn provisioning_templates_after(
        &mut self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ProvisioningTemplate>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM provisioning_templates WHERE template_name > $1 \
             ORDER BY template_name LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(ProvisioningTemplate::from_row).collect()
    }

    /// All versions of the template, by number; there are at most five.
    ///
    /// # Errors
    /// The database refused.
    pub async fn template_versions(
        &mut self,
        name: &str,
    ) -> Result<Vec<TemplateVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT version, body, created_at FROM provisioning_template_versions \
             WHERE template_name = $1 ORDER BY version",
        )
        .bind(name)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(TemplateVersion::from_row).collect()
    }

    /// At most `limit` claims that expired before `now_ms` and are no thing's certificate.
    ///
    /// # Errors
    /// The database refused.
    pub async fn expired_claims(
        &mut self,
        now_ms: i64,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.certificate_id FROM provisioning_claims p \
             JOIN certificates c ON c.certificate_id = p.certificate_id \
             WHERE c.not_after < $1 AND NOT EXISTS (SELECT 1 FROM thing_principals t \
               WHERE t.certificate_id = p.certificate_id) LIMIT $2",
        )
        .bind(now_ms)
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("certificate_id")?)).collect()
    }

    /// The template that the certificate is a claim of, if it is one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn template_of_claim(
        &mut self,
        certificate_id: &str,
    ) -> Result<Option<String>, StoreError> {
        let row =
            sqlx::query("SELECT template_name FROM provisioning_claims WHERE certificate_id = $1")
                .bind(certificate_id)
                .fetch_optional(self.connection())
                .await?;
        Ok(row.map(|row| row.try_get("template_name")).transpose()?)
    }
}

impl Tx {
    /// Keeps a template, whatever was there; its versions stay.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_provisioning_template(
        &mut self,
        template: &ProvisioningTemplate,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO provisioning_templates (template_name, kind, description, is_enabled, \
             role_arn, hook_json, default_version, last_version, created_at, modified_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (template_name) DO UPDATE SET description = excluded.description, \
             is_enabled = excluded.is_enabled, role_arn = excluded.role_arn, \
             hook_json = excluded.hook_json, default_version = excluded.default_version, \
             last_version = excluded.last_version, modified_at = excluded.modified_at",
        )
        .bind(template.name.as_str())
        .bind(template.kind.as_str())
        .bind(template.description.as_deref())
        .bind(i64::from(template.is_enabled))
        .bind(template.role_arn.as_str())
        .bind(template.hook_json.as_deref())
        .bind(template.default_version)
        .bind(template.last_version)
        .bind(template.created_at_ms)
        .bind(template.modified_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Adds a version of the template.
    ///
    /// # Errors
    /// There is no such template, it has the version, or the database refused.
    pub async fn insert_template_version(
        &mut self,
        name: &str,
        version: &TemplateVersion,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO provisioning_template_versions (template_name, version, body, \
             created_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(name)
        .bind(version.version)
        .bind(version.body.as_str())
        .bind(version.created_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes one version of the template.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_template_version(
        &mut self,
        name: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM provisioning_template_versions WHERE template_name = $1 AND version = $2",
        )
        .bind(name)
        .bind(version)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes a template with all its versions; its claims end with their time.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_provisioning_template(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM provisioning_templates WHERE template_name = $1")
            .bind(name)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Makes the certificate a claim of the template.
    ///
    /// # Errors
    /// One of them is not there, or the database refused.
    pub async fn insert_provisioning_claim(
        &mut self,
        certificate_id: &str,
        template: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO provisioning_claims (certificate_id, template_name) VALUES ($1, $2)",
        )
        .bind(certificate_id)
        .bind(template)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
