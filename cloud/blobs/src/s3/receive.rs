//! Taking in a request's body: unframed, bounded, and compared with all that was said about it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Body;
use marram_aws::ApiError;
use marram_aws::s3::aws_chunked::{DecodeChunked, Decoder, Trailers};
use marram_aws::sigv4::{ChunkChain, Payload};
use tokio::time::timeout;

use super::checksum::{Checksum, HEADERS};
use super::refusal::argument;
use crate::staging::Digests;
use crate::{Blobs, Staged, Staging, StoredChecksum};

/// How long the next piece of a body may take.
const PIECE_DEADLINE: Duration = Duration::from_secs(60);
/// The longest XML body: CompleteMultipartUpload with 10000 parts and all their checksums.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// A body that is still to come, and what the signature says of it.
pub(super) struct Intake<B> {
    pub(super) body: B,
    pub(super) payload: Payload,
    pub(super) chunks: Option<ChunkChain>,
}

/// A body that came whole and as announced.
pub(super) struct Received {
    pub(super) staged: Staged,
    pub(super) checksum: Option<StoredChecksum>,
}

/// Takes a body of any length into the store's staging.
pub(super) async fn receive<B>(
    blobs: &Blobs,
    headers: &HeaderMap,
    intake: Intake<B>,
) -> Result<Received, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = Announced::read(headers, &intake.payload)?;
    let staging = blobs.stage(announced.length).await?;
    let (sink, checksum) = pump(intake, announced, Sink::Staging(Box::new(staging))).await?;
    match sink {
        Sink::Staging(staging) => Ok(Received { staged: staging.finish().await?, checksum }),
        Sink::Document(..) => Err(ApiError::internal("an object was taken for a document")),
    }
}

/// Takes a short XML body into memory.
pub(super) async fn receive_document<B>(
    headers: &HeaderMap,
    intake: Intake<B>,
) -> Result<Vec<u8>, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = Announced::read(headers, &intake.payload)?;
    match pump(intake, announced, Sink::Document(Vec::new(), Box::new(Digests::new()))).await?.0 {
        Sink::Document(document, _) => Ok(document),
        Sink::Staging(_) => Err(ApiError::internal("a document was taken for an object")),
    }
}

/// What the headers say about the body.
struct Announced {
    /// The length of the decoded body.
    length: Option<u64>,
    md5: Option<Vec<u8>>,
    sha256: Option<String>,
    /// The header that carries a checksum, and its value unless that comes as a trailer.
    checksum: Option<(&'static str, Option<String>)>,
}

impl Announced {
    fn read(headers: &HeaderMap, payload: &Payload) -> Result<Self, ApiError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let length =
            if payload.is_chunked() { "x-amz-decoded-content-length" } else { "content-length" };
        let length = match text(length) {
            Some(value) => Some(value.parse::<u64>().map_err(|_| {
                argument(&format!("`{length}` is `{value}`: give a number of bytes"))
            })?),
            None => None,
        };
        let md5 = match text("content-md5") {
            Some(value) => {
                let bytes = STANDARD.decode(value).ok().filter(|bytes| bytes.len() == 16);
                Some(bytes.ok_or_else(|| {
                    ApiError::new("InvalidDigest", 400, "`Content-MD5` is no MD5 in base64")
                })?)
            }
            None => None,
        };
        let sha256 = match payload {
            Payload::Sha256(digest) => Some(digest.clone()),
            _ => None,
        };
        Ok(Self { length, md5, sha256, checksum: announced_checksum(text) })
    }
}

fn announced_checksum<'h>(
    text: impl Fn(&str) -> Option<&'h str>,
) -> Option<(&'static str, Option<String>)> {
    let in_header = HEADERS.iter().find_map(|name| text(name).map(|value| (*name, value)));
    if let Some((name, value)) = in_header {
        return Some((name, Some(value.to_owned())));
    }
    let trailer = text("x-amz-trailer")?;
    HEADERS.iter().find(|name| name.eq_ignore_ascii_case(trailer.trim())).map(|name| (*name, None))
}

/// Where the decoded body goes.
enum Sink {
    Staging(Box<Staging>),
    Document(Vec<u8>, Box<Digests>),
}

impl Sink {
    async fn take(&mut self, data: &[u8]) -> Result<(), ApiError> {
        match self {
            Self::Staging(staging) => Ok(staging.write(data).await?),
            Self::Document(document, _) if document.len() + data.len() > MAX_DOCUMENT => {
                let message = format!("the XML body is longer than {MAX_DOCUMENT} bytes");
                Err(ApiError::new("MaxMessageLengthExceeded", 400, message))
            }
            Self::Document(document, digests) => {
                digests.update(data);
                document.extend_from_slice(data);
                Ok(())
            }
        }
    }

