//! What a request claims about itself: key, scope, date, signed headers, signature, payload.
//!
//! A claim is read before anything is known about the key, so it proves nothing: it says which
//! key to look up, which service to dispatch to, and whether the body must be hashed.

use super::canonical::scope_text;
use super::{ALGORITHM, MAX_EXPIRES_S, Rejection, Request, TERMINATOR};
use crate::route::parse_query;
use crate::timestamp::{amz_date, parse_amz_date, parse_http_date};

/// The life of a URL for MQTT over WebSocket, for which the Device SDKs give none, in seconds.
const WEBSOCKET_EXPIRES_S: u32 = 300;

/// The credential scope: where and when a signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `yyyymmdd`.
    pub date: String,
    /// The region that the client is set to. Not checked: any region is served here.
    pub region: String,
    /// The SigV4 service name, by which requests are dispatched.
    pub service: String,
}

/// What stands for the body in the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// No header: the SHA-256 of the body itself. Only services other than S3.
    Body,
    /// `x-amz-content-sha256` with 64 hexadecimal digits, which the body must match.
    Sha256(String),
    /// `UNSIGNED-PAYLOAD`, S3 only.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: `aws-chunked` without chunk signatures, S3 only.
    UnsignedTrailer,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: `aws-chunked`, each chunk signed, S3 only.
    SignedChunks,
    /// As [`Payload::SignedChunks`] and the trailers are signed too, S3 only.
    SignedChunksTrailer,
}

impl Payload {
    const WORDS: [(&'static str, Self); 4] = [
        ("UNSIGNED-PAYLOAD", Self::Unsigned),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Self::UnsignedTrailer),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Self::SignedChunks),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Self::SignedChunksTrailer),
    ];

    /// The text that is signed in the body's place; `None` where only the body can tell.
    pub(super) fn signed_text(&self) -> Option<&str> {
        match self {
            Self::Sha256(digest) => Some(digest),
            other => Self::WORDS.iter().find(|(_, word)| word == other).map(|(text, _)| *text),
        }
    }

    /// Whether the body is framed as `aws-chunked`.
    pub fn is_chunked(&self) -> bool {
        matches!(self, Self::UnsignedTrailer | Self::SignedChunks | Self::SignedChunksTrailer)
    }

    fn parse(text: &str, service: &str) -> Result<Self, Rejection> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()) {
            return Ok(Self::Sha256(text.to_owned()));
        }
        let word = Self::WORDS.iter().find(|(word, _)| *word == text && service == "s3");
        word.map(|(_, payload)| payload.clone()).ok_or_else(|| Rejection::Incomplete {
            part: "x-amz-content-sha256",
            detail: format!("`{text}` is neither a SHA-256 nor a payload word of {service}"),
        })
    }
}

/// All that a signed request says about its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The key to look up.
    pub access_key_id: String,
    /// Where and when the signature holds.
    pub scope: Scope,
    /// The session token that came with the request.
    pub session_token: Option<String>,
    /// What stands for the body.
    pub payload: Payload,
    /// When it was signed, in milliseconds since the epoch.
    pub signed_at_ms: i64,
    /// The life of a presigned URL in seconds; `None` for an `Authorization` header.
    pub expires_s: Option<u32>,
    /// Lower case and sorted.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
}

impl Claim {
    /// The request's date as it is signed.
    pub(super) fn timestamp(&self) -> String {
        amz_date(self.signed_at_ms)
    }

    pub(super) fn scope_text(&self) -> String {
        scope_text(&self.scope.date, &self.scope.region, &self.scope.service)
    }
}

/// Reads the signature of a request, from its `Authorization` header or its query.
///
/// # Errors
/// [`Rejection::Missing`], [`Rejection::Algorithm`], [`Rejection::Incomplete`], or
/// [`Rejection::Unsigned`] for an `x-amz-*` header or a host that the signature leaves open.
pub fn parse(request: &Request<'_>) -> Result<Claim, Rejection> {
    let claim = match request.header("authorization") {
        Some(authorization) => parse_header(request, authorization)?,
        None => parse_presigned(request)?,
    };
    if !claim.timestamp().starts_with(&claim.scope.date) {
        return Err(incomplete("Credential", "the scope's date is not that of X-Amz-Date"));
    }
    require_signed(request, &claim.signed_headers)?;
    Ok(claim)
}

