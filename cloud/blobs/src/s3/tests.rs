use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use marram_aws::sigv4::{Credentials, KnownKey, Signer, sha256_hex};
use marram_os::clock::ManualClock;
use tempfile::TempDir;

use super::*;
use crate::Limits;

const RESERVED: &str = "the-clouds-own";

/// An endpoint over an empty store, and what a client does with it.
struct Fixture {
    service: Service,
    _directory: TempDir,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn code(&self) -> String {
        let root = marram_aws::xml::parse(&self.body).unwrap();
        root.child_text("Code").unwrap_or_default().to_owned()
    }
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at_ms(1_767_323_045_000).shared();
        let limits = Limits { reserve_bytes: 0, ..Limits::default() };
        let blobs = Blobs::open(directory.path(), limits, clock).await.unwrap();
        let settings = Settings {
            region: "eu-west-1".to_owned(),
            owner: "123456789012".to_owned(),
            hosts: Vec::new(),
            reserved: RESERVED.to_owned(),
        };
        let service = Service::new(blobs, settings);
        Self { service, _directory: directory }
    }

    async fn with_bucket() -> Self {
        let fixture = Self::new().await;
        assert_eq!(fixture.send("PUT", "/bkt", &[], b"").await.status, 200);
        fixture
    }

    async fn call(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        payload: Payload,
        access: Access,
    ) -> Answer {
        let mut request =
            hyper::Request::builder().method(method).uri(target).header("host", "127.0.0.1:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let chunks = payload.is_chunked().then(chain).flatten();
        let request_id = "r-1".to_owned();
        let call = Call { request, payload, chunks, access, request_id };
        let handled = self.service.handle(call).await;
        let (parts, body) = handled.reply.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.call(method, target, headers, body, Payload::of(body), all()).await
    }
}

/// Permits the actions, on resources that begin with one of the prefixes.
#[derive(Debug)]
struct Only {
    actions: &'static [&'static str],
    prefixes: &'static [&'static str],
}

impl Permit for Only {
    fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        let fits = |list: &[&str], text: &str| list.iter().any(|start| text.starts_with(start));
        match fits(self.actions, action) && fits(self.prefixes, resource) {
            true => Ok(()),
            false => Err(ApiError::new("AccessDenied", 403, format!("{action} on {resource}"))),
        }
    }

    fn forbids(&self, _: &str, _: &str) -> bool {
        false
    }
}

fn only(actions: &'static [&'static str], prefixes: &'static [&'static str]) -> Access {
    Access::Permitted(Arc::new(Only { actions, prefixes }))
}

fn all() -> Access {
    only(&[""], &[""])
}

fn chain() -> Option<ChunkChain> {
    let credentials = Credentials {
        access_key_id: "AKID".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
    };
    let signer = Signer { credentials: &credentials, region: "r", service: "s3", now_ms: 0 };
    let request = marram_aws::sigv4::Request {
        method: "PUT",
        path: "/bkt/k",
        query: "",
        headers: &[("host", "h")],
    };
    let (_, claim) = signer.sign_claim(&request, &Payload::SignedChunks);
    claim.chunk_chain(&KnownKey { secret_access_key: "secret", session: None })
}

