//! A request's head: `METHOD path?query`, then `name:value` lines. As it came, and signed by us.

use marram_aws::sigv4::{
    Credentials, Family, KnownKey, Payload, Request, Signer, parse, sha256_hex, verify,
};

const NOW_MS: i64 = 1_440_938_160_000;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

pub(crate) fn run(data: &[u8]) {
    let Some(([first], head)) = crate::lines::split(data) else { return };
    let Some((method, target)) = first.split_once(' ') else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(&str, &str)> = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| is_header_name(name))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let request = Request { method, path, query, headers: &headers };
    let key = KnownKey { secret_access_key: SECRET, session: None };
    match parse(&request) {
        Ok(claim) => {
            let _ = claim.chunk_chain(&key);
            let _ = verify(&request, &claim, &key, Some(&sha256_hex(b"")), NOW_MS);
        }
        Err(rejection) => {
            for service in ["iot", "s3"] {
                let error = rejection.to_api_error(Family::of(service));
                assert!(!error.message.is_empty(), "{rejection}");
            }
        }
    }
    signed_by_us(&request, &key);
}

/// HTTP lets no other name through (RFC 9110 §5.6.2).
fn is_header_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// What our signer signs, our verifier accepts.
fn signed_by_us(request: &Request<'_>, key: &KnownKey<'_>) {
    let is_ours = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("x-amz-") || name == "authorization" || name == "host"
    };
    if request.query.contains("X-Amz-") || request.headers.iter().any(|(name, _)| is_ours(name)) {
        return;
    }
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: None,
    };
    let signer = Signer { credentials: &credentials, region: "r", service: "iot", now_ms: NOW_MS };
    let mut headers = vec![("host", "example.com")];
    headers.extend_from_slice(request.headers);
    let unsigned = Request { headers: &headers, ..*request };
    let added = signer.sign(&unsigned, &Payload::of(b"body"));
    let added: Vec<(&str, &str)> = added.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let all = [headers.as_slice(), &added].concat();
    let signed = Request { headers: &all, ..*request };
    let Ok(claim) = parse(&signed) else { return };
    let digest = sha256_hex(b"body");
    verify(&signed, &claim, key, Some(&digest), NOW_MS).expect("our own signature");
    let other = Request { method: "OTHER", ..signed };
    assert!(verify(&other, &claim, key, Some(&digest), NOW_MS).is_err(), "another method");
}
