//! Bytes to packets and back, for both protocol versions.
//!
//! [`Decoder`] finds whole packets itself, so that the size limit holds before anything is
//! allocated and a half-received packet costs only its own bytes; `rmqtt-codec` then parses one
//! packet at a time. What that crate leaves open is closed here: a CONNECT comes first and only
//! once, the version of the connection is fixed by it, QoS 2 is refused by name, a failed encode
//! leaves no bytes behind.

use bytes::{Buf, BytesMut};
use rmqtt_codec::error::{DecodeError, EncodeError};
use rmqtt_codec::types::{MQTT_LEVEL_5, MQTT_LEVEL_311};
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::packet::{Packet, Version};
use crate::reason::ReasonCode;

#[cfg(test)]
mod tests;
mod v3;
mod v5;

/// First byte of a CONNECT packet.
const CONNECT: u8 = 0x10;

/// Reads packets out of received bytes.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// `None` until a server has seen the CONNECT.
    version: Option<Version>,
    max_packet_size: u32,
}

/// Why received bytes are not a packet this side accepts. The connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodePacket {
    /// Larger than this side allows.
    #[error("packet of {size} bytes is larger than the maximum of {max} bytes")]
    TooLarge {
        /// Whole packet, fixed header included.
        size: u64,
        /// This side's limit.
        max: u32,
    },
    /// The first packet of a connection is something else.
    #[error("first packet has type {0}, a connection starts with CONNECT")]
    NotConnect(u8),
    /// A protocol level other than 4 and 5.
    #[error("protocol level {0} is not supported, use MQTT 3.1.1 or 5")]
    UnsupportedVersion(u8),
    /// QoS 2, which AWS IoT does not have.
    #[error("{0} with QoS 2, only QoS 0 and 1 are supported")]
    QosTwo(&'static str),
    /// A PUBLISH without a topic where 3.1.1 needs one.
    #[error("PUBLISH without a topic")]
    EmptyTopic,
    /// Bytes that are no packet.
    #[error("malformed packet of type {packet_type}: {detail}")]
    Malformed {
        /// Upper four bits of the first byte.
        packet_type: u8,
        /// What the parser found.
        detail: String,
    },
}

impl DecodePacket {
    /// The code to close the connection with.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::TooLarge { .. } => ReasonCode::PACKET_TOO_LARGE,
            Self::NotConnect(_) => ReasonCode::PROTOCOL_ERROR,
            Self::UnsupportedVersion(_) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::QosTwo(_) => ReasonCode::QOS_NOT_SUPPORTED,
            Self::EmptyTopic => ReasonCode::TOPIC_NAME_INVALID,
            Self::Malformed { .. } => ReasonCode::MALFORMED_PACKET,
        }
    }
}

impl Decoder {
    /// A server's decoder, which takes the version from the CONNECT.
    pub fn server(max_packet_size: u32) -> Self {
        Self { buffer: BytesMut::new(), version: None, max_packet_size }
    }

    /// A client's decoder.
    pub fn client(version: Version, max_packet_size: u32) -> Self {
        Self { buffer: BytesMut::new(), version: Some(version), max_packet_size }
    }

    /// Where to append received bytes.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole packet; `None` when more bytes are needed.
    ///
    /// An empty buffer gives its memory back: an idle connection holds none.
    ///
    /// # Errors
    /// [`DecodePacket`]; the rest of the stream is then meaningless.
    pub fn decode(&mut self) -> Result<Option<Packet>, DecodePacket> {
        let Some((first_byte, size)) = frame(&self.buffer)? else {
            self.free_when_empty();
            return Ok(None);
        };
        if size > u64::from(self.max_packet_size) {
            return Err(DecodePacket::TooLarge { size, max: self.max_packet_size });
        }
        let version = match self.version {
            Some(version) => version,
            None => match connect_version(first_byte, &self.buffer)? {
                Some(version) => version,
                None => return Ok(None),
            },
        };
        // The limit is a u32, so the size fits a usize.
        let size = size as usize;
        if self.buffer.len() < size {
            return Ok(None);
        }
        let frame = self.buffer.split_to(size);
        self.version = Some(version);
        let packet = decode_frame(version, first_byte, frame)?;
        Ok(Some(packet))
    }

    fn free_when_empty(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            self.buffer = BytesMut::new();
        }
    }
}

fn decode_frame(
    version: Version,
    first_byte: u8,
    mut frame: BytesMut,
) -> Result<Packet, DecodePacket> {
    let packet_type = first_byte >> 4;
    let malformed = |error: DecodeError| match error {
        DecodeError::InvalidTopicName => DecodePacket::EmptyTopic,
        other => DecodePacket::Malformed { packet_type, detail: other.to_string() },
    };
    // A codec holds no state between whole packets: a fresh one costs a few stores.
    let decoded = match version {
        Version::V311 => rmqtt_codec::v3::Codec::new(0)
            .decode(&mut frame)
            .map_err(malformed)?
            .map(|(packet, _)| v3::from_wire(packet)),
        Version::V5 => rmqtt_codec::v5::Codec::new(0, 0)
            .decode(&mut frame)
            .map_err(malformed)?
            .map(|(packet, _)| v5::from_wire(packet)),
    };
    decoded.unwrap_or_else(|| {
        Err(DecodePacket::Malformed { packet_type, detail: "incomplete packet".to_owned() })
    })
}

