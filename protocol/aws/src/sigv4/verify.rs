//! Checking a claim against the key it names.

use super::digest::{SigningKey, equal};
use super::{Claim, Payload, Rejection, Request, canonical, chunks::ChunkChain};
use crate::timestamp::amz_date;

/// How far the caller's clock may be from ours, in milliseconds: 15 minutes, S3's bound, for all.
pub const MAX_SKEW_MS: i64 = 15 * 60 * 1_000;

/// The secret half of a looked-up access key.
#[derive(Clone, Copy)]
pub struct KnownKey<'a> {
    /// The secret.
    pub secret_access_key: &'a str,
    /// For a temporary key: what was issued with it.
    pub session: Option<Session<'a>>,
}

/// What was issued with a temporary key.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// The token that every request must carry.
    pub token: &'a str,
    /// When the key stops working, in milliseconds since the epoch.
    pub expires_at_ms: i64,
}

impl std::fmt::Debug for KnownKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownKey").field("session", &self.session).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

/// Verifies `claim`, which [`super::parse`] read from this very `request`.
///
/// `body_sha256` is the hexadecimal digest of the whole body. It must be there for
/// [`Payload::Body`]. For [`Payload::Sha256`] it may be `None` when the body is still to be
/// streamed; then the caller compares the digest at the end.
///
/// # Errors
/// The first reason found, in this order: session token, time, signature, body.
pub fn verify(
    request: &Request<'_>,
    claim: &Claim,
    key: &KnownKey<'_>,
    body_sha256: Option<&str>,
    now_ms: i64,
) -> Result<(), Rejection> {
    check_session(claim, key.session, now_ms)?;
    check_time(claim, now_ms)?;
    let Some(payload) = claim.payload.signed_text().or(body_sha256) else {
        return Err(Rejection::Incomplete {
            part: "x-amz-content-sha256",
            detail: "the body of this request cannot be streamed without this header".to_owned(),
        });
    };
    let service = &claim.scope.service;
    let hash = canonical::request_hash(request, service, &claim.signed_headers, payload);
    let text = canonical::string_to_sign(&claim.timestamp(), &claim.scope_text(), &hash);
    if !equal(&signing_key(claim, key).sign(&text), &claim.signature) {
        return Err(Rejection::Mismatch);
    }
    match (&claim.payload, body_sha256) {
        (Payload::Sha256(claimed), Some(actual)) if claimed != actual => {
            Err(Rejection::Payload { claimed: claimed.clone(), actual: actual.to_owned() })
        }
        _ => Ok(()),
    }
}

impl Claim {
    /// The chain that the chunks of an `aws-chunked` body are signed in, when they are; it
    /// starts from this request's signature, so verify that first.
    pub fn chunk_chain(&self, key: &KnownKey<'_>) -> Option<ChunkChain> {
        matches!(self.payload, Payload::SignedChunks | Payload::SignedChunksTrailer).then(|| {
            ChunkChain::start(
                signing_key(self, key),
                self.timestamp(),
                self.scope_text(),
                self.signature.clone(),
            )
        })
    }
}

fn signing_key(claim: &Claim, key: &KnownKey<'_>) -> SigningKey {
    let scope = &claim.scope;
    SigningKey::derive(key.secret_access_key, &scope.date, &scope.region, &scope.service)
}

fn check_session(
    claim: &Claim,
    session: Option<Session<'_>>,
    now_ms: i64,
) -> Result<(), Rejection> {
    let key = || claim.access_key_id.clone();
    match (session, &claim.session_token) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Rejection::TokenWrong(key())),
        (Some(_), None) => Err(Rejection::TokenMissing(key())),
        (Some(session), Some(sent)) if !equal(session.token, sent) => {
            Err(Rejection::TokenWrong(key()))
        }
        (Some(session), Some(_)) if session.expires_at_ms <= now_ms => {
            Err(Rejection::TokenExpired(key()))
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

fn check_time(claim: &Claim, now_ms: i64) -> Result<(), Rejection> {
    let age_ms = now_ms.saturating_sub(claim.signed_at_ms);
    if let Some(expires_s) = claim.expires_s
        && age_ms > i64::from(expires_s) * 1_000
    {
        return Err(Rejection::UrlExpired { signed_at: claim.timestamp(), expires_s });
    }
    let too_old = claim.expires_s.is_none() && age_ms > MAX_SKEW_MS;
    if too_old || age_ms < -MAX_SKEW_MS {
        return Err(Rejection::Skewed { signed_at: claim.timestamp(), now: amz_date(now_ms) });
    }
    Ok(())
}
