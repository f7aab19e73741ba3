//! Which of IAM's actions, on which resource, each operation is (IAM user guide, "Actions,
//! resources, and condition keys for Amazon S3").

use marram_aws::ApiError;

use super::operation::Operation;
use super::target::Target;
use super::{Access, Permit, Request};

impl Target {
    /// `arn:aws:s3:::bucket/key`, `arn:aws:s3:::bucket`, or `*` for the service itself.
    pub(super) fn arn(&self) -> String {
        match (self.bucket.as_str(), self.key.as_str()) {
            ("", _) => "*".to_owned(),
            (bucket, "") => format!("arn:aws:s3:::{bucket}"),
            (bucket, key) => object_arn(bucket, key),
        }
    }
}

fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

impl Operation {
    fn action(self) -> &'static str {
        match self {
            Self::ListBuckets => "s3:ListAllMyBuckets",
            Self::CreateBucket => "s3:CreateBucket",
            Self::DeleteBucket => "s3:DeleteBucket",
            Self::GetBucketLocation => "s3:GetBucketLocation",
            Self::HeadBucket | Self::ListObjects | Self::ListObjectsV2 => "s3:ListBucket",
            Self::GetObject | Self::HeadObject => "s3:GetObject",
            Self::DeleteObject | Self::DeleteObjects => "s3:DeleteObject",
            Self::PutObject
            | Self::CopyObject
            | Self::CreateMultipartUpload
            | Self::UploadPart
            | Self::UploadPartCopy
            | Self::CompleteMultipartUpload => "s3:PutObject",
            Self::AbortMultipartUpload => "s3:AbortMultipartUpload",
            Self::ListParts => "s3:ListMultipartUploadParts",
        }
    }
}

impl Request<'_> {
    /// Whether the caller may do this, but for the keys that `DeleteObjects` names in its body.
    pub(super) fn check_permission(&self, operation: Operation) -> Result<(), ApiError> {
        let bucket = &self.target.bucket;
        let is_reserved = self.service.check_not_reserved(bucket).is_err();
        let permit = match self.access {
            Access::Reserved if is_reserved && operation.is_reading() => return Ok(()),
            Access::Reserved => {
                let message = format!("a URL for component artifacts may not call {operation:?}");
                return Err(ApiError::new("AccessDenied", 403, message));
            }
            Access::Permitted(permit) => permit,
        };
        let resource = self.target.arn();
        match operation {
            Operation::DeleteObjects => {}
            Operation::HeadBucket => may_find(&**permit, &resource)?,
            _ => permit.permit(operation.action(), &resource)?,
        }
        if matches!(operation, Operation::CopyObject | Operation::UploadPartCopy) {
            let (bucket, key) = self.copy_source()?;
            permit.permit("s3:GetObject", &object_arn(&bucket, &key))?;
        }
        if is_reserved && operation == Operation::CreateBucket {
            let message = format!(
                "the bucket name `{bucket}` is reserved for the fleet's own copies of component \
                 artifacts: choose another"
            );
            return Err(ApiError::new("BucketAlreadyExists", 409, message));
        }
        self.service.check_not_reserved(bucket)
    }

    /// Whether the caller may delete one of the keys of `DeleteObjects`.
    pub(super) fn check_deletion(&self, key: &str) -> Result<(), ApiError> {
        match self.access {
            Access::Permitted(permit) => permit
                .permit(Operation::DeleteObjects.action(), &object_arn(&self.target.bucket, key)),
            // It came no further than `check_permission`.
            Access::Reserved => Ok(()),
        }
    }
}

/// `HeadBucket` tells no more than `GetBucketLocation`, so the permission to either will do: what
/// devices need before a download is then no permission to list. A denial of listing stands.
fn may_find(permit: &dyn Permit, bucket: &str) -> Result<(), ApiError> {
    let denied = match permit.permit("s3:ListBucket", bucket) {
        Err(denied) if !permit.forbids("s3:ListBucket", bucket) => denied,
        decided => return decided,
    };
    permit.permit("s3:GetBucketLocation", bucket).map_err(|_| denied)
}
