//! Signing as a client does, and presigning URLs that need no key to be used.

use super::canonical::{self, percent_encode, scope_text};
use super::digest::{SigningKey, sha256_hex};
use super::{ALGORITHM, Claim, Credentials, Payload, Request, Scope};
use crate::timestamp::amz_date;

/// Headers that proxies and HTTP stacks may add or change, so that nobody signs them.
const NEVER_SIGNED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "expect",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
];

/// What one client signs with: its key, the region and service it calls, and the time.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The key.
    pub credentials: &'a Credentials,
    /// The client's region.
    pub region: &'a str,
    /// The SigV4 service name: `greengrass`, `iot`, `iotdata`, `s3`, `sts`, …
    pub service: &'a str,
    /// The time of signing in milliseconds since the epoch.
    pub now_ms: i64,
}

impl Signer<'_> {
    /// The headers to add to `request`, which must already have its `host`: `x-amz-date`,
    /// `x-amz-security-token` for a temporary key, `x-amz-content-sha256` for S3, and last
    /// `authorization`. [`Payload::Body`] stands for an empty body; pass
    /// [`Payload::of`] for another one.
    pub fn sign(&self, request: &Request<'_>, payload: &Payload) -> Vec<(String, String)> {
        self.sign_claim(request, payload).0
    }

    /// As [`Signer::sign`], with the claim that the server will read, from which
    /// [`Claim::chunk_chain`] signs the chunks of the body.
    pub fn sign_claim(
        &self,
        request: &Request<'_>,
        payload: &Payload,
    ) -> (Vec<(String, String)>, Claim) {
        let empty = sha256_hex(b"");
        let body = payload.signed_text().unwrap_or(&empty);
        let mut added = vec![("x-amz-date".to_owned(), amz_date(self.now_ms))];
        if let Some(token) = &self.credentials.session_token {
            added.push(("x-amz-security-token".to_owned(), token.clone()));
        }
        if self.service == "s3" {
            added.push(("x-amz-content-sha256".to_owned(), body.to_owned()));
        }
        let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
        headers.extend(added.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut signed: Vec<String> =
            headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        signed.retain(|name| !NEVER_SIGNED.contains(&name.as_str()));
        signed.sort_unstable();
        signed.dedup();
        let whole = Request { headers: &headers, ..*request };
        let signature = self.signature(&whole, &signed, body);
        let date = amz_date(self.now_ms);
        let scope = scope_text(&date[..8], self.region, self.service);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.credentials.access_key_id,
            signed.join(";"),
        );
        added.push(("authorization".to_owned(), authorization));
        (added, self.claim(payload, signed, signature))
    }

    /// The query of a presigned URL: that of `request`, the `X-Amz-*` parameters, and the
    /// signature. Only the `host` header of `request` is signed, so that whoever gets the URL
    /// need not send any other. `expires_s` is from 1 to [`super::MAX_EXPIRES_S`].
    pub fn presign(&self, request: &Request<'_>, expires_s: u32) -> String {
        let date = amz_date(self.now_ms);
        let scope = scope_text(&date[..8], self.region, self.service);
        let credential = format!("{}/{scope}", self.credentials.access_key_id);
        let mut query = request.query.to_owned();
        let mut push = |name: &str, value: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            query.push_str(&percent_encode(value.as_bytes(), false));
        };
        push("X-Amz-Algorithm", ALGORITHM);
        push("X-Amz-Credential", &credential);
        push("X-Amz-Date", &date);
        push("X-Amz-Expires", &expires_s.to_string());
        push("X-Amz-SignedHeaders", "host");
        if let Some(token) = &self.credentials.session_token {
            push("X-Amz-Security-Token", token);
        }
        let body = match self.service {
            "s3" => "UNSIGNED-PAYLOAD".to_owned(),
            _ => sha256_hex(b""),
        };
        let whole = Request { query: &query, ..*request };
        let signature = self.signature(&whole, &["host".to_owned()], &body);
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn signature(&self, request: &Request<'_>, signed: &[String], payload: &str) -> String {
        let date = amz_date(self.now_ms);
        let hash = canonical::request_hash(request, self.service, signed, payload);
        let scope = scope_text(&date[..8], self.region, self.service);
        let text = canonical::string_to_sign(&date, &scope, &hash);
        let secret = &self.credentials.secret_access_key;
        SigningKey::derive(secret, &date[..8], self.region, self.service).sign(&text)
    }

    fn claim(&self, payload: &Payload, signed_headers: Vec<String>, signature: String) -> Claim {
        Claim {
            access_key_id: self.credentials.access_key_id.clone(),
            scope: Scope {
                date: amz_date(self.now_ms)[..8].to_owned(),
                region: self.region.to_owned(),
                service: self.service.to_owned(),
            },
            session_token: self.credentials.session_token.clone(),
            payload: payload.clone(),
            signed_at_ms: self.now_ms,
            expires_s: None,
            signed_headers,
            signature,
        }
    }
}

impl Payload {
    /// What stands for `body` when its digest is signed.
    pub fn of(body: &[u8]) -> Self {
        Self::Sha256(sha256_hex(body))
    }
}
