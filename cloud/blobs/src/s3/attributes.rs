//! What a writer says about an object, from headers and back to headers.

use hyper::HeaderMap;
use marram_aws::ApiError;
use marram_aws::timestamp::http_date;

use super::refusal::argument;
use super::{set, set_type};
use crate::{Attributes, Object, StoredChecksum};

/// Standard headers that are kept and given back.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];
const METADATA_PREFIX: &str = "x-amz-meta-";
const DEFAULT_TYPE: &str = "binary/octet-stream";

impl Attributes {
    /// Reads what is to be kept from a request's headers.
    pub(super) fn from_headers(
        headers: &HeaderMap,
        checksum: Option<StoredChecksum>,
    ) -> Result<Self, ApiError> {
        let mut attributes = Self { checksum, ..Self::default() };
        for (name, value) in headers {
            let name = name.as_str();
            let metadata = name.strip_prefix(METADATA_PREFIX);
            if metadata.is_none() && !KEPT.contains(&name) {
                continue;
            }
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| argument(&format!("the header `{name}` is not UTF-8")))?;
            match metadata {
                Some(short) => {
                    attributes.metadata.insert(short.to_owned(), value.to_owned());
                }
                None if name == "content-encoding" => {
                    if let Some(encoding) = without_aws_chunked(value) {
                        attributes.headers.insert(name.to_owned(), encoding);
                    }
                }
                None => {
                    attributes.headers.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        Ok(attributes)
    }
}

/// `aws-chunked` is how the request travelled, not what the object is.
fn without_aws_chunked(value: &str) -> Option<String> {
    let kept: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// Puts what is known about `object` into the headers of an answer.
pub(super) fn describe(object: &Object, headers: &mut HeaderMap) {
    set_type(headers, DEFAULT_TYPE);
    for (name, value) in &object.attributes.headers {
        set(headers, name, value);
    }
    for (name, value) in &object.attributes.metadata {
        set(headers, &format!("{METADATA_PREFIX}{name}"), value);
    }
    set(headers, "etag", &quoted(&object.etag));
    set(headers, "last-modified", &http_date(object.modified_ms));
    set(headers, "accept-ranges", "bytes");
}

/// Puts a checksum into the headers of an answer, when there is one.
pub(super) fn describe_checksum(checksum: Option<&StoredChecksum>, headers: &mut HeaderMap) {
    if let Some(checksum) = checksum {
        set(headers, &checksum.header, &checksum.value);
    }
}

/// An ETag as the wire has it.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a31_aws_chunked_is_not_kept() {
        assert_eq!(without_aws_chunked("aws-chunked"), None);
        assert_eq!(without_aws_chunked("aws-chunked,gzip"), Some("gzip".to_owned()));
        assert_eq!(without_aws_chunked("gzip"), Some("gzip".to_owned()));
    }
}
