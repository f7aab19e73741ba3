//! Who calls.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::sigv4::{
    ChunkChain, Claim, Family, KnownKey, Payload, Rejection, Request, Session, parse, sha256_hex,
    verify,
};
use marram_registry::KnownAccessKey;

use crate::api::Services;
use crate::authority::Authority;

/// A request's head with the signature that it claims, and the key that this names.
pub(crate) struct Claimed<'r> {
    headers: Vec<(&'r str, &'r str)>,
    parts: &'r Parts,
    claim: Claim,
    key: KnownAccessKey,
}

/// Reads the signature's claim, without knowing yet whether it is true.
pub(crate) fn read_claim(parts: &Parts) -> Result<Claim, ApiError> {
    let headers = text_headers(parts);
    parse(&signed_request(parts, &headers))
        .map_err(|rejection| rejection.to_api_error(presumed_family(parts)))
}

impl<'r> Claimed<'r> {
    /// Looks up the key of a claim.
    pub(crate) async fn look_up(
        services: &Services,
        parts: &'r Parts,
        claim: Claim,
    ) -> Result<Self, ApiError> {
        let key = services.registry.principal_for_access_key(&claim.access_key_id).await?;
        let Some(mut key) = key else {
            let unknown = Rejection::UnknownAccessKey(claim.access_key_id);
            return Err(unknown.to_api_error(Family::of(&claim.scope.service)));
        };
        if let Some(session) = &mut key.session {
            // It expires by the cloud's time.
            session.expires_at_ms -= services.ahead_ms();
        }
        Ok(Self { headers: text_headers(parts), parts, claim, key })
    }

    /// Verifies the signature over the head, and the body when that is already here.
    pub(crate) fn verify(
        self,
        services: &Services,
        body: Option<&[u8]>,
        source: SocketAddr,
    ) -> Result<Caller, ApiError> {
        let now_ms = services.clock.now_ms();
        let request = signed_request(self.parts, &self.headers);
        let known = known_key(&self.key);
        let digest = body.map(sha256_hex);
        verify(&request, &self.claim, &known, digest.as_deref(), now_ms)
            .map_err(|rejection| rejection.to_api_error(Family::of(&self.claim.scope.service)))?;
        let chunks = self.claim.chunk_chain(&known);
        let KnownAccessKey { principal, permissions, .. } = self.key;
        let authority = Authority::new(principal, permissions, source.ip(), services.over_tls);
        Ok(Caller { authority: Arc::new(authority), payload: self.claim.payload, chunks })
    }
}

/// Whoever signed, verified, and what the signature says of the body.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) authority: Arc<Authority>,
    pub(crate) payload: Payload,
    pub(crate) chunks: Option<ChunkChain>,
}

fn signed_request<'r>(parts: &'r Parts, headers: &'r [(&'r str, &'r str)]) -> Request<'r> {
    Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers,
    }
}

/// The headers that are text. One that is not cannot be signed, and if it was, the signature
/// does not match without it.
fn text_headers(parts: &Parts) -> Vec<(&str, &str)> {
    parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            std::str::from_utf8(value.as_bytes()).ok().map(|value| (name.as_str(), value))
        })
        .collect()
}

fn known_key(key: &KnownAccessKey) -> KnownKey<'_> {
    KnownKey {
        secret_access_key: &key.secret_access_key,
        session: key
            .session
            .as_ref()
            .map(|session| Session { token: &session.token, expires_at_ms: session.expires_at_ms }),
    }
}

/// The family to answer in when the claim itself cannot be read: S3's where S3 is named.
pub(crate) fn presumed_family(parts: &Parts) -> Family {
    let authorization = parts.headers.get("authorization").map(|value| value.as_bytes());
    let authorization = authorization.and_then(|value| std::str::from_utf8(value).ok());
    let query = parts.uri.query().unwrap_or_default();
    let names_s3 = authorization.is_some_and(|text| text.contains("/s3/"))
        || ["%2Fs3%2F", "/s3/", "AWSAccessKeyId="].iter().any(|mark| query.contains(mark));
    if names_s3 { Family::S3 } else { Family::Json }
}
