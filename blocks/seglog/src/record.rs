//! The form of a record: length, checksum, payload.
//!
//! ```text
//! u32 LE payload length | u32 LE CRC-32 of length and payload | payload
//! ```
//! The length is under the checksum, so that a tail of zeros is not a run of empty records.

/// The longest payload: a longer length read from a file is damage, not a reason to allocate.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

pub(crate) const HEADER_BYTES: usize = 8;

/// The header of a record with this payload, which must not be longer than [`MAX_RECORD_BYTES`].
pub(crate) fn header(payload: &[u8]) -> Option<[u8; HEADER_BYTES]> {
    if payload.len() > MAX_RECORD_BYTES {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&length);
    header[4..].copy_from_slice(&checksum(length, payload).to_le_bytes());
    Some(header)
}

/// Reads one record off the front: its payload and the rest. `None` when the bytes do not begin
/// with a whole, undamaged record.
pub(crate) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let payload_bytes = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if payload_bytes > MAX_RECORD_BYTES {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(payload_bytes)?;
    (checksum(*length, payload) == u32::from_le_bytes(*crc)).then_some((payload, rest))
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_not_records() {
        assert!(split(&[0; 64]).is_none());
    }

    #[test]
    fn empty_payload_is_a_record() {
        let bytes = header(b"").unwrap();
        assert_eq!(split(&bytes), Some((&b""[..], &b""[..])));
    }
}