#[tokio::test]
async fn a31_a_chunked_body_with_a_trailer_is_stored_decoded() {
    let s3 = Fixture::with_bucket().await;
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-meta-colour", "green"),
        ("content-type", "text/plain"),
    ];
    let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let put = |body: Vec<u8>| {
        let (s3, headers) = (&s3, &headers);
        async move { s3.call("PUT", "/bkt/k", headers, &body, Payload::UnsignedTrailer, all()).await }
    };
    let answer = put(body.to_vec()).await;
    assert_eq!((answer.status, answer.header("x-amz-checksum-crc32")), (200, "NhCmhg=="));

    let got = s3.send("GET", "/bkt/k", &[("x-amz-checksum-mode", "ENABLED")], b"").await;
    assert_eq!((got.status, got.body.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(got.header("content-encoding"), "");
    assert_eq!(got.header("content-type"), "text/plain");
    assert_eq!(got.header("x-amz-meta-colour"), "green");
    assert_eq!(got.header("x-amz-checksum-crc32"), "NhCmhg==");
    assert_eq!(got.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");

    let damaged = put(body.iter().map(|b| if *b == b'e' { b'E' } else { *b }).collect()).await;
    assert_eq!((damaged.status, damaged.code().as_str()), (400, "BadDigest"));
    let short = put(b"4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n".to_vec()).await;
    assert_eq!((short.status, short.code().as_str()), (400, "IncompleteBody"));
    let without = put(b"5\r\nhello\r\n0\r\n\r\n".to_vec()).await;
    assert_eq!(without.code(), "MalformedTrailerError");
    assert_eq!(s3.send("GET", "/bkt/k", &[], b"").await.body, b"hello");
}

#[tokio::test]
async fn signed_chunks_are_stored_only_when_all_signatures_hold() {
    let s3 = Fixture::with_bucket().await;
    let mut signatures = chain().unwrap();
    let first = signatures.sign_chunk(&sha256_hex(b"hello"));
    let last = signatures.sign_chunk(&sha256_hex(b""));
    let body = format!("5;chunk-signature={first}\r\nhello\r\n0;chunk-signature={last}\r\n\r\n");
    let put = |body: String| {
        let s3 = &s3;
        async move {
            let payload = Payload::SignedChunks;
            s3.call("PUT", "/bkt/k", &[], body.as_bytes(), payload, all()).await
        }
    };
    let forged = put(body.replace("hello", "jello")).await;
    assert_eq!((forged.status, forged.code().as_str()), (403, "SignatureDoesNotMatch"));
    assert_eq!(s3.send("HEAD", "/bkt/k", &[], b"").await.status, 404);
    assert_eq!(put(body).await.status, 200);
    assert_eq!(s3.send("GET", "/bkt/k", &[], b"").await.body, b"hello");
}

#[tokio::test]
async fn bodies_that_are_not_what_was_announced_are_refused() {
    let s3 = Fixture::with_bucket().await;
    let md5 = STANDARD.encode([0; 16]);
    for (header, value, code) in [
        ("content-md5", md5.as_str(), "BadDigest"),
        ("content-md5", "short", "InvalidDigest"),
        ("x-amz-checksum-sha256", "AAAA", "BadDigest"),
        ("content-length", "6", "IncompleteBody"),
        ("content-length", "six", "InvalidArgument"),
        ("if-match", "\"x\"", "NotImplemented"),
    ] {
        let answer = s3.send("PUT", "/bkt/k", &[(header, value)], b"hello").await;
        assert_eq!(answer.code(), code, "{header}: {value}");
    }
    let other = Payload::of(b"other");
    let answer = s3.call("PUT", "/bkt/k", &[], b"hello", other, all()).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "XAmzContentSHA256Mismatch"));
    assert_eq!(s3.send("GET", "/bkt/k", &[], b"").await.code(), "NoSuchKey");
    let unknown = [("x-amz-checksum-xxhash64", "AAAA"), ("if-none-match", "*")];
    assert_eq!(s3.send("PUT", "/bkt/k", &unknown, b"hello").await.status, 200);
    let again = s3.send("PUT", "/bkt/k", &[("if-none-match", "*")], b"other").await;
    assert_eq!((again.status, again.code().as_str()), (412, "PreconditionFailed"));
}

#[tokio::test]
async fn a30_ranges_and_conditions() {
    let s3 = Fixture::with_bucket().await;
    s3.send("PUT", "/bkt/k", &[], b"0123456789").await;
    let part = s3.send("GET", "/bkt/k", &[("range", "bytes=2-5")], b"").await;
    assert_eq!((part.status, part.body.as_slice()), (206, b"2345".as_slice()));
    assert_eq!(part.header("content-range"), "bytes 2-5/10");
    let head = s3.send("HEAD", "/bkt/k", &[("range", "bytes=2-5")], b"").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (206, "4", 0));
    let none = s3.send("GET", "/bkt/k", &[("range", "bytes=10-")], b"").await;
    assert_eq!((none.status, none.code().as_str()), (416, "InvalidRange"));
    assert_eq!(none.header("content-range"), "bytes */10");

    let etag = part.header("etag");
    let modified = part.header("last-modified");
    assert_eq!(modified, "Fri, 02 Jan 2026 03:04:05 GMT");
    for (header, value, status) in [
        ("if-none-match", etag, 304),
        ("if-none-match", "\"x\", *", 304),
        ("if-none-match", "\"x\"", 200),
        ("if-match", etag, 200),
        ("if-match", "\"x\"", 412),
        ("if-modified-since", modified, 304),
        ("if-modified-since", "Fri, 02 Jan 2026 03:04:04 GMT", 200),
        ("if-unmodified-since", modified, 200),
        ("if-unmodified-since", "Fri, 02 Jan 2026 03:04:04 GMT", 412),
    ] {
        let answer = s3.send("GET", "/bkt/k", &[(header, value)], b"").await;
        assert_eq!(answer.status, status, "{header}: {value}");
        assert_eq!(answer.body.is_empty(), status == 304);
    }
}

