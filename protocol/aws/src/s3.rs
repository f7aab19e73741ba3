//! S3's XML shapes and its own framing of bodies.
//!
//! Only what `cloud/blobs` serves (cloud API, section 9.3). Shapes follow botocore's model
//! s3/2006-03-01.

pub mod aws_chunked;
mod deletion;
mod listing;
mod multipart;

pub use deletion::{DeleteRequest, DeleteResult};
pub use listing::{Entry, Listing, ListingVersion};
pub use multipart::{CompletedPart, PartEntry, PartListing, parse_completed_parts};

use crate::ApiError;
use crate::timestamp::iso8601;
use crate::xml::document;

/// The namespace of every answer but errors.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The body of an error, which in S3 has no envelope.
pub fn error_body(error: &ApiError, resource: &str, request_id: &str) -> String {
    document("Error", "", |body| {
        body.text("Code", error.code);
        body.text("Message", &error.message);
        body.text("Resource", resource);
        body.text("RequestId", request_id);
    })
}

/// The answer of ListBuckets: names with their times of creation in milliseconds.
pub fn list_buckets<'b>(owner: &str, buckets: impl IntoIterator<Item = (&'b str, i64)>) -> String {
    document("ListAllMyBucketsResult", NAMESPACE, |result| {
        result.element("Owner", |o| o.text("ID", owner));
        result.element("Buckets", |list| {
            for (name, created_ms) in buckets {
                list.element("Bucket", |bucket| {
                    bucket.text("Name", name);
                    bucket.text("CreationDate", iso8601(created_ms));
                });
            }
        });
    })
}

/// The answer of GetBucketLocation; empty for us-east-1, as S3 has it.
pub fn location(region: &str) -> String {
    let region = if region == "us-east-1" { "" } else { region };
    document("LocationConstraint", NAMESPACE, |constraint| constraint.inner_text(region))
}

/// The answer of CopyObject and, as `CopyPartResult`, of UploadPartCopy.
pub fn copy_result(root: &str, etag: &str, modified_ms: i64) -> String {
    document(root, NAMESPACE, |result| {
        result.text("LastModified", iso8601(modified_ms));
        result.text("ETag", etag);
    })
}

/// The answer of CreateMultipartUpload.
pub fn upload_created(bucket: &str, key: &str, upload_id: &str) -> String {
    document("InitiateMultipartUploadResult", NAMESPACE, |result| {
        result.text("Bucket", bucket);
        result.text("Key", key);
        result.text("UploadId", upload_id);
    })
}

/// The answer of CompleteMultipartUpload.
pub fn upload_completed(location: &str, bucket: &str, key: &str, etag: &str) -> String {
    document("CompleteMultipartUploadResult", NAMESPACE, |result| {
        result.text("Location", location);
        result.text("Bucket", bucket);
        result.text("Key", key);
        result.text("ETag", etag);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn us_east_1_is_an_empty_location() {
        assert!(location("us-east-1").contains("2006-03-01/\"></LocationConstraint>"));
        assert!(location("eu-west-1").contains(">eu-west-1</LocationConstraint>"));
    }

    #[test]
    fn errors_have_no_namespace() {
        let error = ApiError::new("NoSuchKey", 404, "gone");
        assert!(error_body(&error, "/b/k", "r").contains("<Error><Code>NoSuchKey</Code>"));
    }
}
