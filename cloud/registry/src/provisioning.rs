//! Operations on provisioning templates and claims.

mod functions;
mod register;
mod template;
mod versions;

use marram_aws::ApiError;
use marram_aws::epoch::EpochMs;
use marram_aws::iot::{
    CreateProvisioningClaimResponse, CreateProvisioningTemplateRequest,
    CreateProvisioningTemplateResponse, DescribeProvisioningTemplateResponse, Empty, KeyPair,
    ListProvisioningTemplatesRequest, ListProvisioningTemplatesResponse, ProvisioningHook,
    ProvisioningTemplateRequest, ProvisioningTemplateSummary, UpdateProvisioningTemplateRequest,
};
use marram_store::{ProvisioningTemplate, Reader, TemplateVersion, Tx};

use crate::certificates::{COMMON_NAME, DEFAULT_MODE, refused};
use crate::fields;
use crate::identity::ACTIVE;
use crate::page::Page;
use crate::registry::Registry;
use crate::tags::put_tags;
use template::{Template, UseTemplate};

const MAX_BODY: usize = 10_240;
const MAX_DESCRIPTION: usize = 500;
const KINDS: [&str; 2] = ["FLEET_PROVISIONING", "JITP"];
/// What AWS sends to hooks today.
const HOOK_VERSION: &str = "2020-04-01";
/// How long a claim may be used.
const CLAIM_MS: i64 = 5 * 60 * 1000;
/// How many expired claims one new claim sweeps away.
const SWEEP: i64 = 100;

impl Registry {
    /// `CreateProvisioningTemplate`.
    ///
    /// # Errors
    /// A member is not valid, the body is no template, or the name is taken.
    pub async fn create_provisioning_template(
        &self,
        request: CreateProvisioningTemplateRequest,
    ) -> Result<CreateProvisioningTemplateResponse, ApiError> {
        fields::template_name(&request.template_name)?;
        fields::tags(&request.tags)?;
        check_members(
            request.description.as_deref(),
            Some(&request.provisioning_role_arn),
            request.pre_provisioning_hook.as_ref(),
        )?;
        check_body(&request.template_body)?;
        let kind = request.kind.unwrap_or_else(|| KINDS[0].to_owned());
        if !KINDS.contains(&kind.as_str()) {
            return Err(ApiError::invalid_request(format!(
                "`type` is `{kind}`: use {} or {}",
                KINDS[0], KINDS[1]
            )));
        }
        let now_ms = self.now_ms();
        let template = ProvisioningTemplate {
            name: request.template_name,
            kind,
            description: request.description,
            is_enabled: request.enabled,
            role_arn: request.provisioning_role_arn,
            hook_json: request.pre_provisioning_hook.map(hook_json).transpose()?,
            default_version: 1,
            last_version: 1,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
        };
        let arn = self.inner.account.provisioning_template(&template.name);
        let mut tx = self.inner.store.begin().await?;
        if tx.provisioning_template(&template.name).await?.is_some() {
            let message = format!("template `{}` exists: update it", template.name);
            return Err(ApiError::already_exists(&template.name, &arn, message));
        }
        tx.put_provisioning_template(&template).await?;
        let version =
            TemplateVersion { version: 1, body: request.template_body, created_at_ms: now_ms };
        tx.insert_template_version(&template.name, &version).await?;
        put_tags(&mut tx, &arn, &request.tags).await?;
        tx.commit().await?;
        Ok(CreateProvisioningTemplateResponse {
            template_arn: arn,
            template_name: template.name,
            default_version_id: 1,
        })
    }