#[tokio::test]
async fn buckets_are_listed_found_and_located() {
    let s3 = Fixture::with_bucket().await;
    let list = s3.send("GET", "/", &[], b"").await;
    assert!(list.text().contains("<Name>bkt</Name>"), "{}", list.text());
    assert_eq!(s3.send("HEAD", "/bkt", &[], b"").await.status, 200);
    let missing = s3.send("HEAD", "/nope", &[], b"").await;
    assert_eq!((missing.status, missing.body.len()), (404, 0));
    let location = s3.send("GET", "/bkt?location", &[], b"").await;
    assert!(location.text().contains(">eu-west-1</LocationConstraint>"));
    let again = s3.send("PUT", "/bkt", &[], b"").await;
    assert_eq!((again.status, again.code().as_str()), (409, "BucketAlreadyOwnedByYou"));
    assert_eq!(s3.send("PUT", "/..%2Fx", &[], b"").await.code(), "InvalidBucketName");
    assert_eq!(s3.send("DELETE", "/bkt", &[], b"").await.status, 204);
}

#[tokio::test]
async fn listings_page_by_token_and_by_marker() {
    let s3 = Fixture::with_bucket().await;
    for key in ["a", "d/1", "d/2", "e%20f"] {
        s3.send("PUT", &format!("/bkt/{key}"), &[], b"x").await;
    }
    let read = |body: &[u8]| marram_aws::xml::parse(body).unwrap();
    let mut seen = Vec::new();
    let mut target = "/bkt?list-type=2&delimiter=%2F&max-keys=1&encoding-type=url".to_owned();
    loop {
        let page = read(&s3.send("GET", &target, &[], b"").await.body);
        assert_eq!(page.child_text("KeyCount"), Some("1"));
        seen.extend(page.all("Contents").map(|c| c.child_text("Key").unwrap().to_owned()));
        seen.extend(page.all("CommonPrefixes").map(|c| c.child_text("Prefix").unwrap().to_owned()));
        let Some(token) = page.child_text("NextContinuationToken") else { break };
        let token = marram_aws::sigv4::percent_encode(token.as_bytes(), false);
        target = format!(
            "/bkt?list-type=2&delimiter=%2F&max-keys=1&encoding-type=url&continuation-token={token}"
        );
    }
    assert_eq!(seen, ["a", "d/", "e%20f"]);
    let page = read(&s3.send("GET", "/bkt?marker=d/1&prefix=d", &[], b"").await.body);
    assert_eq!(page.all("Contents").count(), 1);
    let wrong = s3.send("GET", "/bkt?list-type=2&continuation-token=%21", &[], b"").await;
    assert_eq!(wrong.code(), "InvalidArgument");
}

#[tokio::test]
async fn several_objects_are_deleted_at_once() {
    let s3 = Fixture::with_bucket().await;
    s3.send("PUT", "/bkt/a", &[], b"x").await;
    let body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>";
    let answer = s3.send("POST", "/bkt?delete", &[], body).await;
    assert_eq!(answer.text().matches("<Deleted>").count(), 2);
    assert_eq!(s3.send("HEAD", "/bkt/a", &[], b"").await.status, 404);
    assert_eq!(s3.send("POST", "/bkt?delete", &[], b"<No/>").await.code(), "MalformedXML");
}

#[tokio::test]
async fn copies_keep_or_replace_what_is_said_about_them() {
    let s3 = Fixture::with_bucket().await;
    s3.send("PUT", "/bkt/a%20b", &[("x-amz-meta-v", "1")], b"hello").await;
    let copy = [("x-amz-copy-source", "bkt/a%20b")];
    assert!(s3.send("PUT", "/bkt/c", &copy, b"").await.text().contains("<CopyObjectResult"));
    assert_eq!(s3.send("HEAD", "/bkt/c", &[], b"").await.header("x-amz-meta-v"), "1");
    let replace = [
        ("x-amz-copy-source", "/bkt/a%20b"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-v", "2"),
    ];
    assert_eq!(s3.send("PUT", "/bkt/c", &replace, b"").await.status, 200);
    assert_eq!(s3.send("HEAD", "/bkt/c", &[], b"").await.header("x-amz-meta-v"), "2");
    let missing = s3.send("PUT", "/bkt/c", &[("x-amz-copy-source", "/bkt/no")], b"").await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "NoSuchKey"));
}

