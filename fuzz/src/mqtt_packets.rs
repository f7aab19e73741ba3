//! Bytes of a connection, after a byte that says whose decoder reads them. What is read in one
//! piece is read byte by byte too, and what was read is written and read again.

use marram_mqtt::codec::{Decoder, Encoder};
use marram_mqtt::{Packet, Version};

const LIMIT: u32 = 64 * 1024;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let decoder = || match choice % 3 {
        0 => Decoder::server(LIMIT),
        1 => Decoder::client(Version::V311, LIMIT),
        _ => Decoder::client(Version::V5, LIMIT),
    };
    let whole = read(decoder(), bytes, bytes.len().max(1));
    let slowly = read(decoder(), bytes, 1);
    assert_eq!(whole.packets, slowly.packets, "packets must not depend on reads");
    assert_eq!(whole.is_broken, slowly.is_broken, "an error must not depend on reads");
    let version = match (choice % 3, whole.packets.first()) {
        (0, Some(Packet::Connect(connect))) => connect.version,
        (0, _) => return,
        (1, _) => Version::V311,
        _ => Version::V5,
    };
    for packet in whole.packets {
        write_and_read(version, packet);
    }
}

struct Read {
    packets: Vec<Packet>,
    is_broken: bool,
}

fn read(mut decoder: Decoder, bytes: &[u8], piece: usize) -> Read {
    let mut packets = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.decode() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    return Read { packets, is_broken: true };
                }
            }
        }
    }
    Read { packets, is_broken: false }
}

/// A version may not have all that another has, so the first writing may lose something; what was
/// written stays as it is.
fn write_and_read(version: Version, packet: Packet) {
    let Some(bytes) = written(version, packet.clone()) else { return };
    let mut decoder = match packet {
        Packet::Connect(_) => Decoder::server(u32::MAX),
        _ => Decoder::client(version, u32::MAX),
    };
    decoder.buffer().extend_from_slice(&bytes);
    let again = decoder.decode().expect("our own packet").expect("a whole packet");
    assert!(decoder.buffer().is_empty(), "bytes behind our own packet");
    assert_eq!(again.name(), packet.name());
    assert_eq!(written(version, again), Some(bytes), "{packet:?}");
}

fn written(version: Version, packet: Packet) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(version, None);
    let encoded = encoder.encode(packet);
    assert!(encoded.is_ok() || encoder.pending().is_empty(), "bytes of what has no encoding");
    encoded.ok().map(|()| encoder.pending().to_vec())
}
