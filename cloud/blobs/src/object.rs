//! What is known about an object beside its content; this is its metadata file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::AccessBlob;

/// S3's bound on the names and values of user metadata together.
const MAX_METADATA_BYTES: usize = 2 * 1024;
/// Our bound on the standard headers that are kept.
const MAX_HEADER_BYTES: usize = 2 * 1024;

/// One stored object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// Without quotes: the hexadecimal MD5, or that of the parts' MD5s and `-<parts>`.
    pub etag: String,
    /// The SHA-256 of the content in standard base64, as recipes write artifact digests.
    pub sha256: String,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// What its writer said about it.
    #[serde(flatten)]
    pub attributes: Attributes,
    /// The name of the content file.
    pub(crate) content: String,
}

/// What the writer of an object says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Standard headers that are given back as they came, by their lower-case names:
    /// `content-type`, `content-encoding`, `cache-control`, ….
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// User metadata: what follows `x-amz-meta-` with its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The checksum that came with the content and was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<StoredChecksum>,
}

impl Attributes {
    pub(crate) fn check(&self) -> Result<(), AccessBlob> {
        let size = |map: &BTreeMap<String, String>| -> usize {
            map.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        for (size, limit) in
            [(size(&self.metadata), MAX_METADATA_BYTES), (size(&self.headers), MAX_HEADER_BYTES)]
        {
            if size > limit {
                return Err(AccessBlob::MetadataTooLarge { size, limit });
            }
        }
        Ok(())
    }
}

/// A checksum of the whole content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredChecksum {
    /// The header it travels in, for example `x-amz-checksum-crc32`.
    pub header: String,
    /// Its bytes in base64.
    pub value: String,
}

/// One part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1 to 10000.
    pub number: u16,
    /// Its length in bytes.
    pub size: u64,
    /// Its hexadecimal MD5.
    pub etag: String,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// The name of the content file.
    pub(crate) content: String,
}
