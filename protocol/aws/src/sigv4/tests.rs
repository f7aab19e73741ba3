//! Vectors S1–S13 (made by botocore's own signer), AWS's published chunk vector, and refusals.

use proptest::prelude::*;

use super::*;
use crate::timestamp::parse_amz_date;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const DATE: &str = "20260102T030405Z";
const ARN: &str = "arn%3Aaws%3Agreengrass%3Aus-east-1%3A123456789012%3Acomponents%3A\
                   com.example.Hello%3Aversions%3A1.0.0";

fn now() -> i64 {
    parse_amz_date(DATE).unwrap()
}

fn key() -> KnownKey<'static> {
    KnownKey { secret_access_key: SECRET, session: None }
}

/// One request as it is on the wire, owned so that it can be tampered with.
#[derive(Debug, Clone)]
struct Wire {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Wire {
    fn new(method: &str, target: &str, service: &str, signed: &str, signature: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20260102/us-east-1/{service}/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        );
        let wire = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        wire.header("Host", "127.0.0.1:8080")
            .header("X-Amz-Date", DATE)
            .header("Authorization", &authorization)
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// Hands the request to `use_it` in the form that the verifier takes.
    fn with_request<T>(&self, use_it: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        use_it(&Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
        })
    }

    fn claim(&self) -> Result<Claim, Rejection> {
        self.with_request(parse)
    }

    fn verify(&self, key: &KnownKey<'_>, now_ms: i64) -> Result<(), Rejection> {
        let claim = self.claim()?;
        if claim.access_key_id != KEY {
            return Err(Rejection::UnknownAccessKey(claim.access_key_id));
        }
        let digest = sha256_hex(&self.body);
        let digest = (!claim.payload.is_chunked()).then_some(digest.as_str());
        self.with_request(|request| verify(request, &claim, key, digest, now_ms))
    }
}

fn s1() -> Wire {
    let target = format!("/greengrass/v2/components/{ARN}?recipeOutputFormat=JSON");
    let signature = "51a33406330328da991e702244541644ba077764b64ffa7cd425f030307ff994";
    Wire::new("GET", &target, "greengrass", "host;x-amz-date", signature)
}

fn s2() -> Wire {
    let signed = "host;x-amz-date;x-amz-security-token";
    let signature = "268e754f7667043cc3e3c7a128770ee3349773fa6bba82ef19170428fbda66a2";
    Wire::new("GET", "/greengrass/v2/coreDevices?maxResults=5", "greengrass", signed, signature)
        .header("X-Amz-Security-Token", "TOK/EN+==")
}

fn s4() -> Wire {
    let signature = "2dd3c03571eee3873c59544a7986d153c7cd4e5eb3f5fa2b8334ce798c50f3ce";
    Wire::new("POST", "/topics/a%2Fb%20c?qos=1", "iotdata", "host;x-amz-date", signature).body("hi")
}

fn s9() -> Wire {
    let signed =
        "host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-sdk-checksum-algorithm";
    let signature = "cadedfc6379954379be7be0b4f7e8f6203633e71e7c6039da66c2d678dc68edd";
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    Wire::new("PUT", "/bkt/a/b%20c%2Bd.txt", "s3", signed, signature)
        .header("x-amz-checksum-crc32", "NhCmhg==")
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .header("x-amz-content-sha256", digest)
        .body("hello")
}

const S11_QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Fus-east-1%2Fs3%2Faws4_request\
    &X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host";
const S11_SIGNATURE: &str = "3d99b9837a81f4182519d0df95725ae660b5b553f1902e7df7a7a98a7f8e54a9";

fn s11() -> Wire {
    let target = format!("/bkt/a/b%20c.txt?{S11_QUERY}&X-Amz-Signature={S11_SIGNATURE}");
    let mut wire = Wire::new("GET", &target, "s3", "host", "").header("Host", "127.0.0.1:8080");
    wire.headers.retain(|(name, _)| name == "Host");
    wire
}

#[test]
fn s1_encoded_arn_is_encoded_twice() {
    assert_eq!(s1().verify(&key(), now()), Ok(()));
}