/// First byte and whole size of the packet at the start of `buffer`, once its header is there.
fn frame(buffer: &[u8]) -> Result<Option<(u8, u64)>, DecodePacket> {
    let Some((first_byte, rest)) = buffer.split_first() else { return Ok(None) };
    let mut remaining = 0_u64;
    for (index, byte) in rest.iter().take(4).enumerate() {
        remaining |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((*first_byte, 2 + index as u64 + remaining)));
        }
    }
    if rest.len() >= 4 {
        return Err(DecodePacket::Malformed {
            packet_type: first_byte >> 4,
            detail: "remaining length has more than four bytes".to_owned(),
        });
    }
    Ok(None)
}

/// The version of the CONNECT at the start of `buffer`; `None` when its level is not there yet.
fn connect_version(first_byte: u8, buffer: &[u8]) -> Result<Option<Version>, DecodePacket> {
    if first_byte != CONNECT {
        return Err(DecodePacket::NotConnect(first_byte >> 4));
    }
    let header = 1 + buffer[1..].iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
    let Some(name_and_level) = buffer.get(header..) else { return Ok(None) };
    match name_and_level {
        [0, 4, b'M', b'Q', b'T', b'T', level, ..] => match *level {
            MQTT_LEVEL_311 => Ok(Some(Version::V311)),
            MQTT_LEVEL_5 => Ok(Some(Version::V5)),
            other => Err(DecodePacket::UnsupportedVersion(other)),
        },
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..] => {
            Err(DecodePacket::UnsupportedVersion(*level))
        }
        short if short.len() < 9 => Ok(None),
        _ => Err(DecodePacket::Malformed {
            packet_type: CONNECT >> 4,
            detail: "protocol name is not MQTT".to_owned(),
        }),
    }
}

/// Collects packets as bytes to send.
#[derive(Debug)]
pub struct Encoder {
    buffer: BytesMut,
    version: Version,
    max_packet_size: Option<u32>,
}

/// Why a packet cannot be sent. Nothing of it is in the encoder's buffer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodePacket {
    /// Larger than the receiver allows.
    #[error("packet of {size} bytes is larger than the receiver's maximum of {max} bytes")]
    TooLarge {
        /// Whole packet, fixed header included.
        size: usize,
        /// The receiver's limit.
        max: u32,
    },
    /// A string of more than 65535 bytes, or a packet the version does not have.
    #[error("packet has no encoding: {0}")]
    Invalid(String),
}

impl Encoder {
    /// An encoder for a peer that speaks `version` and takes packets up to `max_packet_size` bytes.
    pub fn new(version: Version, max_packet_size: Option<u32>) -> Self {
        Self { buffer: BytesMut::new(), version, max_packet_size }
    }

    /// Version of the packets.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Changes the largest packet the receiver takes.
    pub fn set_max_packet_size(&mut self, bytes: Option<u32>) {
        self.max_packet_size = bytes;
    }

    /// Appends `packet`.
    ///
    /// # Errors
    /// [`EncodePacket`]; the bytes to send are then what they were before.
    pub fn encode(&mut self, packet: Packet) -> Result<(), EncodePacket> {
        let before = self.buffer.len();
        // The receiver's limit is checked here and not given to the codec, whose size
        // computations underflow for tiny limits.
        let encoded = match self.version {
            Version::V311 => v3::to_wire(packet)
                .and_then(|packet| rmqtt_codec::v3::Codec::new(0).encode(packet, &mut self.buffer)),
            Version::V5 => v5::to_wire(packet).and_then(|packet| {
                rmqtt_codec::v5::Codec::new(0, 0).encode(packet, &mut self.buffer)
            }),
        };
        if let Err(error) = encoded {
            self.buffer.truncate(before);
            return Err(EncodePacket::Invalid(error.to_string()));
        }
        let size = self.buffer.len() - before;
        if let Some(max) = self.max_packet_size
            && size > max as usize
        {
            self.buffer.truncate(before);
            return Err(EncodePacket::TooLarge { size, max });
        }
        Ok(())
    }

    /// Bytes to send.
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    /// Forgets the first `count` bytes, which were sent; gives the memory back after the last.
    ///
    /// # Panics
    /// When `count` exceeds the pending bytes.
    pub fn advance(&mut self, count: usize) {
        self.buffer.advance(count);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

/// The error for a packet `version` does not have.
fn no_such_packet() -> EncodeError {
    EncodeError::UnsupportedVersion
}