    /// `DescribeProvisioningTemplate`.
    ///
    /// # Errors
    /// There is no such template.
    pub async fn describe_provisioning_template(
        &self,
        request: ProvisioningTemplateRequest,
    ) -> Result<DescribeProvisioningTemplateResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let template = existing_template(&mut reader, &request.template_name).await?;
        let version = versions::existing(&mut reader, &template, template.default_version).await?;
        let hook = template.hook_json.as_deref().map(serde_json::from_str).transpose();
        let pre_provisioning_hook = hook.map_err(|error| {
            ApiError::internal(format!("template `{}` is damaged: {error}", template.name))
        })?;
        Ok(DescribeProvisioningTemplateResponse {
            default_version_id: template.default_version,
            template_body: version.body,
            provisioning_role_arn: template.role_arn.clone(),
            pre_provisioning_hook,
            summary: self.template_summary(template),
        })
    }

    /// `ListProvisioningTemplates`: by name.
    ///
    /// # Errors
    /// A member is not valid.
    pub async fn list_provisioning_templates(
        &self,
        request: ListProvisioningTemplatesRequest,
    ) -> Result<ListProvisioningTemplatesResponse, ApiError> {
        let token = request.next_token.as_deref();
        let page = Page::by_token("templates", token, request.max_results)?;
        let mut reader = self.inner.store.read().await?;
        let rows = reader.provisioning_templates_after(&page.after, page.fetch()).await?;
        let (rows, next_token) = page.cut(rows, |row| row.name.clone());
        let templates = rows.into_iter().map(|row| self.template_summary(row)).collect();
        Ok(ListProvisioningTemplatesResponse { templates, next_token })
    }

    /// `UpdateProvisioningTemplate`. What is not given stays.
    ///
    /// # Errors
    /// A member is not valid, or there is no such template or version.
    pub async fn update_provisioning_template(
        &self,
        request: UpdateProvisioningTemplateRequest,
    ) -> Result<Empty, ApiError> {
        check_members(
            request.description.as_deref(),
            request.provisioning_role_arn.as_deref(),
            request.pre_provisioning_hook.as_ref(),
        )?;
        if request.remove_pre_provisioning_hook && request.pre_provisioning_hook.is_some() {
            return Err(ApiError::invalid_request(
                "`removePreProvisioningHook` is true and `preProvisioningHook` is given: use one \
                 of them",
            ));
        }
        let mut tx = self.inner.store.begin().await?;
        let mut template = existing_template(&mut tx, &request.template_name).await?;
        if let Some(version) = request.default_version_id {
            template.default_version =
                versions::existing(&mut tx, &template, version).await?.version;
        }
        template.description = request.description.or(template.description);
        template.is_enabled = request.enabled.unwrap_or(template.is_enabled);
        template.role_arn = request.provisioning_role_arn.unwrap_or(template.role_arn);
        if request.remove_pre_provisioning_hook {
            template.hook_json = None;
        } else if let Some(hook) = request.pre_provisioning_hook {
            template.hook_json = Some(hook_json(hook)?);
        }
        template.modified_at_ms = self.now_ms();
        tx.put_provisioning_template(&template).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    /// `DeleteProvisioningTemplate`, with its versions. Its claims end with their time.
    ///
    /// # Errors
    /// There is no such template.
    pub async fn delete_provisioning_template(
        &self,
        request: ProvisioningTemplateRequest,
    ) -> Result<Empty, ApiError> {
        let mut tx = self.inner.store.begin().await?;
        let template = existing_template(&mut tx, &request.template_name).await?;
        tx.delete_tags(&self.inner.account.provisioning_template(&template.name)).await?;
        tx.delete_provisioning_template(&template.name).await?;
        tx.commit().await?;
        Ok(Empty {})
    }

    /// `CreateProvisioningClaim`: a certificate that is valid for five minutes. It is allowed
    /// nothing until a policy is attached to it.
    ///
    /// # Errors
    /// There is no such template, or signing failed.
    pub async fn create_provisioning_claim(
        &self,
        request: ProvisioningTemplateRequest,
    ) -> Result<CreateProvisioningClaimResponse, ApiError> {
        let identity = self.inner.authority.issue_client(COMMON_NAME).map_err(refused)?;
        let expires_at_ms = self.now_ms() + CLAIM_MS;
        let mut issued = self.read_certificate(identity.certificate_pem, ACTIVE, DEFAULT_MODE)?;
        issued.certificate.not_after_ms = expires_at_ms;
        let mut tx = self.inner.store.begin().await?;
        let template = existing_template(&mut tx, &request.template_name).await?;
        self.sweep_claims(&mut tx).await?;
        tx.insert_certificate(&issued.certificate).await?;
        tx.insert_provisioning_claim(&issued.certificate.id, &template.name).await?;
        tx.commit().await?;
        Ok(CreateProvisioningClaimResponse {
            certificate_id: issued.certificate.id,
            certificate_pem: issued.certificate.pem,
            key_pair: KeyPair {
                public_key: issued.public_key_pem,
                private_key: identity.private_key_pem,
            },
            expiration: EpochMs(expires_at_ms),
        })
    }

    /// Nobody can use an expired claim: without this the store would keep them all.
    async fn sweep_claims(&self, tx: &mut Tx) -> Result<(), ApiError> {
        for id in tx.expired_claims(self.now_ms(), SWEEP).await? {
            tx.detach_all_policies(&self.inner.account.certificate(&id)).await?;
            tx.delete_certificate(&id).await?;
        }
        Ok(())
    }

    fn template_summary(&self, template: ProvisioningTemplate) -> ProvisioningTemplateSummary {
        ProvisioningTemplateSummary {
            template_arn: self.inner.account.provisioning_template(&template.name),
            template_name: template.name,
            description: template.description,
            creation_date: EpochMs(template.created_at_ms),
            last_modified_date: EpochMs(template.modified_at_ms),
            enabled: template.is_enabled,
            kind: template.kind,
        }
    }
}

/// The template `name`, or 404.
async fn existing_template(
    reader: &mut Reader,
    name: &str,
) -> Result<ProvisioningTemplate, ApiError> {
    fields::template_name(name)?;
    let found = reader.provisioning_template(name).await?;
    found.ok_or_else(|| ApiError::not_found("ProvisioningTemplate", name))
}

/// Reads a body that a request gives.
fn check_body(body: &str) -> Result<Template, ApiError> {
    fields::length("templateBody", body, 1, MAX_BODY)?;
    Template::parse(body).map_err(not_usable)
}

fn not_usable(error: UseTemplate) -> ApiError {
    ApiError::invalid_request(format!("`templateBody`: {error}"))
}

fn check_members(
    description: Option<&str>,
    role_arn: Option<&str>,
    hook: Option<&ProvisioningHook>,
) -> Result<(), ApiError> {
    fields::length("description", description.unwrap_or_default(), 0, MAX_DESCRIPTION)?;
    if let Some(role_arn) = role_arn {
        fields::length("provisioningRoleArn", role_arn, 20, 2048)?;
    }
    if let Some(hook) = hook {
        fields::length("preProvisioningHook.targetArn", &hook.target_arn, 0, 2048)?;
        if let Some(version) = &hook.payload_version {
            fields::length("preProvisioningHook.payloadVersion", version, 10, 32)?;
        }
    }
    Ok(())
}

fn hook_json(mut hook: ProvisioningHook) -> Result<String, ApiError> {
    hook.payload_version.get_or_insert_with(|| HOOK_VERSION.to_owned());
    serde_json::to_string(&hook)
        .map_err(|error| ApiError::internal(format!("a hook has no JSON: {error}")))
}
