//! Bodies of requests, bounded; and of replies, whole or streamed.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::time::timeout;

/// The body of a reply.
pub type ReplyBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// What the server's function returns.
pub type Reply = Response<ReplyBody>;

/// Why a request's body could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadBody {
    /// Longer than allowed: answer 413.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It did not come in time: answer 408.
    #[error("the body did not arrive within {} ms", after.as_millis())]
    Deadline {
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("the body broke off")]
    Interrupted(#[source] Box<dyn Error + Send + Sync>),
}

/// Takes a whole body of at most `limit` bytes within `deadline`.
pub async fn read_body<B>(body: B, limit: usize, deadline: Duration) -> Result<Bytes, ReadBody>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    match timeout(deadline, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ReadBody::TooLarge { limit }),
        Ok(Err(error)) => Err(ReadBody::Interrupted(error)),
        Err(_) => Err(ReadBody::Deadline { after: deadline }),
    }
}

/// A reply with a whole body; no `Content-Type` header when `content_type` is empty.
pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).map_err(|e| match e {}).boxed_unsync());
    *reply.status_mut() = status;
    if !content_type.is_empty() {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    reply
}

/// A reply whose body is produced while it is sent.
pub fn streamed<B>(status: StatusCode, body: B) -> Reply
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut reply = Response::new(body.map_err(Into::into).boxed_unsync());
    *reply.status_mut() = status;
    reply
}
