//! S3's protocol over [`Blobs`]: what the AWS CLI, SDKs, GDK and nuclei need of it.
//!
//! Our own handler rather than a framework, because it is small and streams. The caller has
//! verified the signature and says what the body must match; bucket policies, versions, ACLs and
//! the other sub-resources are not there, and asking for one answers `NotImplemented` rather than
//! being taken for the object itself.

mod attributes;
mod buckets;
mod checksum;
mod objects;
mod operation;
mod parts;
mod range;
mod receive;
mod refusal;
mod target;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use marram_aws::ApiError;
use marram_aws::route::parse_query;
use marram_aws::s3::error_body;
use marram_aws::sigv4::{ChunkChain, Payload};
use marram_http::server::{Reply, reply};

use crate::Blobs;
use operation::{Level, Operation};
use receive::Intake;
use target::Target;

const XML: &str = "application/xml";

/// What the caller may do, decided from who signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything, also making and removing buckets.
    All,
    /// Reading and writing objects, and finding a bucket. For temporary keys of devices.
    Objects,
}

/// One request whose signature was verified.
#[derive(Debug)]
pub struct Call<B> {
    /// The request as it came, raw path and all.
    pub request: hyper::Request<B>,
    /// What the signature says of the body.
    pub payload: Payload,
    /// The chain that signed chunks are checked in.
    pub chunks: Option<ChunkChain>,
    /// What the caller may do.
    pub access: Access,
    /// The id that the answer carries.
    pub request_id: String,
}

/// The endpoint. Clones share the store.
#[derive(Debug, Clone)]
pub struct Service {
    blobs: Blobs,
    region: String,
    owner: String,
    hosts: Vec<String>,
}

impl Service {
    /// An endpoint in `region` whose buckets belong to the account `owner`. `hosts` are its own
    /// names, without port: in `<bucket>.<host>` what stands before one of them is a bucket.
    /// `localhost` and `*.amazonaws.com` need not be among them.
    pub fn new(blobs: Blobs, region: String, owner: String, hosts: Vec<String>) -> Self {
        Self { blobs, region, owner, hosts }
    }

    /// Answers one request. Errors are answers too.
    pub async fn handle<B>(&self, call: Call<B>) -> Reply
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let (parts, body) = call.request.into_parts();
        let head = parts.method == Method::HEAD;
        let path = parts.uri.path().to_owned();
        let intake = Intake { body, payload: call.payload, chunks: call.chunks };
        let mut answer = match self.answer(&parts, intake, call.access).await {
            Ok(answer) => answer,
            Err(error) => refuse(&error, &path, &call.request_id, head),
        };
        set(answer.headers_mut(), "x-amz-request-id", &call.request_id);
        set(answer.headers_mut(), "x-amz-id-2", &call.request_id);
        answer
    }

    async fn answer<B>(
        &self,
        parts: &Parts,
        intake: Intake<B>,
        access: Access,
    ) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let target = Target::parse(host, parts.uri.path(), &self.hosts)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let copies = parts.headers.contains_key("x-amz-copy-source");
        let operation = Operation::of(&parts.method, target.level(), &query, copies)?;
        if access == Access::Objects && !operation.is_for_objects() {
            return Err(ApiError::new(
                "AccessDenied",
                403,
                format!("temporary credentials of a device may not call {operation:?}"),
            ));
        }
        let request = Request { service: self, headers: &parts.headers, query: &query, target };
        match request.target.level() {
            Level::Object => request.on_object(operation, intake).await,
            Level::Bucket | Level::Service => request.on_bucket(operation, intake).await,
        }
    }
}

/// What every operation reads.
struct Request<'a> {
    service: &'a Service,
    headers: &'a HeaderMap,
    query: &'a Query,
    target: Target,
}

impl Request<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The decoded query.
#[derive(Debug, Default)]
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(raw: &str) -> Result<Self, ApiError> {
        let pairs = parse_query(raw)
            .map_err(|error| ApiError::new("InvalidURI", 400, format!("in the query {error}")))?;
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A number not above `most`; `default` when it is absent.
    fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else {
            return Ok(default);
        };
        let number = text.parse::<usize>().map_err(|_| {
            refusal::argument(&format!("`{name}` is `{text}`: give a number from 0 to {most}"))
        })?;
        Ok(number.min(most))
    }
}

/// The answer that carries an error; that of a HEAD request has no body.
fn refuse(error: &ApiError, resource: &str, request_id: &str, head: bool) -> Reply {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = if head || error.status == 304 {
        reply(status, "", Bytes::new())
    } else {
        reply(status, XML, error_body(error, resource, request_id))
    };
    for (name, value) in &error.members {
        set(answer.headers_mut(), name, value.as_str().unwrap_or_default());
    }
    answer
}

fn xml(body: String) -> Reply {
    reply(StatusCode::OK, XML, body)
}

fn empty(status: StatusCode) -> Reply {
    reply(status, "", Bytes::new())
}

/// Sets a header; a value that no header can carry is left out.
fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        headers.insert(name, value);
    }
}

/// As [`set`], for the type of a body.
fn set_type(headers: &mut HeaderMap, value: &str) {
    set(headers, CONTENT_TYPE.as_str(), value);
}

#[cfg(test)]
mod tests;
