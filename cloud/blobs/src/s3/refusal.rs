//! The store's refusals as S3 words them.

use marram_aws::ApiError;
use tracing::error;

use crate::AccessBlob;

/// 400 for a header or parameter that cannot be used.
pub(super) fn argument(message: &str) -> ApiError {
    ApiError::new("InvalidArgument", 400, message)
}

impl From<AccessBlob> for ApiError {
    fn from(refusal: AccessBlob) -> Self {
        let (code, status) = match &refusal {
            AccessBlob::InvalidBucketName(_) => ("InvalidBucketName", 400),
            AccessBlob::InvalidKey { length: 1025.., .. } => ("KeyTooLongError", 400),
            AccessBlob::InvalidKey { .. } | AccessBlob::InvalidPartNumber(_) => {
                ("InvalidArgument", 400)
            }
            AccessBlob::MetadataTooLarge { .. } => ("MetadataTooLarge", 400),
            AccessBlob::NoSuchBucket(_) => ("NoSuchBucket", 404),
            AccessBlob::BucketExists(_) => ("BucketAlreadyOwnedByYou", 409),
            AccessBlob::BucketNotEmpty(_) => ("BucketNotEmpty", 409),
            AccessBlob::NoSuchKey { .. } => ("NoSuchKey", 404),
            AccessBlob::KeyExists { .. } => ("PreconditionFailed", 412),
            AccessBlob::NoSuchUpload(_) => ("NoSuchUpload", 404),
            AccessBlob::InvalidPart { .. } => ("InvalidPart", 400),
            AccessBlob::InvalidPartOrder => ("InvalidPartOrder", 400),
            AccessBlob::PartTooSmall { .. } => ("EntityTooSmall", 400),
            AccessBlob::TooLarge { .. } => ("EntityTooLarge", 400),
            AccessBlob::DiskFull { .. } => ("InsufficientStorage", 507),
            AccessBlob::Io { .. } | AccessBlob::Damaged { .. } => {
                let source = std::error::Error::source(&refusal).map(ToString::to_string);
                error!(error = %refusal, source, "the artifact store failed");
                let message = "the artifact store could not read or write its files: see its log";
                return Self::new("InternalError", 500, message);
            }
        };
        Self::new(code, status, refusal.to_string())
    }
}
