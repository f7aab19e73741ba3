use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

const INT32_HEADER: Header<'static> = Header::int32(":stream-id", 7);

fn encoded(headers: &[Header<'_>], payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&mut out, headers, payload);
    out.to_vec()
}

fn decoded(bytes: &[u8]) -> Result<Option<Frame>, DecodeFrame> {
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(bytes);
    decoder.next_frame()
}

/// A frame with any headers, which [`encode`] cannot write.
fn raw_frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = (OVERHEAD + headers.len() + payload.len()) as u32;
    let mut out = Vec::new();
    out.extend(total.to_be_bytes());
    out.extend((headers.len() as u32).to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

#[test]
fn all_header_types_are_read() {
    let mut headers = Vec::new();
    let mut header = |kind: u8, value: &[u8]| {
        headers.extend([1, b'a' + kind, kind]);
        headers.extend(value);
    };
    header(0, &[]);
    header(1, &[]);
    header(2, &[0xff]);
    header(3, &[0xff, 0xfe]);
    header(4, &[0, 0, 1, 0]);
    header(5, &[0, 0, 0, 0, 0, 0, 1, 0]);
    header(6, &[0, 2, 9, 8]);
    header(7, &[0, 2, b'h', b'i']);
    header(8, &[0, 0, 0, 0, 0, 0, 0, 5]);
    header(9, &[7; 16]);
    let frame = decoded(&raw_frame(&headers, b"x")).unwrap().unwrap();
    let values: Vec<_> = frame.headers().collect();
    assert_eq!(
        values,
        [
            ("a", HeaderValue::Bool(true)),
            ("b", HeaderValue::Bool(false)),
            ("c", HeaderValue::Byte(-1)),
            ("d", HeaderValue::Int16(-2)),
            ("e", HeaderValue::Int32(256)),
            ("f", HeaderValue::Int64(256)),
            ("g", HeaderValue::Bytes(&[9, 8])),
            ("h", HeaderValue::String("hi")),
            ("i", HeaderValue::Timestamp(5)),
            ("j", HeaderValue::Uuid([7; 16])),
        ]
    );
    assert_eq!(&frame.payload[..], b"x");
}

#[test]
fn malformed_headers_are_refused() {
    for headers in [
        &[0, 4, 0, 0, 0, 1][..],
        &[1, b'a', 4, 0, 0],
        &[1, b'a', 10],
        &[1, 0xff, 0],
        &[1, b'a', 7, 0, 1, 0xff],
        &[1, b'a', 7, 0, 2, b'h'],
        &[5, b'a'],
        &[1],
    ] {
        let error = decoded(&raw_frame(headers, b"")).unwrap_err();
        assert_eq!(error, DecodeFrame::Header { at: 0 }, "{headers:?}");
    }
}

#[test]
fn lengths_are_checked_before_anything_arrives() {
    let prelude = |total: u32, headers: u32| {
        let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    };
    let limit = MAX_FRAME;
    for (total, headers, error) in [
        (15, 0, DecodeFrame::TotalLength { total: 15, limit }),
        (MAX_FRAME as u32 + 1, 0, DecodeFrame::TotalLength { total: MAX_FRAME + 1, limit }),
        (16, 1, DecodeFrame::HeadersLength { headers: 1, total: 16 }),
        (100, u32::MAX, DecodeFrame::HeadersLength { headers: u32::MAX as usize, total: 100 }),
    ] {
        assert_eq!(decoded(&prelude(total, headers)).unwrap_err(), error);
    }
    assert_eq!(decoded(&prelude(MAX_FRAME as u32, 0)).unwrap(), None);
}

#[test]
fn memory_does_not_follow_a_promised_length() {
    let mut decoder = Decoder::default();
    let whole = encoded(&[], &vec![0; 20 << 20]);
    decoder.buffer().extend_from_slice(&whole[..12]);
    assert_eq!(decoder.next_frame().unwrap(), None);
    assert!(decoder.buffer().capacity() < 4096);
}

#[test]
fn f7_a_flipped_bit_is_found() {
    let frame = encoded(&[INT32_HEADER], b"payload");
    for at in 0..frame.len() {
        let mut broken = frame.clone();
        broken[at] ^= 1;
        assert!(decoded(&broken).is_err(), "byte {at}");
    }
}

#[test]
fn a_lowered_limit_holds_for_the_next_frame() {
    let mut decoder = Decoder::with_limit(20);
    decoder.buffer().extend_from_slice(&encoded(&[], b"12345"));
    assert_eq!(decoder.next_frame(), Err(DecodeFrame::TotalLength { total: 21, limit: 20 }));
    decoder.set_limit(21);
    assert!(decoder.next_frame().unwrap().is_some());
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z:ä-]{1,20}"
}

#[derive(Debug, Clone)]
enum Owned {
    Int32(i32),
    String(String),
}

fn message() -> impl Strategy<Value = (Vec<(String, Owned)>, Vec<u8>)> {
    let value = prop_oneof![any::<i32>().prop_map(Owned::Int32), ".*".prop_map(Owned::String)];
    (prop::collection::vec((text(), value), 0..6), prop::collection::vec(any::<u8>(), 0..300))
}

fn encode_owned((headers, payload): &(Vec<(String, Owned)>, Vec<u8>)) -> Vec<u8> {
    let headers: Vec<Header<'_>> = headers
        .iter()
        .map(|(name, value)| match value {
            Owned::Int32(number) => Header::int32(name, *number),
            Owned::String(text) => Header::string(name, text),
        })
        .collect();
    encoded(&headers, payload)
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(message in message()) {
        let frame = decoded(&encode_owned(&message)).unwrap().unwrap();
        prop_assert_eq!(frame.payload.to_vec(), message.1);
        let headers: Vec<_> = frame.headers().collect();
        prop_assert_eq!(headers.len(), message.0.len());
        for ((name, value), (expected_name, expected)) in headers.into_iter().zip(&message.0) {
            prop_assert_eq!(name, expected_name);
            match expected {
                Owned::Int32(number) => prop_assert_eq!(value, HeaderValue::Int32(*number)),
                Owned::String(text) => prop_assert_eq!(value, HeaderValue::String(text)),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decoded(&bytes);
    }

    #[test]
    fn arbitrary_headers_never_panic(headers: Vec<u8>, payload: Vec<u8>) {
        if let Ok(Some(frame)) = decoded(&raw_frame(&headers, &payload)) {
            frame.headers().for_each(drop);
            prop_assert_eq!(frame.payload.to_vec(), payload);
        }
    }

    #[test]
    fn f11_fragmentation_does_not_matter(
        messages in prop::collection::vec(message(), 1..5),
        cuts in prop::collection::vec(1usize..64, 1..40),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(encode_owned).collect();
        let mut whole = Decoder::default();
        whole.buffer().extend_from_slice(&bytes);
        let mut pieces = Decoder::default();
        let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
        let mut frames = Vec::new();
        while at < bytes.len() {
            let end = bytes.len().min(at + cuts.next().unwrap());
            pieces.buffer().extend_from_slice(&bytes[at..end]);
            at = end;
            while let Some(frame) = pieces.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        let expected: Vec<_> = std::iter::from_fn(|| whole.next_frame().unwrap()).collect();
        prop_assert_eq!(expected.len(), messages.len());
        prop_assert_eq!(frames, expected);
    }
}
