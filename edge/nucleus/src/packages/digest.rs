//! Digests of artifacts, as recipes name them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};

use super::blocking::Cancelled;

/// The hash that a recipe names, in any of Java's spellings.
pub(super) fn algorithm(name: &str) -> Option<&'static Algorithm> {
    match name.to_ascii_uppercase().as_str() {
        "SHA-256" | "SHA256" => Some(&SHA256),
        "SHA-384" | "SHA384" => Some(&SHA384),
        "SHA-512" | "SHA512" => Some(&SHA512),
        "SHA-1" | "SHA1" | "SHA" => Some(&SHA1_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

/// The digest of a file in standard padded base64. Blocks on the disk.
pub(super) fn of_file(
    path: &Path,
    algorithm: &'static Algorithm,
    cancelled: &Cancelled,
) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = Context::new(algorithm);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        cancelled.check()?;
        match file.read(&mut buffer)? {
            0 => return Ok(STANDARD.encode(context.finish())),
            read => context.update(&buffer[..read]),
        }
    }
}