#[tokio::test]
async fn an_upload_in_parts_from_begin_to_end() {
    let s3 = Fixture::with_bucket().await;
    let begun = s3.send("POST", "/bkt/big?uploads", &[("content-type", "a/b")], b"").await;
    let id = marram_aws::xml::parse(&begun.body).unwrap();
    let id = id.child_text("UploadId").unwrap();
    s3.send("PUT", "/bkt/source", &[], b"0123456789").await;
    let first = vec![b'x'; 5 * 1024 * 1024];
    let one = s3.send("PUT", &format!("/bkt/big?partNumber=1&uploadId={id}"), &[], &first).await;
    let copy = [("x-amz-copy-source", "/bkt/source"), ("x-amz-copy-source-range", "bytes=3-5")];
    let two = s3.send("PUT", &format!("/bkt/big?partNumber=2&uploadId={id}"), &copy, b"").await;
    let two = marram_aws::xml::parse(&two.body).unwrap();

    let parts = s3.send("GET", &format!("/bkt/big?uploadId={id}&max-parts=1"), &[], b"").await;
    assert!(parts.text().contains("<IsTruncated>true</IsTruncated>"), "{}", parts.text());
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         <Part><PartNumber>2</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        one.header("etag"),
        two.child_text("ETag").unwrap()
    );
    let target = format!("/bkt/big?uploadId={id}");
    let done = s3.send("POST", &target, &[], body.as_bytes()).await;
    assert!(done.text().contains("-2&quot;</ETag>"), "{}", done.text());
    let tail = s3.send("GET", "/bkt/big", &[("range", "bytes=-4")], b"").await;
    assert_eq!((tail.body.as_slice(), tail.header("content-type")), (b"x345".as_slice(), "a/b"));
    let again = s3.send("POST", &target, &[], body.as_bytes()).await;
    assert_eq!((again.status, again.code().as_str()), (404, "NoSuchUpload"));
    let zero = s3.send("PUT", &format!("/bkt/big?partNumber=x&uploadId={id}"), &[], b"").await;
    assert_eq!(zero.code(), "InvalidArgument");
}

#[tokio::test]
async fn each_operation_needs_its_action_on_its_resource() {
    let s3 = Fixture::with_bucket().await;
    s3.send("PUT", "/bkt/k", &[], b"x").await;
    let source: &[(&str, &str)] = &[("x-amz-copy-source", "/bkt/k")];
    for (method, target, headers, action, resource) in [
        ("GET", "/", &[][..], "s3:ListAllMyBuckets", "*"),
        ("PUT", "/new", &[], "s3:CreateBucket", "arn:aws:s3:::new"),
        ("HEAD", "/bkt", &[], "s3:ListBucket", "arn:aws:s3:::bkt"),
        ("HEAD", "/bkt", &[], "s3:GetBucketLocation", "arn:aws:s3:::bkt"),
        ("GET", "/bkt?location", &[], "s3:GetBucketLocation", "arn:aws:s3:::bkt"),
        ("GET", "/bkt", &[], "s3:ListBucket", "arn:aws:s3:::bkt"),
        ("GET", "/bkt?list-type=2", &[], "s3:ListBucket", "arn:aws:s3:::bkt"),
        ("HEAD", "/bkt/k", &[], "s3:GetObject", "arn:aws:s3:::bkt/k"),
        ("GET", "/bkt/k", &[], "s3:GetObject", "arn:aws:s3:::bkt/k"),
        ("PUT", "/bkt/a%20b", &[], "s3:PutObject", "arn:aws:s3:::bkt/a b"),
        ("POST", "/bkt/k?uploads", &[], "s3:PutObject", "arn:aws:s3:::bkt/k"),
        ("DELETE", "/bkt/none?uploadId=1", &[], "s3:AbortMultipartUpload", "arn:aws:s3:::bkt/none"),
        ("GET", "/bkt/k?uploadId=1", &[], "s3:ListMultipartUploadParts", "arn:aws:s3:::bkt/k"),
        ("DELETE", "/bkt/none", &[], "s3:DeleteObject", "arn:aws:s3:::bkt/none"),
        ("DELETE", "/new", &[], "s3:DeleteBucket", "arn:aws:s3:::new"),
    ] {
        let action: &'static [&'static str] = vec![action].leak();
        let resource: &'static [&'static str] = vec![resource].leak();
        for (access, may) in [
            (only(action, resource), true),
            (only(action, &["arn:aws:s3:::other"]), false),
            (only(&["s3:Other"], resource), false),
        ] {
            let answer = s3.call(method, target, headers, b"", Payload::of(b""), access).await;
            assert_eq!(answer.status != 403, may, "{action:?} for {method} {target}");
        }
    }
    let copy = |access| s3.call("PUT", "/bkt/copy", source, b"", Payload::of(b""), access);
    assert_eq!(copy(only(&["s3:PutObject"], &[""])).await.status, 403, "it reads too");
    assert_eq!(copy(only(&["s3:PutObject", "s3:GetObject"], &[""])).await.status, 200);
}

