//! Documents that are too large for their way to the device (`LARGE_CONFIGURATION`).
//!
//! A job carries 32 KiB and a shadow 8 KiB. A larger document goes without its configuration
//! updates; the device asks for the whole one by `GetDeploymentConfiguration`, which no public
//! source gives a path for. nucleus-lite would apply the short form as it is, so it never gets it.

use std::borrow::Cow;

use marram_aws::ApiError;
use marram_blobs::Attributes;
use marram_model::arn::Target;
use marram_model::data_plane::{GetDeploymentConfigurationResponse, IntegrityCheck};
use marram_model::deployment::{DeploymentDocument, LARGE_CONFIGURATION};
use marram_store::{DeploymentRow, Reader};
use serde_json::Value;

use super::{damaged, find, target_of};
use crate::components::ARTIFACT_BUCKET;
use crate::fleet::Fleet;

/// AWS's limit for a job document.
pub(crate) const MAX_JOB_DOCUMENT_BYTES: usize = 32_768;

/// Beyond it a job carries the short form: what is around a document takes room too.
const MAX_WHOLE_IN_JOB: usize = 28 * 1024;

/// Beyond it a shadow carries the short form. As a JSON string, whose escapes count.
const MAX_WHOLE_IN_SHADOW: usize = 7 * 1024;

/// AWS's limit for a document that devices fetch.
pub(super) const MAX_DOCUMENT_BYTES: usize = 10 * 1024 * 1024;

/// Whether a job carries the whole document.
pub(crate) fn fits_job(row: &DeploymentRow) -> bool {
    row.document_json.len() <= MAX_WHOLE_IN_JOB
}

/// A job's document as it is sent.
pub(super) fn in_job(row: &DeploymentRow) -> Result<Cow<'_, str>, ApiError> {
    match fits_job(row) {
        true => Ok(Cow::Borrowed(&row.document_json)),
        false => short_form(row).map(Cow::Owned),
    }
}

/// The same as a JSON object.
pub(crate) fn document_in_job(row: &DeploymentRow) -> Result<Value, ApiError> {
    serde_json::from_str(&in_job(row)?).map_err(|error| damaged(row, &error.to_string()))
}

/// A shadow's document as it is sent.
pub(super) fn in_shadow(row: &DeploymentRow) -> Result<Cow<'_, str>, ApiError> {
    let escapes = row.document_json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    match row.document_json.len() + escapes <= MAX_WHOLE_IN_SHADOW {
        true => Ok(Cow::Borrowed(&row.document_json)),
        false => short_form(row).map(Cow::Owned),
    }
}

/// All but the configuration updates, with the word that makes the device ask for them.
fn short_form(row: &DeploymentRow) -> Result<String, ApiError> {
    let mut document: DeploymentDocument = serde_json::from_str(&row.document_json)
        .map_err(|error| damaged(row, &error.to_string()))?;
    for component in document.components.values_mut() {
        component.configuration_update = None;
    }
    document.required_capabilities.push(LARGE_CONFIGURATION.to_owned());
    serde_json::to_string(&document).map_err(|error| damaged(row, &error.to_string()))
}

impl Fleet {
    /// `GetDeploymentConfiguration`: where `thing` fetches the whole document for a while, and by
    /// what it knows that it got it.
    ///
    /// # Errors
    /// There is no such deployment for the thing.
    pub async fn get_deployment_configuration(
        &self,
        thing: &str,
        deployment_id: &str,
    ) -> Result<GetDeploymentConfigurationResponse, ApiError> {
        let mut reader = self.inner.store.read().await?;
        let row = find(&mut reader, deployment_id).await?;
        if !is_for(&mut reader, &row, thing).await? {
            return Err(ApiError::not_found("deployment", deployment_id));
        }
        drop(reader);
        let key = object_key(&row.id);
        let digest = match self.inner.blobs.head(ARTIFACT_BUCKET, &key) {
            Ok(kept) => kept.sha256.clone(),
            Err(_) => {
                self.prepare_bucket().await?;
                let kept = self.put_document(&key, row.document_json.as_bytes()).await;
                kept.map_err(|error| ApiError::internal(format!("cannot keep `{key}`: {error}")))?
            }
        };
        Ok(GetDeploymentConfigurationResponse {
            pre_signed_url: self.presign(&key)?,
            integrity_check: IntegrityCheck { algorithm: "SHA-256".to_owned(), digest },
        })
    }

    /// Forgets the document of a deployment that is gone; it is there only if a device asked for it.
    pub(super) async fn delete_document(&self, deployment_id: &str) {
        let key = object_key(deployment_id);
        if self.inner.blobs.head(ARTIFACT_BUCKET, &key).is_err() {
            return;
        }
        if let Err(error) = self.inner.blobs.delete(ARTIFACT_BUCKET, &key).await {
            tracing::warn!(key, %error, "a deleted deployment's document is left behind");
        }
    }

    /// Writes the document when the first device asks for it, so that it needs no place in the
    /// deployment's own transaction; it never changes. Gives its digest.
    async fn put_document(
        &self,
        key: &str,
        document: &[u8],
    ) -> Result<String, marram_blobs::AccessBlob> {
        let blobs = &self.inner.blobs;
        let mut staging = blobs.stage(Some(document.len() as u64)).await?;
        staging.write(document).await?;
        let staged = staging.finish().await?;
        let digest = staged.sha256_base64();
        blobs.put(ARTIFACT_BUCKET, key, staged, Attributes::default()).await?;
        Ok(digest)
    }
}

fn object_key(deployment_id: &str) -> String {
    format!("deployments/{deployment_id}.json")
}

async fn is_for(reader: &mut Reader, row: &DeploymentRow, thing: &str) -> Result<bool, ApiError> {
    if let (Target::Thing(target), None) = (target_of(row)?, &row.job_id) {
        return Ok(target == thing);
    }
    match &row.job_id {
        Some(job_id) => Ok(reader.execution(job_id, thing).await?.is_some()),
        None => Ok(false),
    }
}
