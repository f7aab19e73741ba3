//! Operations on the versions of provisioning templates.

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CreateProvisioningTemplateVersionRequest, CreateProvisioningTemplateVersionResponse,
    DescribeProvisioningTemplateVersionResponse, Empty, ListProvisioningTemplateVersionsRequest,
    ListProvisioningTemplateVersionsResponse, ProvisioningTemplateVersionRequest,
    ProvisioningTemplateVersionSummary,
};
use marram_store::{ProvisioningTemplate, Reader, TemplateVersion};

use super::{check_body, existing_template};
use crate::page::Page;
use crate::policy_versions::versions_limit;
use crate::registry::{Registry, delete_conflict};

/// AWS's quota.
const MAX_VERSIONS: usize = 5;

impl Registry {
    /// `CreateProvisioningTemplateVersion`.
    ///
    /// # Errors
    /// The body is no template, there is no such template, or it has five versions.
    pub async fn create_provisioning_template_version(
        &self,
        request: CreateProvisioningTemplateVersionRequest,
    ) -> Result<CreateProvisioningTemplateVersionResponse, ApiError> {
        check_body(&request.template_body)?;
        let now_ms = self.now_ms();
        let mut tx = self.inner.store.begin().await?;
        let mut template = existing_template(&mut tx, &request.template_name).await?;
        let count = tx.template_versions(&template.name).await?.len();
        if count >= MAX_VERSIONS {
            return Err(versions_limit("template", &template.name, count));
        }
        template.last_version += 1;
        template.modified_at_ms = now_ms;
        if request.set_as_default {
            template.default_version = template.last_version;
        }
        let version = TemplateVersion {
            version: template.last_version,
            body: request.template_body,
            created_at_ms: now_ms,
        };
        tx.put_provisioning_template(&template).await?;
        tx.insert_template_version(&template.name, &version).await?;
        tx.commit().await?;
        Ok(CreateProvisioningTemplateVersionResponse {
            template_arn: self.inner.account.provisioning_template(&template.name),
            template_name: template.name,
            version_id: version.version,
            is_default_version: request.set_as_default,
        })
    }

    /// `DescribeProvisioningTemplateVersion`.
    ///
    /// # Errors
    /// There is no such template or version.
    pub async fn describe_provisioning_template_version(
        &self,
        request: ProvisioningTemplateVersionRequest,
    ) -> Result<DescribeProvisioningTemplateVersionResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let template = existing_template(&mut reader, &request.template_name).await?;
        let number = number(&request.version_id)?;
        let version = existing(&mut reader, &template, number).await?;
        Ok(DescribeProvisioningTemplateVersionResponse {
            summary: summary(&template, &version),
            template_body: version.body,
        })
    }

    /// `ListProvisioningTemplateVersions`: by number.
    ///
    /// # Errors
    /// A member is not valid, or there is no such template.
    pub async fn list_provisioning_template_versions(
        &self,
        request: ListProvisioningTemplateVersionsRequest,
    ) -> Result<ListProvisioningTemplateVersionsResponse, ApiError> {
        let token = request.next_token.as_deref();
        let page = Page::by_token("template-versions", token, request.max_results)?;
        let mut reader = self.inner.store.read().await?;
        let template = existing_template(&mut reader, &request.template_name).await?;
        let after: i64 = page.after.parse().unwrap_or_default();
        let rows = reader.template_versions(&template.name).await?;
        let rows = rows.into_iter().filter(|row| row.version > after).collect();
        let (rows, next_token) = page.cut(rows, |row: &TemplateVersion| row.version.to_string());
        let versions = rows.iter().map(|row| summary(&template, row)).collect();
        Ok(ListProvisioningTemplateVersionsResponse { versions, next_token })
    }

    /// `DeleteProvisioningTemplateVersion`.
    ///
    /// # Errors
    /// There is no such template or version, or it is the one in force.
    pub async fn delete_provisioning_template_version(
        &self,
        request: ProvisioningTemplateVersionRequest,
    ) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let template = existing_template(&mut tx, &request.template_name).await?;
        let number = number(&request.version_id)?;
        let version = existing(&mut tx, &template, number).await?.version;
        if version == template.default_version {
            return Err(delete_conflict(format!(
                "version {version} of template `{}` is in force: set another default version first",
                template.name
            )));
        }
        tx.delete_template_version(&template.name, version).await?;
        tx.commit().await?;
        Ok(Empty {})
    }
}

/// The version of the template, or 404.
pub(super) async fn existing(
    reader: &mut Reader,
    template: &ProvisioningTemplate,
    number: i64,
) -> Result<TemplateVersion, ApiError> {
    let versions = reader.template_versions(&template.name).await?;
    versions.into_iter().find(|version| version.version == number).ok_or_else(|| {
        ApiError::not_found("ProvisioningTemplateVersion", &format!("{}:{number}", template.name))
    })
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| {
        ApiError::invalid_request(format!("`versionId` is `{id}`: use a version's number"))
    })
}

fn summary(
    template: &ProvisioningTemplate,
    version: &TemplateVersion,
) -> ProvisioningTemplateVersionSummary {
    ProvisioningTemplateVersionSummary {
        version_id: version.version,
        creation_date: EpochMs(version.created_at_ms),
        is_default_version: version.version == template.default_version,
    }
}
