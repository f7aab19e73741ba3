//! The operations on the service and on buckets, and deleting several objects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use marram_aws::ApiError;
use marram_aws::s3::{
    DeleteRequest, DeleteResult, Entry, Listing, ListingVersion, list_buckets, location,
};
use marram_http::server::Reply;

use super::attributes::quoted;
use super::operation::Operation;
use super::receive::{Intake, receive_document};
use super::refusal::argument;
use super::{Request, empty, set, xml};
use crate::ListQuery;

/// S3's bound on the entries of a page and on the keys of DeleteObjects.
const MAX_KEYS: usize = 1000;

impl Request<'_> {
    pub(super) async fn on_bucket<B>(
        &self,
        operation: Operation,
        intake: Intake<B>,
    ) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::fmt::Display,
    {
        let blobs = &self.service.blobs;
        let bucket = &self.target.bucket;
        match operation {
            Operation::CreateBucket => {
                // The region that the body may name is always ours.
                receive_document(self.headers, intake).await?;
                blobs.create_bucket(bucket).await?;
                let mut answer = empty(StatusCode::OK);
                set(answer.headers_mut(), "location", &format!("/{bucket}"));
                Ok(answer)
            }
            Operation::HeadBucket => {
                blobs.check_bucket(bucket)?;
                let mut answer = empty(StatusCode::OK);
                set(answer.headers_mut(), "x-amz-bucket-region", &self.service.settings.region);
                Ok(answer)
            }
            Operation::DeleteBucket => {
                blobs.delete_bucket(bucket).await?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Operation::GetBucketLocation => {
                blobs.check_bucket(bucket)?;
                Ok(xml(location(&self.service.settings.region)))
            }
            Operation::ListObjects | Operation::ListObjectsV2 => {
                self.list(operation == Operation::ListObjectsV2)
            }
            Operation::DeleteObjects => self.delete_objects(intake).await,
            _ => {
                let buckets = blobs.buckets();
                let settings = &self.service.settings;
                let shown = buckets.iter().filter(|(name, _)| *name != settings.reserved);
                let shown = shown.map(|(name, created)| (name.as_str(), *created));
                Ok(xml(list_buckets(&settings.owner, shown)))
            }
        }
    }

    fn list(&self, version_2: bool) -> Result<Reply, ApiError> {
        let text =
            |name: &str| self.query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let token = text("continuation-token");
        let start = match (&token, version_2) {
            (Some(token), true) => Some(read_token(token)?),
            (_, true) => text("start-after"),
            (_, false) => text("marker"),
        };
        let query = ListQuery {
            prefix: text("prefix").unwrap_or_default(),
            delimiter: text("delimiter"),
            after: start.clone(),
            max_keys: self.query.number("max-keys", MAX_KEYS, MAX_KEYS)?,
        };
        let page = self.service.blobs.list(&self.target.bucket, &query)?;
        let version = if version_2 {
            ListingVersion::V2 {
                continuation_token: token,
                next_continuation_token: page.next.as_ref().map(|next| STANDARD.encode(next)),
                start_after: text("start-after"),
            }
        } else {
            let next_marker = page.next.clone().filter(|_| query.delimiter.is_some());
            ListingVersion::V1 { marker: start.unwrap_or_default(), next_marker }
        };
        let entries = page.objects.iter().map(|object| Entry {
            key: object.key.clone(),
            modified_ms: object.modified_ms,
            etag: quoted(&object.etag),
            size: object.size,
        });
        let listing = Listing {
            bucket: self.target.bucket.clone(),
            prefix: query.prefix,
            delimiter: query.delimiter,
            max_keys: query.max_keys,
            truncated: page.next.is_some(),
            url_encoded: self.query.get("encoding-type") == Some("url"),
            entries: entries.collect(),
            common_prefixes: page.common_prefixes,
            version,
        };
        Ok(xml(listing.body()))
    }

    async fn delete_objects<B>(&self, intake: Intake<B>) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: std::fmt::Display,
    {
        let bucket = &self.target.bucket;
        let blobs = &self.service.blobs;
        blobs.check_bucket(bucket)?;
        let document = receive_document(self.headers, intake).await?;
        let request = DeleteRequest::parse(&document)
            .filter(|request| request.keys.len() <= MAX_KEYS)
            .ok_or_else(|| {
                let message = format!("the body is no `Delete` document of up to {MAX_KEYS} keys");
                ApiError::new("MalformedXML", 400, message)
            })?;
        let mut result = DeleteResult::default();
        for key in request.keys {
            let deleted = match self.check_deletion(&key) {
                Ok(()) => blobs.delete(bucket, &key).await.map_err(ApiError::from),
                Err(denied) => Err(denied),
            };
            match deleted {
                Ok(()) if request.quiet => {}
                Ok(()) => result.deleted.push(key),
                Err(error) => result.errors.push((key, error)),
            }
        }
        Ok(xml(result.body()))
    }
}

fn read_token(token: &str) -> Result<String, ApiError> {
    STANDARD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| argument("`continuation-token` was not given by this service"))
}
