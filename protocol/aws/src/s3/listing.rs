//! The answers of ListObjects and ListObjectsV2.

use super::NAMESPACE;
use crate::sigv4::percent_encode;
use crate::timestamp::iso8601;
use crate::xml::{Writer, document};

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// When it was last written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// The ETag with its quotes.
    pub etag: String,
    /// Its length in bytes.
    pub size: u64,
}

/// What differs between the two operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListingVersion {
    /// ListObjects: pages by the last name seen.
    V1 {
        /// Where this page started.
        marker: String,
        /// Where the next page starts; only with a delimiter, as S3 has it.
        next_marker: Option<String>,
    },
    /// ListObjectsV2: pages by an opaque token.
    V2 {
        /// The token of this page.
        continuation_token: Option<String>,
        /// The token of the next page.
        next_continuation_token: Option<String>,
        /// Where the listing was asked to start.
        start_after: Option<String>,
    },
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The bucket.
    pub bucket: String,
    /// The prefix asked for; may be empty.
    pub prefix: String,
    /// The delimiter asked for.
    pub delimiter: Option<String>,
    /// The most entries asked for.
    pub max_keys: usize,
    /// Whether more entries follow.
    pub truncated: bool,
    /// Whether names are percent-encoded (`encoding-type=url`).
    pub url_encoded: bool,
    /// The objects in the order of their keys.
    pub entries: Vec<Entry>,
    /// Prefixes up to a delimiter that stand for several objects.
    pub common_prefixes: Vec<String>,
    /// The operation.
    pub version: ListingVersion,
}

impl Listing {
    /// The answer's body.
    pub fn body(&self) -> String {
        document("ListBucketResult", NAMESPACE, |result| {
            result.text("Name", &self.bucket);
            result.text("Prefix", self.name(&self.prefix));
            self.write_version(result);
            result.text("MaxKeys", self.max_keys);
            result.optional("Delimiter", self.delimiter.as_deref().map(|d| self.name(d)));
            result.optional("EncodingType", self.url_encoded.then_some("url"));
            result.text("IsTruncated", self.truncated);
            for entry in &self.entries {
                result.element("Contents", |contents| {
                    contents.text("Key", self.name(&entry.key));
                    contents.text("LastModified", iso8601(entry.modified_ms));
                    contents.text("ETag", &entry.etag);
                    contents.text("Size", entry.size);
                    contents.text("StorageClass", "STANDARD");
                });
            }
            for prefix in &self.common_prefixes {
                result.element("CommonPrefixes", |p| p.text("Prefix", self.name(prefix)));
            }
        })
    }

    fn write_version(&self, result: &mut Writer) {
        match &self.version {
            ListingVersion::V1 { marker, next_marker } => {
                result.text("Marker", self.name(marker));
                result.optional("NextMarker", next_marker.as_deref().map(|m| self.name(m)));
            }
            ListingVersion::V2 { continuation_token, next_continuation_token, start_after } => {
                result.text("KeyCount", self.entries.len() + self.common_prefixes.len());
                result.optional("ContinuationToken", continuation_token.as_deref());
                result.optional("NextContinuationToken", next_continuation_token.as_deref());
                result.optional("StartAfter", start_after.as_deref().map(|s| self.name(s)));
            }
        }
    }

    fn name(&self, text: &str) -> String {
        if self.url_encoded { percent_encode(text.as_bytes(), true) } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_when_asked_and_tokens_never() {
        let listing = Listing {
            bucket: "b".to_owned(),
            prefix: "a b/".to_owned(),
            delimiter: Some("/".to_owned()),
            max_keys: 1,
            truncated: true,
            url_encoded: true,
            entries: vec![Entry {
                key: "a b/c+d".to_owned(),
                modified_ms: 0,
                etag: "\"e\"".to_owned(),
                size: 3,
            }],
            common_prefixes: vec!["a b/é/".to_owned()],
            version: ListingVersion::V2 {
                continuation_token: None,
                next_continuation_token: Some("t+/=".to_owned()),
                start_after: None,
            },
        };
        let body = listing.body();
        for part in [
            "<Prefix>a%20b/</Prefix><KeyCount>2</KeyCount>",
            "<NextContinuationToken>t+/=</NextContinuationToken>",
            "<Key>a%20b/c%2Bd</Key>",
            "<ETag>&quot;e&quot;</ETag><Size>3</Size>",
            "<CommonPrefixes><Prefix>a%20b/%C3%A9/</Prefix></CommonPrefixes>",
        ] {
            assert!(body.contains(part), "{part} is not in {body}");
        }
    }
}
