//! Where artifacts come from, as the package store sees it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use marram_model::error_code::ErrorCode;

/// A future that can be sent and is made behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Fetches artifacts. Every call must end by itself when nothing comes for a while.
pub trait ArtifactSource: Send + Sync + fmt::Debug {
    /// Opens an artifact, from a byte on. A source that cannot resume starts at 0 and says so.
    fn open<'a>(
        &'a self,
        request: &'a ArtifactRequest,
    ) -> BoxFuture<'a, Result<OpenArtifact, FetchArtifact>>;
}

/// Which artifact is wanted, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRequest {
    /// As the recipe has it.
    pub uri: ArtifactUri,
    /// The ARN of the component version that needs it; `greengrass:` artifacts cannot be had
    /// without.
    pub component_arn: Option<String>,
    /// Bytes that are here already.
    pub from_byte: u64,
    /// More than this must not come, in bytes, those before `from_byte` included.
    pub max_bytes: u64,
}

/// An artifact's address, by its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactUri {
    /// `greengrass:NAME`: to be had from the cloud by the name.
    Greengrass {
        /// All after the scheme; it may contain `/`.
        name: String,
    },
    /// `s3://BUCKET/KEY`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
}

/// An artifact that is being fetched.
#[derive(Debug)]
pub struct OpenArtifact {
    /// The offset of the first byte that comes.
    pub starts_at: u64,
    /// The whole length in bytes.
    pub total_bytes: Option<u64>,
    /// The bytes.
    pub body: Box<dyn ArtifactBody>,
}

/// The bytes of an artifact, piece by piece.
pub trait ArtifactBody: Send + fmt::Debug {
    /// The next piece; `None` at the end.
    fn chunk(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, FetchArtifact>>;
}

/// Why an artifact could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("the artifact cannot be fetched")]
pub struct FetchArtifact {
    /// Whether the same may succeed later without anybody changing anything.
    pub is_transient: bool,
    /// The codes that a deployment reports for it, from general to specific.
    pub codes: Vec<ErrorCode>,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
