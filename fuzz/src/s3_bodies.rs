//! Bodies of the S3 and query protocols, after a byte that says how an aws-chunked one is cut.

use marram_aws::query::Call;
use marram_aws::route::{parse_query, percent_decode};
use marram_aws::s3::aws_chunked::Decoder;
use marram_aws::s3::{DeleteRequest, parse_completed_parts};
use marram_aws::sigv4::percent_encode;
use marram_aws::xml;

pub(crate) fn run(data: &[u8]) {
    let Some((&piece, body)) = data.split_first() else { return };
    let _ = (xml::parse(body), DeleteRequest::parse(body), parse_completed_parts(body));
    let _ = Call::parse(body);
    chunked(body, usize::from(piece).max(1));
    let Ok(text) = std::str::from_utf8(body) else { return };
    let _ = parse_query(text);
    let decoded = percent_decode(&percent_encode(body, false)).expect("our own encoding");
    assert_eq!(decoded, text);
}

fn chunked(body: &[u8], piece: usize) {
    let decode = |piece: usize| {
        let (mut decoder, mut out) = (Decoder::unsigned(), Vec::new());
        for bytes in body.chunks(piece) {
            decoder.decode(bytes, &mut out).ok()?;
        }
        Some((decoder.finish().ok()?, out))
    };
    let whole = decode(body.len().max(1));
    assert_eq!(decode(piece), whole, "a body must not depend on how it is cut");
    if let Some((_, out)) = whole {
        assert!(out.len() <= body.len());
    }
}