    fn digests(&self) -> &Digests {
        match self {
            Self::Staging(staging) => staging.digests(),
            Self::Document(_, digests) => digests,
        }
    }
}

/// Moves the body into `sink` and checks it; the checksum is given when one was verified.
async fn pump<B>(
    intake: Intake<B>,
    announced: Announced,
    mut sink: Sink,
) -> Result<(Sink, Option<StoredChecksum>), ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::fmt::Display,
{
    let Intake { mut body, payload, chunks } = intake;
    let mut decoder = decoder(&payload, chunks)?;
    let mut checksum = announced.checksum.as_ref().and_then(|(name, _)| Checksum::for_header(name));
    let mut decoded = Vec::new();
    while let Some(piece) = next_piece(&mut body).await? {
        let data = match &mut decoder {
            Some(decoder) => {
                decoded.clear();
                decoder.decode(&piece, &mut decoded).map_err(|error| broken(&error))?;
                decoded.as_slice()
            }
            None => &piece,
        };
        if let Some(checksum) = &mut checksum {
            checksum.update(data);
        }
        sink.take(data).await?;
    }
    let trailers = match decoder {
        Some(decoder) => decoder.finish().map_err(|error| broken(&error))?,
        None => Trailers::new(),
    };
    compare(&announced, sink.digests())?;
    let checksum = compare_checksum(announced, checksum, &trailers)?;
    Ok((sink, checksum))
}

fn decoder(payload: &Payload, chunks: Option<ChunkChain>) -> Result<Option<Decoder>, ApiError> {
    match (payload, chunks) {
        (Payload::UnsignedTrailer, _) => Ok(Some(Decoder::unsigned())),
        (Payload::SignedChunks, Some(chain)) => Ok(Some(Decoder::signed(chain, false))),
        (Payload::SignedChunksTrailer, Some(chain)) => Ok(Some(Decoder::signed(chain, true))),
        (Payload::SignedChunks | Payload::SignedChunksTrailer, None) => {
            Err(ApiError::internal("signed chunks came without their chain"))
        }
        (Payload::Body | Payload::Sha256(_) | Payload::Unsigned, _) => Ok(None),
    }
}

/// The next piece of data; anything else in the body is passed over.
async fn next_piece<B>(body: &mut B) -> Result<Option<Bytes>, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    loop {
        let frame = timeout(PIECE_DEADLINE, body.frame()).await.map_err(|_| {
            let seconds = PIECE_DEADLINE.as_secs();
            ApiError::new("RequestTimeout", 400, format!("no byte of the body for {seconds} s"))
        })?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                let message = format!("the body broke off: {error}");
                return Err(ApiError::new("IncompleteBody", 400, message));
            }
        }
    }
}

fn compare(announced: &Announced, digests: &Digests) -> Result<(), ApiError> {
    if let Some(expected) = announced.length.filter(|expected| *expected != digests.size()) {
        let message = format!("{expected} bytes were announced, {} came", digests.size());
        return Err(ApiError::new("IncompleteBody", 400, message));
    }
    if announced.md5.as_ref().is_some_and(|expected| *expected != digests.md5()) {
        return Err(ApiError::new("BadDigest", 400, "the body does not have its `Content-MD5`"));
    }
    if let Some(claimed) = &announced.sha256 {
        let actual = digests.sha256_hex();
        if *claimed != actual {
            let rejection =
                marram_aws::sigv4::Rejection::Payload { claimed: claimed.clone(), actual };
            return Err(rejection.to_api_error(marram_aws::sigv4::Family::S3));
        }
    }
    Ok(())
}

fn compare_checksum(
    announced: Announced,
    computed: Option<Checksum>,
    trailers: &Trailers,
) -> Result<Option<StoredChecksum>, ApiError> {
    let (Some((name, value)), Some(computed)) = (announced.checksum, computed) else {
        return Ok(None);
    };
    let in_trailer = || trailers.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone());
    let Some(expected) = value.or_else(in_trailer) else {
        let message = format!("the trailer `{name}` was announced and did not come");
        return Err(ApiError::new("MalformedTrailerError", 400, message));
    };
    let actual = computed.finish();
    if expected != actual {
        let message = format!("`{name}` is {expected}, but the body's is {actual}");
        return Err(ApiError::new("BadDigest", 400, message));
    }
    Ok(Some(StoredChecksum { header: name.to_owned(), value: actual }))
}

fn broken(error: &DecodeChunked) -> ApiError {
    match error {
        DecodeChunked::Signature(_) => {
            ApiError::new("SignatureDoesNotMatch", 403, error.to_string())
        }
        DecodeChunked::Truncated => ApiError::new("IncompleteBody", 400, error.to_string()),
        DecodeChunked::Framing(_) => ApiError::new("InvalidChunkSizeError", 400, error.to_string()),
    }
}
