//! Answers and errors in the envelope of each protocol.

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use marram_aws::query::{STS_NAMESPACE, error_response};
use marram_aws::s3::error_body;
use marram_aws::sigv4::Family;
use marram_aws::{ApiError, iam};
use marram_http::server::{Reply, reply};
use serde::Serialize;

const JSON: &str = "application/json";
const XML: &str = "text/xml";
/// What `Retry-After` asks for, in seconds.
const RETRY_AFTER_S: &str = "1";

/// What an operation answers with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A JSON body; 204 has none.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Result<Self, ApiError> {
        if status == 204 {
            return Ok(Self { status, content_type: "", body: Bytes::new() });
        }
        let body = serde_json::to_vec(value)
            .map_err(|error| ApiError::internal(format!("the answer has no JSON form: {error}")))?;
        Ok(Self { status, content_type: JSON, body: body.into() })
    }

    /// An XML document.
    pub(crate) fn xml(body: String) -> Self {
        Self { status: 200, content_type: XML, body: body.into() }
    }

    pub(crate) fn into_reply(self, request_id: &str) -> Reply {
        let mut answer = reply(status(self.status), self.content_type, self.body);
        set(answer.headers_mut(), "x-amzn-requestid", request_id);
        answer
    }
}

/// What an error's envelope says beside the error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) family: Family,
    pub(crate) service: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
}

/// The error as clients of the family read it: rest-json takes the code from the header
/// `x-amzn-ErrorType`, the others from the body.
pub(crate) fn refuse(error: &ApiError, about: About<'_>) -> Reply {
    let error = &error.clone().named_for(about.service);
    let status = status(error.status);
    let mut answer = match about.family {
        Family::Json => reply(status, JSON, error.rest_json_body().to_string()),
        Family::Query => {
            let namespace = if about.service == "iam" { iam::NAMESPACE } else { STS_NAMESPACE };
            reply(status, XML, error_response(error, namespace, about.request_id))
        }
        Family::S3 if about.method == Method::HEAD => reply(status, "", Bytes::new()),
        Family::S3 => {
            reply(status, "application/xml", error_body(error, about.path, about.request_id))
        }
    };
    let headers = answer.headers_mut();
    if about.family == Family::S3 {
        set(headers, "x-amz-request-id", about.request_id);
        set(headers, "x-amz-id-2", about.request_id);
    } else {
        set(headers, "x-amzn-requestid", about.request_id);
        set(headers, "x-amzn-errortype", error.code);
    }
    if matches!(error.status, 429 | 500 | 503) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    answer
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
