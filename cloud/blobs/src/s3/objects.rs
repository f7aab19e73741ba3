//! The operations on objects.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use marram_aws::ApiError;
use marram_aws::route::percent_decode;
use marram_aws::s3::copy_result;
use marram_aws::timestamp::parse_http_date;
use marram_http::server::{Reply, streamed};

use super::attributes::{describe, describe_checksum, quoted};
use super::operation::Operation;
use super::range::Extent;
use super::receive::{Intake, receive};
use super::refusal::argument;
use super::{Request, empty, set, xml};
use crate::blobs::Existing;
use crate::{Attributes, Object};

impl Request<'_> {
    pub(super) async fn on_object<B>(
        &self,
        operation: Operation,
        intake: Intake<B>,
    ) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::fmt::Display,
    {
        match operation {
            Operation::GetObject => self.get().await,
            Operation::HeadObject => self.head(),
            Operation::PutObject => self.put(intake).await,
            Operation::CopyObject => self.copy().await,
            Operation::DeleteObject => {
                self.service.blobs.delete(&self.target.bucket, &self.target.key).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => self.on_upload(operation, intake).await,
        }
    }

    async fn get(&self) -> Result<Reply, ApiError> {
        let content = self.service.blobs.get(&self.target.bucket, &self.target.key).await?;
        let object = Arc::clone(&content.object);
        self.check_conditions(&object)?;
        let (status, first, length) = self.extent(&object)?;
        let mut answer = streamed(status, content.into_body(first, length).await?);
        self.describe_extent(&object, status, first, length, &mut answer);
        Ok(answer)
    }

    fn head(&self) -> Result<Reply, ApiError> {
        let object = self.service.blobs.head(&self.target.bucket, &self.target.key)?;
        self.check_conditions(&object)?;
        let (status, first, length) = self.extent(&object)?;
        let mut answer = empty(status);
        self.describe_extent(&object, status, first, length, &mut answer);
        set(answer.headers_mut(), "content-length", &length.to_string());
        Ok(answer)
    }

    async fn put<B>(&self, intake: Intake<B>) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::fmt::Display,
    {
        let existing = match self.header("if-none-match") {
            None => Existing::Replace,
            Some("*") => Existing::Refuse,
            Some(_) => return Err(unsupported_condition("If-None-Match")),
        };
        if self.header("if-match").is_some() {
            return Err(unsupported_condition("If-Match"));
        }
        let blobs = &self.service.blobs;
        let (bucket, key) = (&self.target.bucket, &self.target.key);
        blobs.check_bucket(bucket)?;
        let received = receive(blobs, self.headers, intake).await?;
        let attributes = Attributes::from_headers(self.headers, received.checksum)?;
        let object = blobs.put_over(bucket, key, received.staged, attributes, existing).await?;
        let mut answer = empty(StatusCode::OK);
        set(answer.headers_mut(), "etag", &quoted(&object.etag));
        describe_checksum(object.attributes.checksum.as_ref(), answer.headers_mut());
        Ok(answer)
    }

    async fn copy(&self) -> Result<Reply, ApiError> {
        let (from_bucket, from_key) = self.copy_source()?;
        let attributes = match self.header("x-amz-metadata-directive") {
            Some("REPLACE") => Some(Attributes::from_headers(self.headers, None)?),
            _ => None,
        };
        let to = (self.target.bucket.as_str(), self.target.key.as_str());
        let copied = self.service.blobs.copy((&from_bucket, &from_key), to, attributes).await?;
        Ok(xml(copy_result("CopyObjectResult", &quoted(&copied.etag), copied.modified_ms)))
    }

    /// Bucket and key of `x-amz-copy-source: /bucket/key`.
    pub(super) fn copy_source(&self) -> Result<(String, String), ApiError> {
        let raw = self.header("x-amz-copy-source").unwrap_or_default();
        let wrong = || argument(&format!("`x-amz-copy-source` is `{raw}`: give /<bucket>/<key>"));
        if raw.contains("?versionId=") {
            return Err(ApiError::new("NotImplemented", 501, "objects have no versions here"));
        }
        let source = percent_decode(raw).map_err(|_| wrong())?;
        let (bucket, key) =
            source.strip_prefix('/').unwrap_or(&source).split_once('/').ok_or_else(wrong)?;
        self.service.check_not_reserved(bucket)?;
        Ok((bucket.to_owned(), key.to_owned()))
    }

    /// What to send of `object`: status, first byte, length.
    fn extent(&self, object: &Object) -> Result<(StatusCode, u64, u64), ApiError> {
        match Extent::of(self.header("range"), object.size) {
            Extent::Whole => Ok((StatusCode::OK, 0, object.size)),
            Extent::Part { first, length } => Ok((StatusCode::PARTIAL_CONTENT, first, length)),
            Extent::Unsatisfiable => {
                let message =
                    format!("the object has {} bytes, and none of that range", object.size);
                Err(ApiError::new("InvalidRange", 416, message)
                    .with("content-range", format!("bytes */{}", object.size)))
            }
        }
    }

    fn describe_extent(
        &self,
        object: &Object,
        status: StatusCode,
        first: u64,
        length: u64,
        answer: &mut Reply,
    ) {
        let headers = answer.headers_mut();
        describe(object, headers);
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {first}-{}/{}", first + length - 1, object.size);
            set(headers, "content-range", &range);
        } else if self.header("x-amz-checksum-mode") == Some("ENABLED") {
            describe_checksum(object.attributes.checksum.as_ref(), headers);
        }
    }

    /// The four conditions of RFC 9110, an ETag's before a date's.
    fn check_conditions(&self, object: &Object) -> Result<(), ApiError> {
        let seconds = object.modified_ms.div_euclid(1_000);
        let date = |name| self.header(name).and_then(parse_http_date).map(|ms| ms / 1_000);
        let holds = match self.header("if-match") {
            Some(tags) => matches(tags, &object.etag),
            None => date("if-unmodified-since").is_none_or(|since| seconds <= since),
        };
        if !holds {
            let message = format!("the object's ETag is \"{}\"", object.etag);
            return Err(ApiError::new("PreconditionFailed", 412, message));
        }
        let unchanged = match self.header("if-none-match") {
            Some(tags) => matches(tags, &object.etag),
            None => date("if-modified-since").is_some_and(|since| seconds <= since),
        };
        if unchanged {
            return Err(ApiError::new("NotModified", 304, "not modified")
                .with("etag", quoted(&object.etag)));
        }
        Ok(())
    }
}

fn matches(tags: &str, etag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag)
}

fn unsupported_condition(header: &str) -> ApiError {
    let message = format!("`{header}` with an ETag is not offered on writes: use If-None-Match: *");
    ApiError::new("NotImplemented", 501, message)
}