#[tokio::test]
async fn each_key_of_a_deletion_is_judged_by_itself() {
    let s3 = Fixture::with_bucket().await;
    for target in ["/bkt/mine/a", "/bkt/yours/a"] {
        s3.send("PUT", target, &[], b"x").await;
    }
    let body =
        "<Delete><Object><Key>mine/a</Key></Object><Object><Key>yours/a</Key></Object></Delete>";
    let access = only(&["s3:DeleteObject"], &["arn:aws:s3:::bkt/mine/"]);
    let payload = Payload::of(body.as_bytes());
    let done = s3.call("POST", "/bkt?delete", &[], body.as_bytes(), payload, access).await;
    let text = done.text();
    assert!(text.contains("<Deleted><Key>mine/a</Key>"), "{text}");
    assert!(text.contains("<Key>yours/a</Key><Code>AccessDenied</Code>"), "{text}");
    assert_eq!(s3.send("GET", "/bkt/yours/a", &[], b"").await.status, 200);
}

#[tokio::test]
async fn the_reserved_bucket_is_there_for_the_clouds_own_urls_only() {
    let s3 = Fixture::with_bucket().await;
    s3.send("PUT", "/bkt/k", &[], b"hello").await;
    s3.service.blobs.create_bucket(RESERVED).await.unwrap();
    s3.service.blobs.copy(("bkt", "k"), (RESERVED, "id/a.zip"), None).await.unwrap();
    let all = s3.send("GET", "/", &[], b"").await;
    assert!(all.text().contains("bkt") && !all.text().contains(RESERVED), "{}", all.text());
    let made = s3.send("PUT", &format!("/{RESERVED}"), &[], b"").await;
    assert_eq!((made.status, made.code().as_str()), (409, "BucketAlreadyExists"));

    let (bucket, object) = (format!("/{RESERVED}"), format!("/{RESERVED}/id/a.zip"));
    for (method, target) in [
        ("GET", object.clone()),
        ("PUT", object.clone()),
        ("GET", format!("{bucket}?location")),
        ("POST", format!("{object}?uploads")),
    ] {
        let answer = s3.send(method, &target, &[], b"x").await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "NoSuchBucket"), "{target}");
    }
    let source = [("x-amz-copy-source", object.as_str())];
    let copied = s3.send("PUT", "/bkt/copy", &source, b"").await;
    assert_eq!((copied.status, copied.code().as_str()), (404, "NoSuchBucket"));
    for (method, target) in [
        ("GET", format!("{bucket}?list-type=2")),
        ("POST", format!("{bucket}?delete")),
        ("DELETE", object.clone()),
        ("DELETE", bucket.clone()),
    ] {
        assert_eq!(s3.send(method, &target, &[], b"").await.code(), "NoSuchBucket", "{target}");
    }

    let by_url = |method: &'static str, target: String| {
        let s3 = &s3;
        async move { s3.call(method, &target, &[], b"", Payload::of(b""), Access::Reserved).await }
    };
    let got = by_url("GET", object.clone()).await;
    assert_eq!((got.status, got.text()), (200, "hello"));
    for (method, target) in [
        ("PUT", object.clone()),
        ("DELETE", object),
        ("GET", format!("{bucket}?list-type=2")),
        ("GET", "/bkt/k".to_owned()),
        ("GET", "/".to_owned()),
    ] {
        let answer = by_url(method, target.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"), "{target}");
    }
}
