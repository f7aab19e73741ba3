//! SHA-256 and HMAC as signatures write them: lower-case hexadecimal.

use std::fmt;

use ring::digest::{Context, SHA256, digest};
use ring::hmac;

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// The SHA-256 of `bytes` as lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// The SHA-256 of a body that arrives in pieces.
#[derive(Clone)]
pub struct BodyDigest(Context);

impl BodyDigest {
    /// The digest of nothing yet.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces as lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

impl Default for BodyDigest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyDigest")
    }
}

/// The key of one day, region and service, derived from the secret.
#[derive(Clone)]
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    pub(super) fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        let last = [date, region, service, super::TERMINATOR].iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        });
        Self(last)
    }

    pub(super) fn sign(&self, text: &str) -> String {
        hex(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }
}

/// Whether two texts are equal, in a time that depends on their lengths alone.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let difference = a.iter().zip(b).fold(0_u8, |seen, (x, y)| seen | (x ^ y));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}
