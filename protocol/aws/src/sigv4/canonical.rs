//! The canonical form of a request: the one text that signer and verifier both compute.

use super::digest::sha256_hex;
use super::{ALGORITHM, Request, TERMINATOR};

/// The query parameter that a presigned URL's signature does not cover: itself.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The canonical request, hashed; `signed_headers` are lower case and sorted.
pub(super) fn request_hash(
    request: &Request<'_>,
    service: &str,
    signed_headers: &[String],
    payload_hash: &str,
) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        canonical_path(request.path, service),
        canonical_query(request.query)
    );
    for name in signed_headers {
        text.push_str(name);
        text.push(':');
        text.push_str(&canonical_values(request, name));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers.join(";"));
    text.push('\n');
    text.push_str(payload_hash);
    sha256_hex(text.as_bytes())
}

/// The text that the derived key signs.
pub(super) fn string_to_sign(timestamp: &str, scope: &str, request_hash: &str) -> String {
    format!("{ALGORITHM}\n{timestamp}\n{scope}\n{request_hash}")
}

/// `20260102/us-east-1/s3/aws4_request`.
pub(super) fn scope_text(date: &str, region: &str, service: &str) -> String {
    format!("{date}/{region}/{service}/{TERMINATOR}")
}

/// S3 signs the path as sent. All others drop empty and dot segments and then encode once more,
/// so that `%3A` signs as `%253A` and a raw `$` as `%24`.
fn canonical_path(path: &str, service: &str) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    if service == "s3" {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    percent_encode(format!("/{}{slash}", kept.join("/")).as_bytes(), true)
}

/// Decoded, strictly encoded again, and sorted by the encoded name and value.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| *key != SIGNATURE_PARAMETER)
        .map(|(key, value)| {
            (percent_encode(&decode(key), false), percent_encode(&decode(value), false))
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

/// All values of one header joined by commas, each trimmed and with inner runs of spaces made one.
fn canonical_values(request: &Request<'_>, name: &str) -> String {
    let values: Vec<String> = request
        .headers
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    values.join(",")
}

/// Percent-encodes every byte but `A-Za-z0-9-._~`, and `/` where asked to keep it.
pub fn percent_encode(bytes: &[u8], keep_slash: bool) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
        }
    }
    out
}

/// Decodes `%XX` to bytes; a stray `%` stands for itself, because this text is only compared.
fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, escaped(tail)) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

fn escaped(tail: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_services_normalise_and_encode_twice_and_s3_does_neither() {
        assert_eq!(canonical_path("/things/T%3A1/$next", "iot"), "/things/T%253A1/%24next");
        assert_eq!(canonical_path("//a/./b/../c/", "iot"), "/a/c/");
        assert_eq!(canonical_path("/..", "iot"), "/");
        assert_eq!(canonical_path("//a/./b%20c", "s3"), "//a/./b%20c");
    }

    #[test]
    fn queries_are_sorted_and_lose_only_the_signature() {
        let query = "b=2&a&a=%2f&X-Amz-Signature=ff&c=x y&d=%zz";
        assert_eq!(canonical_query(query), "a=&a=%2F&b=2&c=x%20y&d=%25zz");
    }

    #[test]
    fn header_values_are_trimmed_and_joined() {
        let headers = [("X-A", "  one   two "), ("x-a", "three")];
        let request = Request { method: "GET", path: "/", query: "", headers: &headers };
        assert_eq!(canonical_values(&request, "x-a"), "one two,three");
    }
}
