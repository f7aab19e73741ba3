//! The rest of a document that was too large for its way here (B1.4): fetched once it is known
//! that the deployment's components exist, and only its components are taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_http::client::SendRequest;
use marram_model::data_plane::{GetDeploymentConfigurationResponse, IntegrityCheck};
use marram_model::deployment::{DeploymentDocument, LARGE_CONFIGURATION, ParseDocument};
use marram_model::error_code::ErrorCode;
use ring::digest::{SHA256, digest};

use super::NucleusSteps;
use crate::cloud::DataPlane;
use crate::cloud::data_plane::CallDataPlane;
use crate::deployment::current::Current;
use crate::deployment::machine::Failure;
use crate::packages::RetryPolicy;
use crate::packages::source::BoxFuture;
use crate::resolve::negotiate::cloud_codes;

/// AWS's limit for such a document, in bytes.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// How often a cloud may say that it does not know the document yet.
const MAX_NOT_FOUND: u32 = 10;

/// Why the whole document is not here.
#[derive(Debug, thiserror::Error)]
pub enum FetchConfiguration {
    /// There is nobody to ask.
    #[error("the deployment's configuration has to be fetched, and this device has no cloud")]
    NoCloud,
    /// The cloud did not say where it is.
    #[error("the deployment's configuration cannot be fetched")]
    Ask(#[source] CallDataPlane),
    /// It did not come from there.
    #[error("the deployment's configuration cannot be downloaded")]
    Download(#[source] SendRequest),
    /// Nobody can say whether it came whole.
    #[error("the deployment's configuration is checked by `{0}`: SHA-256 is known")]
    Algorithm(String),
    /// It did not come whole.
    #[error("the deployment's configuration has the SHA-256 {found}, not {expected}")]
    Digest {
        /// As the cloud says, in base64.
        expected: String,
        /// What came, in base64.
        found: String,
    },
    /// It is no document.
    #[error("the deployment's configuration cannot be read")]
    Parse(#[source] ParseDocument),
    /// It is another deployment's.
    #[error("the deployment's configuration is that of the deployment `{0}`")]
    Other(String),
}

/// Fetches whole documents; [`DataPlane`] does.
pub trait ConfigurationSource: Send + Sync {
    /// The bytes of the deployment's document, and how to check them. Must end by itself when
    /// nothing comes.
    fn whole_document<'a>(
        &'a self,
        deployment_id: &'a str,
    ) -> BoxFuture<'a, Result<(Vec<u8>, IntegrityCheck), FetchConfiguration>>;
}

impl ConfigurationSource for DataPlane {
    fn whole_document<'a>(
        &'a self,
        deployment_id: &'a str,
    ) -> BoxFuture<'a, Result<(Vec<u8>, IntegrityCheck), FetchConfiguration>> {
        Box::pin(self.download_document(deployment_id))
    }
}

impl DataPlane {
    async fn download_document(
        &self,
        deployment_id: &str,
    ) -> Result<(Vec<u8>, IntegrityCheck), FetchConfiguration> {
        let GetDeploymentConfigurationResponse { pre_signed_url, integrity_check } =
            self.deployment_configuration(deployment_id).await.map_err(FetchConfiguration::Ask)?;
        let mut download = self
            .download(&pre_signed_url, 0, MAX_BYTES)
            .await
            .map_err(FetchConfiguration::Download)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = download.chunk().await.map_err(FetchConfiguration::Download)? {
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, integrity_check))
    }
}

impl FetchConfiguration {
    fn is_transient(&self) -> bool {
        match self {
            Self::Ask(error) => error.is_transient(),
            Self::Download(error) => error.is_transient(),
            Self::NoCloud
            | Self::Algorithm(_)
            | Self::Digest { .. }
            | Self::Parse(_)
            | Self::Other(_) => false,
        }
    }

    fn is_not_found(&self) -> bool {
        matches!(self, Self::Ask(error) if error.not_found_message().is_some())
    }

    fn codes(&self) -> Vec<ErrorCode> {
        match self {
            Self::NoCloud => vec![ErrorCode::DeviceConfigNotValidForArtifactDownload],
            Self::Ask(error) if error.is_access_denied() => {
                let mut codes = cloud_codes(error);
                codes.push(ErrorCode::GetDeploymentConfigurationAccessDenied);
                codes
            }
            Self::Ask(error) => cloud_codes(error),
            Self::Download(SendRequest::BodyTooLarge { .. }) => {
                vec![ErrorCode::DeploymentDocumentSizeExceeded]
            }
            Self::Parse(error) => error.error_codes(),
            Self::Download(_) | Self::Algorithm(_) | Self::Digest { .. } | Self::Other(_) => {
                vec![ErrorCode::DownloadDeploymentDocumentError]
            }
        }
    }
}

impl NucleusSteps {
    /// Takes the components' configuration from where the whole document is, if it came without.
    pub(super) async fn complete(&self, current: &mut Current) -> Result<(), Failure> {
        let document = &mut current.document;
        if !document.required_capabilities.iter().any(|word| word == LARGE_CONFIGURATION) {
            return Ok(());
        }
        let id = &document.deployment_id;
        let whole = match &self.data_plane {
            Some(data_plane) => fetch(&**data_plane, id, self.retry_policy()).await,
            None => Err(FetchConfiguration::NoCloud),
        };
        let whole = whole.map_err(|error| Failure::of(&error, error.codes()))?;
        tracing::info!(deployment_id = id, "the deployment's whole configuration is here");
        document.components = whole.components;
        Ok(())
    }
}

/// Asks until there is an answer to stay with; dropping the future ends it.
async fn fetch(
    cloud: &dyn ConfigurationSource,
    deployment_id: &str,
    retry: RetryPolicy,
) -> Result<DeploymentDocument, FetchConfiguration> {
    let (mut failures, mut not_found) = (0, 0);
    loop {
        let error = match fetch_once(cloud, deployment_id).await {
            Ok(document) => return Ok(document),
            Err(error) => error,
        };
        failures += 1;
        not_found += u32::from(error.is_not_found());
        let may_come = error.is_not_found() && not_found <= MAX_NOT_FOUND;
        if !may_come && !error.is_transient() {
            return Err(error);
        }
        tracing::info!(%error, failures, "the deployment's configuration is asked for again");
        retry.pause(failures).await;
    }
}

async fn fetch_once(
    cloud: &dyn ConfigurationSource,
    deployment_id: &str,
) -> Result<DeploymentDocument, FetchConfiguration> {
    let (bytes, check) = cloud.whole_document(deployment_id).await?;
    read(&bytes, check, deployment_id)
}

fn read(
    bytes: &[u8],
    check: IntegrityCheck,
    deployment_id: &str,
) -> Result<DeploymentDocument, FetchConfiguration> {
    if !check.algorithm.eq_ignore_ascii_case("SHA-256") {
        return Err(FetchConfiguration::Algorithm(check.algorithm));
    }
    let found = STANDARD.encode(digest(&SHA256, bytes));
    if found != check.digest {
        return Err(FetchConfiguration::Digest { expected: check.digest, found });
    }
    let document = DeploymentDocument::parse(bytes).map_err(FetchConfiguration::Parse)?;
    if document.deployment_id != deployment_id {
        return Err(FetchConfiguration::Other(document.deployment_id));
    }
    Ok(document)
}

#[cfg(test)]
mod tests;
