//! The bodies of multipart uploads.

use super::NAMESPACE;
use crate::timestamp::iso8601;
use crate::xml::{self, document};

/// One part that CompleteMultipartUpload names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// From 1 to 10000.
    pub number: u16,
    /// The ETag that UploadPart answered, without quotes.
    pub etag: String,
}

/// Reads the parts that a CompleteMultipartUpload body lists, in its order; `None` when the body
/// is not that shape.
pub fn parse_completed_parts(body: &[u8]) -> Option<Vec<CompletedPart>> {
    let root = xml::parse(body).ok().filter(|root| root.name == "CompleteMultipartUpload")?;
    root.all("Part")
        .map(|part| {
            Some(CompletedPart {
                number: part.child_text("PartNumber")?.trim().parse().ok()?,
                etag: part.child_text("ETag")?.trim().trim_matches('"').to_owned(),
            })
        })
        .collect()
}

/// One part of ListParts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEntry {
    /// From 1 to 10000.
    pub number: u16,
    /// When it was uploaded, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// The ETag with its quotes.
    pub etag: String,
    /// Its length in bytes.
    pub size: u64,
}

/// One page of ListParts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartListing {
    /// The bucket.
    pub bucket: String,
    /// The key that the upload is for.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// The part after which this page starts.
    pub marker: u16,
    /// The most parts asked for.
    pub max_parts: usize,
    /// Whether more parts follow.
    pub truncated: bool,
    /// The parts in the order of their numbers.
    pub parts: Vec<PartEntry>,
}

impl PartListing {
    /// The answer's body.
    pub fn body(&self) -> String {
        document("ListPartsResult", NAMESPACE, |result| {
            result.text("Bucket", &self.bucket);
            result.text("Key", &self.key);
            result.text("UploadId", &self.upload_id);
            result.text("PartNumberMarker", self.marker);
            result.optional("NextPartNumberMarker", self.parts.last().map(|part| part.number));
            result.text("MaxParts", self.max_parts);
            result.text("IsTruncated", self.truncated);
            for part in &self.parts {
                result.element("Part", |p| {
                    p.text("PartNumber", part.number);
                    p.text("LastModified", iso8601(part.modified_ms));
                    p.text("ETag", &part.etag);
                    p.text("Size", part.size);
                });
            }
            result.text("StorageClass", "STANDARD");
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_parts_lose_the_quotes_of_their_etags() {
        let body = b"<CompleteMultipartUpload xmlns=\"x\"><Part><ETag>&quot;a&quot;</ETag>\
            <PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber><ETag>b</ETag></Part>\
            </CompleteMultipartUpload>";
        let parts = parse_completed_parts(body).unwrap();
        let parts: Vec<_> = parts.iter().map(|p| (p.number, p.etag.as_str())).collect();
        assert_eq!(parts, [(1, "a"), (2, "b")]);
        let without_number = b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>";
        assert_eq!(parse_completed_parts(without_number), None);
        assert_eq!(parse_completed_parts(b"<Other/>"), None);
    }
}
