use proptest::prelude::*;

use super::*;
use crate::sigv4::{Credentials, Payload, Request, Signer, sha256_hex};

fn decode_in_pieces(
    mut decoder: Decoder,
    wire: &[u8],
    piece: usize,
) -> Result<(Vec<u8>, Trailers), DecodeChunked> {
    let mut out = Vec::new();
    for part in wire.chunks(piece.max(1)) {
        decoder.decode(part, &mut out)?;
    }
    Ok((out, decoder.finish()?))
}

fn chain() -> ChunkChain {
    let credentials = Credentials {
        access_key_id: "AKID".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
    };
    let signer = Signer { credentials: &credentials, region: "r", service: "s3", now_ms: 0 };
    let headers = [("host", "h")];
    let request = Request { method: "PUT", path: "/b/k", query: "", headers: &headers };
    let (_, claim) = signer.sign_claim(&request, &Payload::SignedChunksTrailer);
    let key = crate::sigv4::KnownKey { secret_access_key: "secret", session: None };
    claim.chunk_chain(&key).unwrap()
}

/// The body of `chunks` as a client that signs chunks and trailers writes it.
fn signed_wire(chunks: &[&[u8]]) -> Vec<u8> {
    let mut chain = chain();
    let mut wire = Vec::new();
    for chunk in chunks.iter().copied().chain([b"".as_slice()]) {
        let signature = chain.sign_chunk(&sha256_hex(chunk));
        wire.extend(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).bytes());
        wire.extend(chunk);
        if !chunk.is_empty() {
            wire.extend(b"\r\n");
        }
    }
    let line = "x-amz-checksum-crc32:NhCmhg==";
    let signature = chain.sign_trailer(&format!("{line}\n"));
    wire.extend(format!("{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").bytes());
    wire
}

const UNSIGNED: &[u8] = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";

#[test]
fn a31_unsigned_body_with_its_trailer() {
    for piece in 1..UNSIGNED.len() + 1 {
        let (data, trailers) = decode_in_pieces(Decoder::unsigned(), UNSIGNED, piece).unwrap();
        assert_eq!(data, b"hello");
        assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]);
    }
}

#[test]
fn a_cut_off_body_is_never_whole() {
    let last_chunk = UNSIGNED.iter().rposition(|byte| *byte == b'0').unwrap();
    for end in 0..last_chunk {
        let result = decode_in_pieces(Decoder::unsigned(), &UNSIGNED[..end], 7);
        assert!(result.is_err(), "{end}");
    }
}

#[test]
fn broken_framing_is_refused() {
    let long = [b'1'; MAX_LINE + 1];
    for wire in [
        b"x\r\n".as_slice(),
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"1\r\nabc\r\n",
        b"ffffffffffffffffff\r\n",
        b"0\r\nno trailer\r\n",
        b"0\r\n\r\nmore",
        &long,
    ] {
        let result = decode_in_pieces(Decoder::unsigned(), wire, 3);
        assert!(matches!(result, Err(DecodeChunked::Framing(_))), "{wire:?}: {result:?}");
    }
}

#[test]
fn signed_chunks_and_trailers_are_checked() {
    let wire = signed_wire(&[b"hello ", b"world"]);
    let (data, trailers) = decode_in_pieces(Decoder::signed(chain(), true), &wire, 10).unwrap();
    assert_eq!((data.as_slice(), trailers.len()), (b"hello world".as_slice(), 1));

    let swapped = signed_wire(&[b"world", b"hello "]);
    let mut forged = wire.clone();
    let place = forged.windows(5).position(|bytes| bytes == b"world").unwrap();
    forged[place] = b'W';
    assert_ne!(swapped, wire);
    let result = decode_in_pieces(Decoder::signed(chain(), true), &forged, 10);
    assert_eq!(result, Err(DecodeChunked::Signature(Rejection::Mismatch)));

    let unsigned = decode_in_pieces(Decoder::signed(chain(), false), UNSIGNED, 10);
    assert_eq!(unsigned, Err(DecodeChunked::Signature(Rejection::Mismatch)));
}

#[test]
fn trailers_that_were_to_be_signed_must_be() {
    let wire = String::from_utf8(signed_wire(&[b"a"])).unwrap();
    let start = wire.find("x-amz-trailer-signature").unwrap();
    let wire = format!("{}\r\n", &wire[..start]);
    let result = decode_in_pieces(Decoder::signed(chain(), true), wire.as_bytes(), 10);
    assert_eq!(result, Err(DecodeChunked::Signature(Rejection::Mismatch)));
}

proptest! {
    #[test]
    fn any_body_in_any_pieces_comes_out(
        chunks in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 1..40), 0..5),
        piece in 1_usize..50,
    ) {
        let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let wire = signed_wire(&slices);
        let (data, _) = decode_in_pieces(Decoder::signed(chain(), true), &wire, piece).unwrap();
        prop_assert_eq!(data, chunks.concat());
    }

    #[test]
    fn decoding_never_panics(wire in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode_in_pieces(Decoder::unsigned(), &wire, 5);
    }
}
