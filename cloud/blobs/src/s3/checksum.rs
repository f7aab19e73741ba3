//! The checksums that SDKs add to bodies, in a header or behind the last chunk.
//!
//! CRC-32 is boto3's default, CRC-64/NVME the AWS CLI's. A checksum of an algorithm that is not
//! here is neither verified nor kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// A checksum being computed.
pub(super) enum Checksum {
    Crc32(crc32fast::Hasher),
    Crc32c(u32),
    Crc64Nvme(u64),
    Sha(Box<Context>),
}

/// The headers, and trailers, that carry a checksum.
pub(super) const HEADERS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

impl Checksum {
    /// The algorithm of a header.
    pub(super) fn for_header(name: &str) -> Option<Self> {
        match name {
            "x-amz-checksum-crc32" => Some(Self::Crc32(crc32fast::Hasher::new())),
            "x-amz-checksum-crc32c" => Some(Self::Crc32c(u32::MAX)),
            "x-amz-checksum-crc64nvme" => Some(Self::Crc64Nvme(u64::MAX)),
            "x-amz-checksum-sha1" => Some(Self::sha(&SHA1_FOR_LEGACY_USE_ONLY)),
            "x-amz-checksum-sha256" => Some(Self::sha(&SHA256)),
            _ => None,
        }
    }

    fn sha(algorithm: &'static Algorithm) -> Self {
        Self::Sha(Box::new(Context::new(algorithm)))
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(data),
            Self::Crc32c(crc) => {
                for byte in data {
                    let [low, ..] = crc.to_le_bytes();
                    *crc = CRC32C[usize::from(low ^ byte)] ^ (*crc >> 8);
                }
            }
            Self::Crc64Nvme(crc) => {
                for byte in data {
                    let [low, ..] = crc.to_le_bytes();
                    *crc = CRC64_NVME[usize::from(low ^ byte)] ^ (*crc >> 8);
                }
            }
            Self::Sha(context) => context.update(data),
        }
    }

    /// The checksum in base64, as headers carry it.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc32(hasher) => STANDARD.encode(hasher.finalize().to_be_bytes()),
            Self::Crc32c(crc) => STANDARD.encode((!crc).to_be_bytes()),
            Self::Crc64Nvme(crc) => STANDARD.encode((!crc).to_be_bytes()),
            Self::Sha(context) => STANDARD.encode(context.finish()),
        }
    }
}

/// Castagnoli's polynomial, reflected.
static CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The NVM Express polynomial, reflected.
static CRC64_NVME: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x9a6c_9329_ac4b_c9b5 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the CRC catalogue, over `123456789`.
    #[test]
    fn every_algorithm_has_its_published_check_value() {
        let known = [
            STANDARD.encode(0xcbf4_3926_u32.to_be_bytes()),
            STANDARD.encode(0xe306_9283_u32.to_be_bytes()),
            STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()),
            "98O8HYCOBHMq32eZZczDTKeuNEE=".to_owned(),
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=".to_owned(),
        ];
        for (header, expected) in HEADERS.into_iter().zip(known) {
            let mut checksum = Checksum::for_header(header).unwrap();
            checksum.update(b"1234");
            checksum.update(b"56789");
            assert_eq!(checksum.finish(), expected, "{header}");
        }
    }
}
