//! The chain of signatures over the chunks of an `aws-chunked` body.
//!
//! Each chunk is signed together with the signature before it, the first with the request's own,
//! so that chunks cannot be left out, repeated or put in another order. Source: AWS's "Signature
//! Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".

use std::fmt;

use super::Rejection;
use super::digest::{SigningKey, equal, sha256_hex};

/// Where the chain stands: what the next chunk's signature must be built on.
#[derive(Clone)]
pub struct ChunkChain {
    key: SigningKey,
    timestamp: String,
    scope: String,
    previous: String,
}

impl ChunkChain {
    pub(super) fn start(key: SigningKey, timestamp: String, scope: String, seed: String) -> Self {
        Self { key, timestamp, scope, previous: seed }
    }

    /// The signature of the next chunk, whose data has the given hexadecimal SHA-256.
    pub fn sign_chunk(&mut self, data_sha256: &str) -> String {
        let tail = format!("{}\n{data_sha256}", sha256_hex(b""));
        self.advance("AWS4-HMAC-SHA256-PAYLOAD", &tail)
    }

    /// The signature of the trailers, given as `name:value\n` lines.
    pub fn sign_trailer(&mut self, lines: &str) -> String {
        self.advance("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(lines.as_bytes()))
    }

    /// Checks the next chunk's signature.
    ///
    /// # Errors
    /// [`Rejection::Mismatch`].
    pub fn verify_chunk(&mut self, data_sha256: &str, signature: &str) -> Result<(), Rejection> {
        let expected = self.sign_chunk(data_sha256);
        if equal(&expected, signature) { Ok(()) } else { Err(Rejection::Mismatch) }
    }

    /// Checks the trailers' signature.
    ///
    /// # Errors
    /// [`Rejection::Mismatch`].
    pub fn verify_trailer(&mut self, lines: &str, signature: &str) -> Result<(), Rejection> {
        let expected = self.sign_trailer(lines);
        if equal(&expected, signature) { Ok(()) } else { Err(Rejection::Mismatch) }
    }

    fn advance(&mut self, kind: &str, tail: &str) -> String {
        let text = format!("{kind}\n{}\n{}\n{}\n{tail}", self.timestamp, self.scope, self.previous);
        self.previous = self.key.sign(&text);
        self.previous.clone()
    }
}

impl fmt::Debug for ChunkChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkChain").field("scope", &self.scope).finish_non_exhaustive()
    }
}
