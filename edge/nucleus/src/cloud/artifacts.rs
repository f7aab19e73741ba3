//! Artifacts from the cloud: the data plane as the package store's source.

use std::error::Error;

use bytes::Bytes;
use marram_http::StatusCode;
use marram_http::client::{Download, SendRequest};
use marram_model::error_code::ErrorCode;

use super::data_plane::{CallDataPlane, DataPlane};
use crate::packages::source::{
    ArtifactBody, ArtifactRequest, ArtifactSource, ArtifactUri, BoxFuture, FetchArtifact,
    OpenArtifact,
};

/// Why an artifact's address leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Unobtainable {
    #[error(
        "the component's ARN is not known, because its recipe did not come from the cloud: \
         put the artifact into the local deployment's artifact folder"
    )]
    NoArn,
    #[error(
        "`s3://{bucket}/{key}` cannot be fetched by the device itself: create the component \
         version in the cloud, which hands its artifacts out, or put the artifact into the local \
         deployment's artifact folder"
    )]
    S3 { bucket: String, key: String },
}

impl ArtifactSource for DataPlane {
    fn open<'a>(
        &'a self,
        request: &'a ArtifactRequest,
    ) -> BoxFuture<'a, Result<OpenArtifact, FetchArtifact>> {
        Box::pin(self.open_artifact(request))
    }
}

impl DataPlane {
    /// Asks for a fresh URL each time, because the one before may have expired.
    async fn open_artifact(
        &self,
        request: &ArtifactRequest,
    ) -> Result<OpenArtifact, FetchArtifact> {
        let name = match &request.uri {
            ArtifactUri::Greengrass { name } => name,
            ArtifactUri::S3 { bucket, key } => {
                let (bucket, key) = (bucket.clone(), key.clone());
                return Err(unobtainable(ErrorCode::S3Error, Unobtainable::S3 { bucket, key }));
            }
        };
        let Some(arn) = &request.component_arn else {
            return Err(unobtainable(ErrorCode::LocalRecipeMetadataNotFound, Unobtainable::NoArn));
        };
        let url = self.artifact_url(arn, name).await.map_err(call_failed)?;
        // A source that cannot resume sends all of it again.
        let limit = usize::try_from(request.max_bytes).unwrap_or(usize::MAX);
        let download =
            self.download(&url, request.from_byte, limit).await.map_err(download_failed)?;
        Ok(OpenArtifact {
            starts_at: download.starts_at(),
            total_bytes: download.total_bytes(),
            body: Box::new(Body(download)),
        })
    }
}

#[derive(Debug)]
struct Body(Download);

impl ArtifactBody for Body {
    fn chunk(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, FetchArtifact>> {
        Box::pin(async { self.0.chunk().await.map_err(download_failed) })
    }
}

fn unobtainable(code: ErrorCode, source: Unobtainable) -> FetchArtifact {
    FetchArtifact { is_transient: false, codes: vec![code], source: Box::new(source) }
}

fn call_failed(error: CallDataPlane) -> FetchArtifact {
    let codes = match &error {
        CallDataPlane::Unreachable { .. } => vec![ErrorCode::NetworkError],
        CallDataPlane::BadAnswer { .. } => vec![ErrorCode::CloudApiError],
        CallDataPlane::Refused { status, .. } => match *status {
            StatusCode::FORBIDDEN => vec![
                ErrorCode::CloudApiError,
                ErrorCode::AccessDenied,
                ErrorCode::GetComponentVersionArtifactAccessDenied,
            ],
            StatusCode::NOT_FOUND => vec![ErrorCode::CloudApiError, ErrorCode::ResourceNotFound],
            _ => vec![ErrorCode::CloudApiError],
        },
    };
    fetch_failed(error.is_transient(), codes, error)
}

fn download_failed(error: SendRequest) -> FetchArtifact {
    let codes = match &error {
        SendRequest::Status { .. } => {
            vec![ErrorCode::HttpRequestError, ErrorCode::DownloadGreengrassArtifactError]
        }
        SendRequest::BodyTooLarge { .. } | SendRequest::Invalid { .. } => {
            vec![ErrorCode::DownloadGreengrassArtifactError]
        }
        _ => vec![ErrorCode::NetworkError],
    };
    fetch_failed(error.is_transient(), codes, error)
}

fn fetch_failed(
    is_transient: bool,
    codes: Vec<ErrorCode>,
    source: impl Error + Send + Sync + 'static,
) -> FetchArtifact {
    FetchArtifact { is_transient, codes, source: Box::new(source) }
}
