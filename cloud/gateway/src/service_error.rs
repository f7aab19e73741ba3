//! Errors as device HTTP carries them.

use hyper::header::HeaderValue;
use marram_aws::ApiError;
use marram_http::StatusCode;
use marram_http::server::{ReadBody, Reply, reply};

/// The rest-json envelope: header, status and body tell the same.
pub(crate) fn error_reply(error: &ApiError) -> Reply {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = reply(status, "application/json", error.rest_json_body().to_string());
    reply.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(error.code));
    reply
}

pub(crate) fn access_denied(reason: impl std::fmt::Display) -> ApiError {
    ApiError::access_denied(format!("Access Denied: {reason}"))
}

pub(crate) fn unreadable(error: &ReadBody) -> ApiError {
    match error {
        ReadBody::TooLarge { .. } => {
            ApiError::new("RequestEntityTooLargeException", 413, error.to_string())
        }
        ReadBody::Deadline { .. } | ReadBody::Interrupted(_) => {
            ApiError::new("RequestTimeoutException", 408, error.to_string())
        }
    }
}
