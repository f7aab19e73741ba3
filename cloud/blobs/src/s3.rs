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
mod permission;
mod range;
mod receive;
mod refusal;
mod target;

use std::fmt;
use std::sync::Arc;

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

use crate::{AccessBlob, Blobs};
use operation::{Level, Operation};
use receive::Intake;
use target::Target;

const XML: &str = "application/xml";

/// Decides what a caller may do.
pub trait Permit: Send + Sync + fmt::Debug {
    /// Whether the caller may do `action` (`s3:GetObject`) to `resource` (`arn:aws:s3:::bucket/key`,
    /// or `*`).
    ///
    /// # Errors
    /// It may not; the error is the answer.
    fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError>;

    /// Whether the caller is forbidden it, rather than merely not allowed.
    fn forbids(&self, action: &str, resource: &str) -> bool;
}

/// What the caller may do, decided from who signed.
#[derive(Debug, Clone)]
pub enum Access {
    /// What is permitted, but for the reserved bucket.
    Permitted(Arc<dyn Permit>),
    /// Reading objects of the reserved bucket, and nothing else. For URLs that the cloud signs.
    Reserved,
}

/// What an endpoint is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The region it stands in.
    pub region: String,
    /// The account that its buckets belong to.
    pub owner: String,
    /// Its own names, without port: in `<bucket>.<host>` what stands before one of them is a
    /// bucket. `localhost` and `*.amazonaws.com` need not be among them.
    pub hosts: Vec<String>,
    /// The bucket that belongs to the cloud itself: who has not [`Access::Reserved`] finds none
    /// of this name, and cannot make one.
    pub reserved: String,
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
    settings: Settings,
}

/// An answer, and what it answers.
#[derive(Debug)]
pub struct Handled {
    /// The answer.
    pub reply: Reply,
    /// The operation's name, if the request is one.
    pub operation: Option<String>,
    /// The ARN of what it is about.
    pub resource: String,
}

impl Service {
    /// An endpoint over the store.
    pub fn new(blobs: Blobs, settings: Settings) -> Self {
        Self { blobs, settings }
    }

    /// Answers one request. Errors are answers too.
    pub async fn handle<B>(&self, call: Call<B>) -> Handled
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let (parts, body) = call.request.into_parts();
        let head = parts.method == Method::HEAD;
        let path = parts.uri.path();
        let intake = Intake { body, payload: call.payload, chunks: call.chunks };
        let (answered, operation, resource) = match self.read(&parts, &call.access) {
            Ok((operation, request)) => {
                let resource = request.target.arn();
                let answered = request.answer(operation, intake).await;
                (answered, Some(format!("{operation:?}")), resource)
            }
            Err(error) => (Err(error), None, "*".to_owned()),
        };
        let mut reply =
            answered.unwrap_or_else(|error| refuse(&error, path, &call.request_id, head));
        set(reply.headers_mut(), "x-amz-request-id", &call.request_id);
        set(reply.headers_mut(), "x-amz-id-2", &call.request_id);
        Handled { reply, operation, resource }
    }

    /// What a request asks for, and of what.
    fn read<'r>(
        &'r self,
        parts: &'r Parts,
        access: &'r Access,
    ) -> Result<(Operation, Request<'r>), ApiError> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let target = Target::parse(host, parts.uri.path(), &self.settings.hosts)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let copies = parts.headers.contains_key("x-amz-copy-source");
        let operation = Operation::of(&parts.method, target.level(), &query, copies)?;
        Ok((operation, Request { service: self, access, headers: &parts.headers, query, target }))
    }

    /// Answers for the reserved bucket as if it were not there.
    fn check_not_reserved(&self, bucket: &str) -> Result<(), ApiError> {
        if bucket == self.settings.reserved {
            return Err(AccessBlob::NoSuchBucket(bucket.to_owned()).into());
        }
        Ok(())
    }
}

/// What every operation reads.
struct Request<'a> {
    service: &'a Service,
    access: &'a Access,
    headers: &'a HeaderMap,
    query: Query,
    target: Target,
}

impl Request<'_> {
    async fn answer<B>(&self, operation: Operation, intake: Intake<B>) -> Result<Reply, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        self.check_permission(operation)?;
        match self.target.level() {
            Level::Object => self.on_object(operation, intake).await,
            Level::Bucket | Level::Service => self.on_bucket(operation, intake).await,
        }
    }

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