#[test]
fn s2_session_token_must_be_the_issued_one_and_in_time() {
    let session = |token, expires_at_ms| KnownKey {
        session: Some(Session { token, expires_at_ms }),
        ..key()
    };
    assert_eq!(s2().verify(&session("TOK/EN+==", now() + 1), now()), Ok(()));
    let wrong = s2().verify(&session("TOK/EN+=!", now() + 1), now());
    assert_eq!(wrong, Err(Rejection::TokenWrong(KEY.to_owned())));
    let expired = s2().verify(&session("TOK/EN+==", now()), now());
    assert_eq!(expired, Err(Rejection::TokenExpired(KEY.to_owned())));
    let long_term = s2().verify(&key(), now());
    assert_eq!(long_term, Err(Rejection::TokenWrong(KEY.to_owned())));
}

#[test]
fn s3_greedy_label_is_encoded_twice() {
    let target = format!("/greengrass/v2/components/{ARN}/artifacts/a/b%20c.zip");
    let signature = "fb69d3f51589c2d2042ba59a95dec9ad313ee927afed43ca9aa9ad383011de2a";
    let wire = Wire::new("GET", &target, "greengrass", "host;x-amz-date", signature);
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn s4_blob_body_without_content_type() {
    assert_eq!(s4().verify(&key(), now()), Ok(()));
}

#[test]
fn s5_raw_dollar_signs_as_its_encoding() {
    let signature = "00fe218a773efc3699650c7b89db34bdfacb1ad682087861c15a186a32454cab";
    let signed = "content-type;host;x-amz-date";
    let wire = Wire::new("PUT", "/things/T1/jobs/$next", "iot-jobs-data", signed, signature)
        .header("Content-Type", "application/json")
        .body("{}");
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn s6_encoded_dollar_is_another_path_than_the_raw_one() {
    let target = "/things/T1/jobs/%24next?includeJobDocument=true";
    let signature = "934483db8e1289b98e9fd107ab20c6c60c13ae77d99a6e4376ca1f0e6f364bbc";
    let mut wire = Wire::new("GET", target, "iot-jobs-data", "host;x-amz-date", signature);
    assert_eq!(wire.verify(&key(), now()), Ok(()));
    wire.path = "/things/T1/jobs/$next".to_owned();
    assert_eq!(wire.verify(&key(), now()), Err(Rejection::Mismatch));
}

#[test]
fn s7_repeated_query_keys() {
    let arn = "arn%3Aaws%3Agreengrass%3Aus-east-1%3A123456789012%3Adeployments%3Aabc";
    let target = format!("/tags/{arn}?tagKeys=a%20b&tagKeys=c");
    let signature = "442c5e570a0e6729ece346c2bde6c2851407d57953f4dadaf746de4b23dc829b";
    let wire = Wire::new("DELETE", &target, "greengrass", "host;x-amz-date", signature);
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn s8_principal_header_is_signed() {
    let principal = format!("arn:aws:iot:us-east-1:123456789012:cert/{}", "ab".repeat(32));
    let signature = "3aad4714fcea9eb63d353ee30dc7119665dac846461bb689bd401c7d5d3aead5";
    let signed = "host;x-amz-date;x-amzn-principal";
    let wire = Wire::new("PUT", "/things/T%3A1/principals", "iot", signed, signature)
        .header("x-amzn-principal", &principal);
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn s9_s3_path_is_encoded_once() {
    assert_eq!(s9().verify(&key(), now()), Ok(()));
}

#[test]
fn s10_streaming_trailer_payload() {
    let signed = "content-encoding;host;x-amz-content-sha256;x-amz-date;\
                  x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer";
    let signature = "0328e2483344db0a5f83b87332c8b8b95c53fe18c4395e6506330c5cea99505c";
    let wire = Wire::new("PUT", "/bkt/a/b%20c%2Bd.txt", "s3", signed, signature)
        .header("Host", "cloud.local:8443")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn s11_presigned_url_is_good_for_its_time() {
    let late = now() + 900_000;
    assert_eq!(s11().verify(&key(), now()), Ok(()));
    assert_eq!(s11().verify(&key(), late), Ok(()));
    let expired = Rejection::UrlExpired { signed_at: DATE.to_owned(), expires_s: 900 };
    assert_eq!(expired.to_api_error(Family::S3).code, "AccessDenied");
    assert_eq!(s11().verify(&key(), late + 1), Err(expired));
}

#[test]
fn s11_presign_makes_the_same_url() {
    let credentials = Credentials {
        access_key_id: KEY.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: None,
    };
    let signer =
        Signer { credentials: &credentials, region: "us-east-1", service: "s3", now_ms: now() };
    let headers = [("Host", "127.0.0.1:8080")];
    let request = Request { method: "GET", path: "/bkt/a/b%20c.txt", query: "", headers: &headers };
    let query = signer.presign(&request, 900);
    assert_eq!(query, format!("{S11_QUERY}&X-Amz-Signature={S11_SIGNATURE}"));
}

#[test]
fn s12_json_target() {
    let signature = "ea902767fc49f28ff7c04583ec7266fb24dfaa200b7b696d1af7a303af4cd687";
    let signed = "content-type;host;x-amz-date;x-amz-target";
    let wire = Wire::new("POST", "/", "secretsmanager", signed, signature)
        .header("X-Amz-Target", "secretsmanager.GetSecretValue")
        .header("Content-Type", "application/x-amz-json-1.1")
        .body(r#"{"SecretId": "s"}"#);
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn s13_form_body() {
    let signature = "3f2a9689f4df720d45763923f38767ff2f71fc6cb92efb4432c91fc7baee8b4e";
    let wire = Wire::new("POST", "/", "sts", "content-type;host;x-amz-date", signature)
        .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .body("Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(wire.verify(&key(), now()), Ok(()));
}

#[test]
fn a35_temporary_key_without_its_token_is_unrecognised() {
    let temporary =
        KnownKey { session: Some(Session { token: "T", expires_at_ms: i64::MAX }), ..key() };
    let rejection = s1().verify(&temporary, now()).unwrap_err();
    assert_eq!(rejection, Rejection::TokenMissing(KEY.to_owned()));
    assert_eq!(rejection.to_api_error(Family::Json).code, "UnrecognizedClientException");
    assert_eq!(rejection.to_api_error(Family::Query).code, "InvalidClientTokenId");
}

#[test]
fn a_wrong_secret_is_a_mismatch_in_every_family() {
    let wrong = KnownKey { secret_access_key: "other", session: None };
    let rejection = s9().verify(&wrong, now()).unwrap_err();
    let codes = [Family::Json, Family::S3, Family::Query].map(|f| rejection.to_api_error(f));
    assert_eq!(
        codes.map(|error| (error.code, error.status)),
        [
            ("InvalidSignatureException", 403),
            ("SignatureDoesNotMatch", 403),
            ("SignatureDoesNotMatch", 403)
        ]
    );
}

#[test]
fn a_clock_that_is_off_by_more_than_a_quarter_of_an_hour_is_told_so() {
    for (skew_ms, good) in [(MAX_SKEW_MS, true), (MAX_SKEW_MS + 1, false)] {
        assert_eq!(s1().verify(&key(), now() + skew_ms).is_ok(), good);
        assert_eq!(s1().verify(&key(), now() - skew_ms).is_ok(), good);
    }
    let rejection = s1().verify(&key(), now() + MAX_SKEW_MS * 2).unwrap_err();
    assert_eq!(rejection.to_api_error(Family::S3).code, "RequestTimeTooSkewed");
    assert!(rejection.to_string().starts_with("Signature expired"), "{rejection}");
}

#[test]
fn headers_that_change_the_meaning_must_be_signed() {
    let wire = s9().header("x-amz-copy-source", "/other/key");
    let rejection = wire.verify(&key(), now()).unwrap_err();
    assert_eq!(rejection, Rejection::Unsigned("x-amz-copy-source".to_owned()));
}

#[test]
fn requests_that_are_not_signed_with_version_4_say_what_they_are() {
    let mut bare = s1();
    bare.headers.retain(|(name, _)| name != "Authorization");
    assert_eq!(bare.verify(&key(), now()), Err(Rejection::Missing));
    bare.query = "AWSAccessKeyId=A&Signature=B&Expires=1".to_owned();
    let rejection = bare.verify(&key(), now()).unwrap_err();
    assert!(rejection.to_string().contains("s3v4"), "{rejection}");
    let basic = s1().header("Authorization", "Basic dTpw");
    assert_eq!(basic.verify(&key(), now()), Err(Rejection::Algorithm("Basic".to_owned())));
}

#[test]
fn unsigned_payloads_are_for_s3_alone() {
    let wire = s4().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let Err(Rejection::Incomplete { part, .. }) = wire.verify(&key(), now()) else {
        panic!("accepted");
    };
    assert_eq!(part, "x-amz-content-sha256");
}

/// AWS's documentation, "Transferring Payload in Multiple Chunks (Chunked Upload)".
#[test]
fn the_published_chunk_vector_holds() {
    let headers = [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-encoding", "aws-chunked"),
        ("content-length", "66824"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
             x-amz-decoded-content-length;x-amz-storage-class,\
             Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
    ];
    let path = "/examplebucket/chunkObject.txt";
    let request = Request { method: "PUT", path, query: "", headers: &headers };
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let key = KnownKey { secret_access_key: secret, session: None };
    let claim = parse(&request).unwrap();
    let now_ms = parse_amz_date("20130524T000000Z").unwrap();
    assert_eq!(verify(&request, &claim, &key, None, now_ms), Ok(()));

    let mut chain = claim.chunk_chain(&key).unwrap();
    let chunks: [(usize, &str); 3] = [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];
    for (length, signature) in chunks {
        let digest = sha256_hex(&vec![b'a'; length]);
        assert_eq!(chain.verify_chunk(&digest, signature), Ok(()));
    }
    let digest = sha256_hex(b"");
    assert_eq!(chain.verify_chunk(&digest, chunks[2].1), Err(Rejection::Mismatch));
}

/// Replaces the byte at a place chosen by `at` with another printable one.
fn flip(text: &mut [u8], at: usize, to: u8) -> bool {
    let Some(place) = at.checked_rem(text.len()) else { return false };
    let before = text[place];
    text[place] = to;
    before != to
}

fn flip_text(text: &mut String, at: usize, to: u8) -> bool {
    let mut bytes = std::mem::take(text).into_bytes();
    let changed = flip(&mut bytes, at, to);
    *text = String::from_utf8(bytes).unwrap();
    changed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn flipping_any_signed_byte_is_refused(
        which in 0_usize..4,
        part in 0_usize..5,
        at in 0_usize..10_000,
        to in b'!'..=b'~',
    ) {
        let mut wire = [s1(), s4(), s9(), s11()][which].clone();
        let changed = match part {
            0 => flip_text(&mut wire.path, at, to),
            1 => flip_text(&mut wire.query, at, to),
            2 => {
                let header = at % wire.headers.len();
                flip_text(&mut wire.headers[header].1, at / 7, to)
            }
            3 => flip_text(&mut wire.method, at, to),
            _ => which < 3 && flip(&mut wire.body, at, to),
        };
        // A query may be written in several ways that say the same (`%2f`, `&&`), and so may the
        // separators within `Authorization`.
        let original = &[s1(), s4(), s9(), s11()][which];
        let same_meaning = match part {
            1 => pairs(&wire.query) == pairs(&original.query),
            2 => wire.claim() == original.claim() && headers_but_authorization(&wire)
                == headers_but_authorization(original),
            _ => false,
        };
        prop_assume!(changed && !same_meaning);
        prop_assert!(wire.verify(&key(), now()).is_err(), "{wire:?}");
    }

    #[test]
    fn what_is_signed_verifies(
        path in "(/[a-zA-Z0-9$:%._~ -]{0,8}){1,4}",
        query in "([a-z]{1,3}=[a-zA-Z0-9%.~/-]{0,6}&?){0,3}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
        s3 in any::<bool>(),
        token in proptest::option::of("[A-Za-z0-9+/=]{1,20}"),
    ) {
        let service = if s3 { "s3" } else { "greengrass" };
        let credentials = Credentials {
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: token.clone(),
        };
        let signer = Signer { credentials: &credentials, region: "r", service, now_ms: now() };
        let host = [("Host", "h:1")];
        let request = Request { method: "PUT", path: &path, query: &query, headers: &host };
        let added = signer.sign(&request, &Payload::of(&body));
        let mut headers = vec![("host", "h:1")];
        headers.extend(added.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let request = Request { headers: &headers, ..request };
        let claim = parse(&request).unwrap();
        let session = token.as_deref().map(|token| Session { token, expires_at_ms: i64::MAX });
        let known = KnownKey { session, ..key() };
        prop_assert_eq!(verify(&request, &claim, &known, Some(&sha256_hex(&body)), now()), Ok(()));
    }

    #[test]
    fn parsing_never_panics(authorization in ".{0,80}", query in ".{0,80}") {
        let headers = [("authorization", authorization.as_str()), ("x-amz-date", DATE)];
        let request = Request { method: "GET", path: "/", query: &query, headers: &headers };
        let _ = parse(&request);
        let _ = parse(&Request { headers: &[], ..request });
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let mut pairs = crate::route::parse_query(query).unwrap_or_default();
    pairs.sort_unstable();
    pairs
}

fn headers_but_authorization(wire: &Wire) -> Vec<&(String, String)> {
    wire.headers.iter().filter(|(name, _)| name != "Authorization").collect()
}
