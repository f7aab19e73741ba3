//! Signature Version 4: proving who sent a request, and that nobody changed it on the way.
//!
//! The same canonical form serves four uses: [`parse`] and [`verify()`] for a server, [`Signer`]
//! for a client and for presigned URLs, [`ChunkChain`] for signed `aws-chunked` bodies. All of
//! it is pure: the caller passes the time, looks up the key, and hashes the body.
//!
//! The request's path and query must be the bytes of the request line. A path that was decoded
//! and encoded again has lost the difference between `$next` and `%24next`, which sign
//! differently (cloud API, section 10).
//!
//! Not here: Signature Version 2 (answered with its own refusal, so that the caller learns to set
//! `signature_version="s3v4"`) and SigV4a.

mod authorization;
mod canonical;
mod chunks;
mod digest;
mod rejection;
mod sign;
mod verify;

use std::fmt;

pub use authorization::{Claim, Payload, Scope, parse};
pub use canonical::percent_encode;
pub use chunks::ChunkChain;
pub use digest::{BodyDigest, hex, sha256_hex};
pub use rejection::{Family, Rejection};
pub use sign::Signer;
pub use verify::{KnownKey, MAX_SKEW_MS, Session, verify};

/// The algorithm's name in `Authorization` and `X-Amz-Algorithm`.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of every credential scope.
const TERMINATOR: &str = "aws4_request";
/// The longest life of a presigned URL in seconds: seven days.
pub const MAX_EXPIRES_S: u32 = 604_800;

/// The parts of an HTTP request that a signature covers, exactly as they are on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The path as sent, still percent-encoded, without the query.
    pub path: &'a str,
    /// The query as sent, without the `?`; empty when there is none.
    pub query: &'a str,
    /// All headers in the order received, names in any case.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    /// The value of the first header called `name` in any case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// An access key as its owner holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public half, `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
    /// The token that goes with a temporary key.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("temporary", &self.session_token.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
