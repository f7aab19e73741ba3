//! A body that is taken piece by piece and can be taken up again where it broke off.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Response, StatusCode, header};
use tokio::time::timeout;

use super::SendRequest;

/// How much of an error's body is kept for its message.
const ERROR_BODY: usize = 4096;

/// A download under way.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    url: Arc<str>,
    deadline: Duration,
    limit: usize,
    received: usize,
    starts_at: u64,
    total: Option<u64>,
}

impl Download {
    pub(super) async fn begin(
        answer: Response<Incoming>,
        url: Arc<str>,
        deadline: Duration,
        limit: usize,
    ) -> Result<Self, SendRequest> {
        let (head, body) = answer.into_parts();
        let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok());
        let length = text(header::CONTENT_LENGTH).and_then(|v| v.parse::<u64>().ok());
        let (starts_at, total) = match head.status {
            StatusCode::OK => (0, length),
            StatusCode::PARTIAL_CONTENT => {
                let (first, total) =
                    text(header::CONTENT_RANGE).and_then(parse_content_range).unwrap_or((0, None));
                (first, total.or_else(|| length.map(|length| first.saturating_add(length))))
            }
            status => {
                let body = timeout(deadline, Limited::new(body, ERROR_BODY).collect()).await;
                let body = match body {
                    Ok(Ok(body)) => body.to_bytes(),
                    _ => Bytes::new(),
                };
                return Err(SendRequest::Status { url: url.to_string(), status, body });
            }
        };
        Ok(Self { body, url, deadline, limit, received: 0, starts_at, total })
    }

    /// The offset of the first byte that comes: what was asked for, or 0 when the server sends the
    /// whole again.
    pub fn starts_at(&self) -> u64 {
        self.starts_at
    }

    /// The length of the whole object in bytes, when the server says it.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// The next piece, `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SendRequest> {
        loop {
            let frame = timeout(self.deadline, self.body.frame()).await.map_err(|_| {
                SendRequest::Deadline { url: self.url.to_string(), after: self.deadline }
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|source| SendRequest::Exchange {
                url: self.url.to_string(),
                source: Box::new(source),
            })?;
            let Ok(data) = frame.into_data() else { continue };
            self.received = self.received.saturating_add(data.len());
            if self.received > self.limit {
                return Err(SendRequest::BodyTooLarge {
                    url: self.url.to_string(),
                    limit: self.limit,
                });
            }
            return Ok(Some(data));
        }
    }
}

/// `bytes 100-199/200` or `bytes 100-199/*`: the first byte and the whole length.
fn parse_content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_gives_first_byte_and_length() {
        assert_eq!(parse_content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(parse_content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(parse_content_range("bytes */200"), None);
        assert_eq!(parse_content_range("lines 1-2/3"), None);
    }
}
