//! The operations of multipart uploads.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use marram_aws::ApiError;
use marram_aws::s3::{
    PartEntry, PartListing, copy_result, parse_completed_parts, upload_completed, upload_created,
};
use marram_http::server::Reply;

use super::attributes::{describe_checksum, quoted};
use super::operation::Operation;
use super::range::Extent;
use super::receive::{Intake, receive, receive_document};
use super::refusal::argument;
use super::{Request, empty, set, xml};
use crate::{Attributes, Upload};

const MAX_PARTS: usize = 1000;

impl Request<'_> {
    pub(super) async fn on_upload<B>(
        &self,
        operation: Operation,
        intake: Intake<B>,
    ) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::fmt::Display,
    {
        let blobs = &self.service.blobs;
        let (bucket, key) = (&self.target.bucket, &self.target.key);
        let upload = self.upload();
        match operation {
            Operation::CreateMultipartUpload => {
                let attributes = Attributes::from_headers(self.headers, None)?;
                let id = blobs.begin_upload(bucket, key, attributes).await?;
                Ok(xml(upload_created(bucket, key, &id)))
            }
            Operation::UploadPart => self.upload_part(&upload, intake).await,
            Operation::UploadPartCopy => self.copy_part(&upload).await,
            Operation::CompleteMultipartUpload => {
                let document = receive_document(self.headers, intake).await?;
                let parts = parse_completed_parts(&document).ok_or_else(|| {
                    let message = "the body is no `CompleteMultipartUpload` document";
                    ApiError::new("MalformedXML", 400, message)
                })?;
                let object = blobs.complete_upload(&upload, parts).await?;
                let location = format!("/{bucket}/{key}");
                Ok(xml(upload_completed(&location, bucket, key, &quoted(&object.etag))))
            }
            Operation::AbortMultipartUpload => {
                blobs.abort_upload(&upload).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::ListParts => self.list_parts(&upload).await,
            other => Err(ApiError::internal(format!("{other:?} is no operation of an upload"))),
        }
    }

    fn upload(&self) -> Upload {
        Upload {
            bucket: self.target.bucket.clone(),
            key: self.target.key.clone(),
            id: self.query.get("uploadId").unwrap_or_default().to_owned(),
        }
    }

    fn part_number(&self) -> Result<u32, ApiError> {
        let text = self.query.get("partNumber").unwrap_or_default();
        text.parse().map_err(|_| argument(&format!("`partNumber` is `{text}`: use 1 to 10000")))
    }

    async fn upload_part<B>(&self, upload: &Upload, intake: Intake<B>) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::fmt::Display,
    {
        let number = self.part_number()?;
        let blobs = &self.service.blobs;
        blobs.check_upload(upload).await?;
        let received = receive(blobs, self.headers, intake).await?;
        let part = blobs.put_part(upload, number, received.staged).await?;
        let mut answer = empty(StatusCode::OK);
        set(answer.headers_mut(), "etag", &quoted(&part.etag));
        describe_checksum(received.checksum.as_ref(), answer.headers_mut());
        Ok(answer)
    }

    async fn copy_part(&self, upload: &Upload) -> Result<Reply, ApiError> {
        let number = self.part_number()?;
        let blobs = &self.service.blobs;
        blobs.check_upload(upload).await?;
        let (from_bucket, from_key) = self.copy_source()?;
        let content = blobs.get(&from_bucket, &from_key).await?;
        let size = content.object.size;
        let (first, length) = match self.header("x-amz-copy-source-range") {
            None => (0, size),
            range @ Some(text) => match Extent::of(range, size) {
                Extent::Part { first, length } => (first, length),
                Extent::Whole | Extent::Unsatisfiable => {
                    let message = format!("`x-amz-copy-source-range` is `{text}` of {size} bytes");
                    return Err(argument(&message));
                }
            },
        };
        let staged = blobs.stage_copy(content, first, length).await?;
        let part = blobs.put_part(upload, number, staged).await?;
        Ok(xml(copy_result("CopyPartResult", &quoted(&part.etag), part.modified_ms)))
    }

    async fn list_parts(&self, upload: &Upload) -> Result<Reply, ApiError> {
        let max_parts = self.query.number("max-parts", MAX_PARTS, MAX_PARTS)?;
        let marker = self.query.number("part-number-marker", 0, usize::from(u16::MAX))?;
        let marker = u16::try_from(marker).unwrap_or(u16::MAX);
        let parts = self.service.blobs.parts(upload).await?;
        let mut after = parts.into_values().filter(|part| part.number > marker);
        let page = after.by_ref().take(max_parts).map(|part| PartEntry {
            number: part.number,
            modified_ms: part.modified_ms,
            etag: quoted(&part.etag),
            size: part.size,
        });
        let parts: Vec<PartEntry> = page.collect();
        let listing = PartListing {
            bucket: upload.bucket.clone(),
            key: upload.key.clone(),
            upload_id: upload.id.clone(),
            marker,
            max_parts,
            truncated: after.next().is_some(),
            parts,
        };
        Ok(xml(listing.body()))
    }
}