fn parse_header(request: &Request<'_>, authorization: &str) -> Result<Claim, Rejection> {
    let (algorithm, fields) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if algorithm != ALGORITHM {
        return Err(Rejection::Algorithm(algorithm.to_owned()));
    }
    let field = |part: &'static str| {
        fields
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .find(|(name, _)| *name == part)
            .map(|(_, value)| value)
            .ok_or_else(|| incomplete(part, "the Authorization header has no such field"))
    };
    let (access_key_id, scope) = parse_credential(field("Credential")?)?;
    let payload = match request.header("x-amz-content-sha256") {
        Some(text) => Payload::parse(text, &scope.service)?,
        None if scope.service == "s3" => {
            return Err(incomplete("x-amz-content-sha256", "S3 requires this header"));
        }
        None => Payload::Body,
    };
    Ok(Claim {
        access_key_id,
        session_token: request.header("x-amz-security-token").map(str::to_owned),
        payload,
        signed_at_ms: header_date(request)?,
        expires_s: None,
        signed_headers: parse_signed_headers(field("SignedHeaders")?)?,
        signature: field("Signature")?.to_owned(),
        scope,
    })
}

fn header_date(request: &Request<'_>) -> Result<i64, Rejection> {
    let parsed = match request.header("x-amz-date") {
        Some(text) => parse_amz_date(text),
        None => request.header("date").and_then(parse_http_date),
    };
    parsed.ok_or_else(|| incomplete("X-Amz-Date", "expected yyyymmddThhmmssZ"))
}

fn parse_presigned(request: &Request<'_>) -> Result<Claim, Rejection> {
    let pairs = parse_query(request.query)
        .map_err(|error| Rejection::Incomplete { part: "query", detail: error.to_string() })?;
    let get = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let Some(algorithm) = get("X-Amz-Algorithm") else {
        let v2 = get("AWSAccessKeyId").is_some() && get("Signature").is_some();
        return Err(if v2 {
            Rejection::Algorithm("Signature Version 2".to_owned())
        } else {
            Rejection::Missing
        });
    };
    if algorithm != ALGORITHM {
        return Err(Rejection::Algorithm(algorithm.to_owned()));
    }
    let require = |part: &'static str| {
        get(part).ok_or_else(|| incomplete(part, "the query has no such parameter"))
    };
    let (access_key_id, scope) = parse_credential(require("X-Amz-Credential")?)?;
    let hash = get("X-Amz-Content-Sha256").or_else(|| request.header("x-amz-content-sha256"));
    let payload = match hash {
        Some(text) => Payload::parse(text, &scope.service)?,
        None if scope.service == "s3" => Payload::Unsigned,
        None => Payload::Body,
    };
    Ok(Claim {
        access_key_id,
        session_token: get("X-Amz-Security-Token").map(str::to_owned),
        payload,
        signed_at_ms: parse_amz_date(require("X-Amz-Date")?)
            .ok_or_else(|| incomplete("X-Amz-Date", "expected yyyymmddThhmmssZ"))?,
        expires_s: Some(match get("X-Amz-Expires") {
            None if scope.service == "iotdevicegateway" => WEBSOCKET_EXPIRES_S,
            _ => parse_expires(require("X-Amz-Expires")?)?,
        }),
        signed_headers: parse_signed_headers(require("X-Amz-SignedHeaders")?)?,
        signature: require("X-Amz-Signature")?.to_owned(),
        scope,
    })
}

fn parse_expires(text: &str) -> Result<u32, Rejection> {
    let seconds = text.parse::<u32>().ok().filter(|s| (1..=MAX_EXPIRES_S).contains(s));
    seconds.ok_or_else(|| Rejection::Incomplete {
        part: "X-Amz-Expires",
        detail: format!("`{text}` is not a number of seconds from 1 to {MAX_EXPIRES_S}"),
    })
}

/// `AKID/20260102/us-east-1/s3/aws4_request`.
fn parse_credential(text: &str) -> Result<(String, Scope), Rejection> {
    let parts: Vec<&str> = text.split('/').collect();
    let [access_key_id, date, region, service, TERMINATOR] = parts[..] else {
        return Err(Rejection::Incomplete {
            part: "Credential",
            detail: format!("`{text}` is not <key>/<yyyymmdd>/<region>/<service>/{TERMINATOR}"),
        });
    };
    let scope =
        Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
    Ok((access_key_id.to_owned(), scope))
}

fn parse_signed_headers(text: &str) -> Result<Vec<String>, Rejection> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    if !names.is_sorted() || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(incomplete("SignedHeaders", "expected sorted lower-case names"));
    }
    Ok(names)
}

/// The host and every `x-amz-*` header change what a request means, so they must be signed.
fn require_signed(request: &Request<'_>, signed: &[String]) -> Result<(), Rejection> {
    let names = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let open = std::iter::once("host".to_owned())
        .chain(names.filter(|name| name.starts_with("x-amz-")))
        .find(|name| !signed.contains(name));
    open.map_or(Ok(()), |name| Err(Rejection::Unsigned(name)))
}

fn incomplete(part: &'static str, detail: &str) -> Rejection {
    Rejection::Incomplete { part, detail: detail.to_owned() }
}
