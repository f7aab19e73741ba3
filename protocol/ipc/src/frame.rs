//! Event-stream frames: lengths, headers, payload, two checksums.
//!
//! All integers are big-endian. A frame is a 12-byte prelude (total length, headers length, CRC-32
//! of those eight bytes), the headers, the payload and the CRC-32 of everything before it (AWS,
//! `aws-c-event-stream`).
//!
//! We read every header type but write only int32 and string: the C component SDK ends its process
//! on any other. [`Header`] therefore cannot express more.

mod decoder;
mod header;

#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

pub use decoder::{DecodeFrame, Decoder};
pub use header::{HeaderValue, Headers};

/// Largest frame in bytes that AWS's clients send or accept (`aws-c-event-stream` since 2025-03).
pub const MAX_FRAME: usize = 24 * 1024 * 1024;

/// Bytes before the headers.
const PRELUDE: usize = 12;

/// Bytes around headers and payload: the prelude and the message checksum.
const OVERHEAD: usize = PRELUDE + 4;

/// A received frame whose lengths, checksums and headers are sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    headers: Bytes,
    /// The payload, sharing memory with what was received.
    pub payload: Bytes,
}

impl Frame {
    /// The headers in the order they were sent.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.headers)
    }
}

/// A header that every known client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name, at most 255 bytes.
    pub name: &'a str,
    /// Value.
    pub value: EmittedValue<'a>,
}

/// The two header types that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmittedValue<'a> {
    /// Type 4.
    Int32(i32),
    /// Type 7, at most 65,535 bytes.
    String(&'a str),
}

impl<'a> Header<'a> {
    /// An int32 header.
    pub const fn int32(name: &'a str, value: i32) -> Self {
        Self { name, value: EmittedValue::Int32(value) }
    }

    /// A string header.
    pub const fn string(name: &'a str, value: &'a str) -> Self {
        Self { name, value: EmittedValue::String(value) }
    }

    fn length(&self) -> usize {
        let value = match self.value {
            EmittedValue::Int32(_) => 4,
            EmittedValue::String(text) => 2 + text.len(),
        };
        1 + self.name.len() + 1 + value
    }

    fn write(&self, out: &mut BytesMut) {
        debug_assert!(self.name.len() <= usize::from(u8::MAX), "header name `{}`", self.name);
        out.put_u8(self.name.len() as u8);
        out.put_slice(self.name.as_bytes());
        match self.value {
            EmittedValue::Int32(value) => {
                out.put_u8(header::INT32);
                out.put_i32(value);
            }
            EmittedValue::String(text) => {
                debug_assert!(text.len() <= usize::from(u16::MAX), "header `{}`", self.name);
                out.put_u8(header::STRING);
                out.put_u16(text.len() as u16);
                out.put_slice(text.as_bytes());
            }
        }
    }
}

/// Appends one frame to `out`.
///
/// Header names and values must fit their length fields and the frame [`MAX_FRAME`]; all of ours
/// are constants or were received in a frame.
pub fn encode(out: &mut BytesMut, headers: &[Header<'_>], payload: &[u8]) {
    let start = out.len();
    out.reserve(OVERHEAD + headers.iter().map(Header::length).sum::<usize>() + payload.len());
    encode_head(out, headers, payload.len());
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out[start..]));
}

/// Appends one frame up to its payload and gives the checksum that follows the payload, so that a
/// payload that many are sent need not be copied for each.
pub(crate) fn encode_around(out: &mut BytesMut, headers: &[Header<'_>], payload: &[u8]) -> u32 {
    let start = out.len();
    encode_head(out, headers, payload.len());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&out[start..]);
    checksum.update(payload);
    checksum.finalize()
}

fn encode_head(out: &mut BytesMut, headers: &[Header<'_>], payload_length: usize) {
    let headers_length: usize = headers.iter().map(Header::length).sum();
    let total = OVERHEAD + headers_length + payload_length;
    debug_assert!(total <= MAX_FRAME, "frame of {total} bytes");
    let start = out.len();
    out.reserve(PRELUDE + headers_length);
    out.put_u32(total as u32);
    out.put_u32(headers_length as u32);
    out.put_u32(crc32fast::hash(&out[start..]));
    for header in headers {
        header.write(out);
    }
}
