//! The client: bounded exchanges and resumable downloads.

mod download;
mod request;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

pub use download::Download;
pub use request::Request;

/// How long a TCP connection may take to open, per address of the host.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long an unused connection is kept; shorter than the 60 s after which servers close it.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_PER_HOST: usize = 2;

/// An HTTP client; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most as long as the request allowed.
    pub body: Bytes,
}

impl Response {
    /// A header's value as text, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why an exchange failed. Messages show a URL without its query, which may carry a signature.
#[derive(Debug, thiserror::Error)]
pub enum SendRequest {
    /// The request cannot be written on the wire.
    #[error("`{url}` cannot be requested: give an absolute http or https URL and plain headers")]
    Invalid {
        /// The URL without its query.
        url: String,
        /// What is wrong with it.
        #[source]
        source: hyper::http::Error,
    },
    /// No connection: name not found, refused, or TLS not agreed.
    #[error("could not connect to `{url}`")]
    Connect {
        /// The URL without its query.
        url: String,
        /// Why not.
        #[source]
        source: legacy::Error,
    },
    /// The connection failed under the exchange.
    #[error("the exchange with `{url}` failed")]
    Exchange {
        /// The URL without its query.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The deadline passed.
    #[error("`{url}` did not answer within {} ms", after.as_millis())]
    Deadline {
        /// The URL without its query.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The body is longer than the request allows.
    #[error("the answer of `{url}` is longer than {limit} bytes")]
    BodyTooLarge {
        /// The URL without its query.
        url: String,
        /// The request's limit in bytes.
        limit: usize,
    },
    /// A download was answered with another status than 200 or 206.
    #[error("`{url}` answered {status}: {}", String::from_utf8_lossy(body))]
    Status {
        /// The URL without its query.
        url: String,
        /// The status.
        status: StatusCode,
        /// The start of the answer's body.
        body: Bytes,
    },
}

impl SendRequest {
    /// Whether the same request may succeed later: the network or the server is at fault.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Exchange { .. } | Self::Deadline { .. } => true,
            Self::Status { status, .. } => is_transient_status(*status),
            Self::Invalid { .. } | Self::BodyTooLarge { .. } => false,
        }
    }
}

/// Whether a status asks for another attempt: 408, 429 and every 5xx.
pub fn is_transient_status(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
}

impl Client {
    /// A client with its own TLS configuration. Without one, every `https` URL is refused, since
    /// there is no authority to trust.
    ///
    /// ALPN is left out: every HTTPS server of AWS speaks HTTP/1 to a client that does not ask.
    pub fn new(tls: Option<rustls::ClientConfig>) -> Self {
        let mut tls = tls.unwrap_or_else(marram_tls::client_config_without_roots);
        tls.alpn_protocols.clear();
        tls.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_DEADLINE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
            .build(connector);
        Self { inner }
    }

    /// One exchange: the whole answer within the request's deadline and body limit, whatever its
    /// status.
    pub async fn send(&self, request: Request) -> Result<Response, SendRequest> {
        let url = request.shown_url();
        let (deadline, limit) = (request.deadline, request.max_body);
        let exchange = async {
            let (head, body) = self.start(request, &url).await?.into_parts();
            let body = match Limited::new(body, limit).collect().await {
                Ok(body) => body.to_bytes(),
                Err(source) if source.is::<LengthLimitError>() => {
                    return Err(SendRequest::BodyTooLarge { url: url.clone(), limit });
                }
                Err(source) => return Err(SendRequest::Exchange { url: url.clone(), source }),
            };
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        timeout(deadline, exchange)
            .await
            .unwrap_or_else(|_| Err(SendRequest::Deadline { url: url.clone(), after: deadline }))
    }

    /// Starts to download from byte `from_byte` on. The request's deadline holds for the answer's
    /// head and then for each piece of the body; its body limit for the whole body.
    ///
    /// A server that ignores the range starts at the beginning: see [`Download::starts_at`].
    pub async fn download(
        &self,
        request: Request,
        from_byte: u64,
    ) -> Result<Download, SendRequest> {
        let url = request.shown_url();
        let deadline = request.deadline;
        let limit = request.max_body;
        let request = if from_byte == 0 {
            request
        } else {
            request.header("range", format!("bytes={from_byte}-"))
        };
        let answer = timeout(deadline, self.start(request, &url))
            .await
            .map_err(|_| SendRequest::Deadline { url: url.clone(), after: deadline })??;
        Download::begin(answer, Arc::from(url), deadline, limit).await
    }

    async fn start(
        &self,
        request: Request,
        url: &str,
    ) -> Result<hyper::Response<Incoming>, SendRequest> {
        let request = request
            .into_hyper()
            .map_err(|source| SendRequest::Invalid { url: url.to_owned(), source })?;
        self.inner.request(request).await.map_err(|source| {
            let url = url.to_owned();
            if source.is_connect() {
                SendRequest::Connect { url, source }
            } else {
                SendRequest::Exchange { url, source: Box::new(source) }
            }
        })
    }
}
