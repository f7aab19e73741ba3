//! Back-ups of the whole cloud, as answers.

use std::fmt;
use std::fs::File;
use std::pin::Pin;

use hyper::StatusCode;
use marram_aws::ApiError;
use marram_blobs::ContentBody;
use marram_http::server::{Reply, streamed};

use crate::api::Services;

/// A back-up being made.
pub type BackingUp<'b> = Pin<Box<dyn Future<Output = Result<File, ApiError>> + Send + 'b>>;

/// Makes back-ups of the whole cloud.
pub trait Backups: Send + Sync + fmt::Debug {
    /// Makes one; gives its archive, open for reading from its start.
    fn back_up(&self) -> BackingUp<'_>;
}

/// Answers with the archive. It holds every secret of the cloud.
pub(crate) async fn answer(services: &Services) -> Result<Reply, ApiError> {
    let file = services.backups.back_up().await?;
    let length = file.metadata().map_err(|error| ApiError::internal(error.to_string()))?.len();
    let mut reply = streamed(StatusCode::OK, ContentBody::of(file, length));
    let headers = reply.headers_mut();
    headers.insert(hyper::header::CONTENT_LENGTH, length.into());
    headers.insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/zip"),
    );
    Ok(reply)
}
