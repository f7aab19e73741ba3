//! Cutting a byte stream into frames.

use bytes::{Buf, BytesMut};

use super::{Frame, Headers, MAX_FRAME, OVERHEAD, PRELUDE};

/// Why bytes are not a frame. The stream is lost from here on: there is no way to find the next
/// frame, so the connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFrame {
    /// The eight bytes of the lengths do not match their checksum.
    #[error("the frame's lengths do not match their checksum {received:#010x}")]
    PreludeChecksum {
        /// The checksum that was received.
        received: u32,
    },
    /// The total length is below 16 or above the limit.
    #[error("a frame of {total} bytes is outside of 16..={limit}")]
    TotalLength {
        /// What the frame claims to be, in bytes.
        total: usize,
        /// The largest frame in bytes that is accepted at this point.
        limit: usize,
    },
    /// The headers do not fit in the frame.
    #[error("{headers} bytes of headers do not fit in a frame of {total} bytes")]
    HeadersLength {
        /// What the headers claim to be, in bytes.
        headers: usize,
        /// Length of the frame in bytes.
        total: usize,
    },
    /// The frame does not match its checksum.
    #[error("a frame of {total} bytes does not match its checksum {received:#010x}")]
    MessageChecksum {
        /// Length of the frame in bytes.
        total: usize,
        /// The checksum that was received.
        received: u32,
    },
    /// A header is cut off, has an unknown type, or its name or text is not UTF-8.
    #[error("the header at byte {at} of the headers is malformed")]
    Header {
        /// Where it begins, in bytes from the first header.
        at: usize,
    },
}

/// An incremental frame decoder.
///
/// It holds the bytes of at most one incomplete frame plus what was appended since the last
/// [`Decoder::next_frame`]; memory grows with what has arrived, never with what a length promises.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl Decoder {
    /// A decoder that refuses frames of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), limit }
    }

    /// Changes the largest frame in bytes that is accepted from now on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Where received bytes are appended, for reading from a socket without copying.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame; `None` until more bytes arrive.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeFrame> {
        let Some(prelude) = self.buffer.first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let (total, headers) = read_prelude(prelude, self.limit)?;
        if self.buffer.len() < total {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(total).freeze();
        let mut checksum = &frame[total - 4..];
        let received = checksum.get_u32();
        if crc32fast::hash(&frame[..total - 4]) != received {
            return Err(DecodeFrame::MessageChecksum { total, received });
        }
        frame.advance(PRELUDE);
        frame.truncate(total - OVERHEAD);
        let headers = frame.split_to(headers);
        Headers::check(&headers)?;
        Ok(Some(Frame { headers, payload: frame }))
    }
}

/// Total and headers length in bytes, checked against each other and `limit`.
fn read_prelude(prelude: &[u8; PRELUDE], limit: usize) -> Result<(usize, usize), DecodeFrame> {
    let mut fields = prelude.as_slice();
    let total = fields.get_u32() as usize;
    let headers = fields.get_u32() as usize;
    let received = fields.get_u32();
    if crc32fast::hash(&prelude[..8]) != received {
        return Err(DecodeFrame::PreludeChecksum { received });
    }
    if !(OVERHEAD..=limit).contains(&total) {
        return Err(DecodeFrame::TotalLength { total, limit });
    }
    if headers > total - OVERHEAD {
        return Err(DecodeFrame::HeadersLength { headers, total });
    }
    Ok((total, headers))
}
