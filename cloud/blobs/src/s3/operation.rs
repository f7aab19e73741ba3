//! Which operation a request asks for.

use hyper::Method;
use marram_aws::ApiError;

use super::Query;

/// What the path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Service,
    Bucket,
    Object,
}

/// The operations that are served, by S3's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    ListObjects,
    ListObjectsV2,
    DeleteObjects,
    GetObject,
    HeadObject,
    PutObject,
    CopyObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

/// Query parameters that turn a request into one about something else than the bucket or object.
/// One that no operation here knows must not be passed over: `PUT /b/k?acl` is no PutObject.
const SUB_RESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "versionId",
    "versioning",
    "versions",
    "website",
];

impl Operation {
    /// `copies` tells whether the request names a source to copy from.
    pub(super) fn of(
        method: &Method,
        level: Level,
        query: &Query,
        copies: bool,
    ) -> Result<Self, ApiError> {
        if let Some(name) = SUB_RESOURCES.iter().find(|name| query.has(name)) {
            return Err(ApiError::new(
                "NotImplemented",
                501,
                format!("the sub-resource `{name}` is not offered by this S3 endpoint"),
            ));
        }
        let found = match level {
            Level::Service => (*method == Method::GET).then_some(Self::ListBuckets),
            Level::Bucket => Self::on_bucket(method, query),
            Level::Object => Self::on_object(method, query, copies),
        };
        found.ok_or_else(|| {
            ApiError::new(
                "MethodNotAllowed",
                405,
                format!("{method} with these parameters is no operation on this resource"),
            )
        })
    }

    fn on_bucket(method: &Method, query: &Query) -> Option<Self> {
        match *method {
            Method::PUT => Some(Self::CreateBucket),
            Method::HEAD => Some(Self::HeadBucket),
            Method::DELETE => Some(Self::DeleteBucket),
            Method::POST if query.has("delete") => Some(Self::DeleteObjects),
            Method::GET if query.has("location") => Some(Self::GetBucketLocation),
            Method::GET if query.has("uploads") => None,
            Method::GET if query.get("list-type") == Some("2") => Some(Self::ListObjectsV2),
            Method::GET => Some(Self::ListObjects),
            _ => None,
        }
    }

    fn on_object(method: &Method, query: &Query, copies: bool) -> Option<Self> {
        let upload = query.has("uploadId");
        match *method {
            Method::GET if upload => Some(Self::ListParts),
            Method::GET => Some(Self::GetObject),
            Method::HEAD => Some(Self::HeadObject),
            Method::PUT if upload && copies => Some(Self::UploadPartCopy),
            Method::PUT if upload => Some(Self::UploadPart),
            Method::PUT if copies => Some(Self::CopyObject),
            Method::PUT => Some(Self::PutObject),
            Method::DELETE if upload => Some(Self::AbortMultipartUpload),
            Method::DELETE => Some(Self::DeleteObject),
            Method::POST if query.has("uploads") => Some(Self::CreateMultipartUpload),
            Method::POST if upload => Some(Self::CompleteMultipartUpload),
            _ => None,
        }
    }

    /// Whether it gives an object and changes nothing.
    pub(super) fn is_reading(self) -> bool {
        matches!(self, Self::GetObject | Self::HeadObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, level: Level, query: &str) -> Result<Operation, ApiError> {
        Operation::of(&method, level, &Query::parse(query).unwrap(), false)
    }

    #[test]
    fn sub_resources_are_never_taken_for_the_object() {
        let error = of(Method::PUT, Level::Object, "acl").unwrap_err();
        assert_eq!((error.code, error.status), ("NotImplemented", 501));
        assert!(of(Method::DELETE, Level::Object, "versionId=1").is_err());
        assert!(of(Method::GET, Level::Bucket, "policy=").is_err());
        assert!(of(Method::POST, Level::Object, "").is_err());
    }

    #[test]
    fn parameters_choose_the_operation() {
        let presigned = "X-Amz-Algorithm=a&x-id=GetObject";
        assert_eq!(of(Method::GET, Level::Object, presigned), Ok(Operation::GetObject));
        assert_eq!(of(Method::GET, Level::Bucket, "list-type=2"), Ok(Operation::ListObjectsV2));
        assert_eq!(of(Method::GET, Level::Bucket, ""), Ok(Operation::ListObjects));
        let part = of(Method::PUT, Level::Object, "partNumber=1&uploadId=a");
        assert_eq!(part, Ok(Operation::UploadPart));
    }
}
