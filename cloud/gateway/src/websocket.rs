//! MQTT over WebSocket for browsers and apps, who have access keys and no certificates.
//!
//! `GET /mqtt` is signed for the service `iotdevicegateway` in its query, as browsers cannot set
//! headers. Who signed is the client, and may do everything there; so only keys with full access
//! are let in. Keys with an IAM policy and the temporary keys of devices are no way in: nothing
//! here would hold them to what they may do.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper_util::rt::TokioIo;
use marram_aws::ApiError;
use marram_aws::sigv4::{self, KnownKey, Session, sha256_hex};
use marram_broker::Broker;
use marram_http::StatusCode;
use marram_http::server::{Peer, Reply, Request, reply};
use marram_os::clock::SharedClock;
use marram_registry::{Permissions, Principal, Registry};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use crate::device::DeviceHandler;
use crate::service_error::{access_denied, error_reply};

/// The path of MQTT over WebSocket, AWS IoT's.
pub(crate) const PATH: &str = "/mqtt";

/// The signing name of MQTT over WebSocket.
const SERVICE: &str = "iotdevicegateway";

/// WebSockets at once.
const MAX_WEBSOCKETS: usize = 10_000;

/// The longest frame in bytes; packets larger than the broker takes end there.
const MAX_FRAME: usize = 256 * 1024;

/// What an idle WebSocket keeps for reading, in bytes.
const READ_BUFFER: usize = 4096;

/// Where WebSockets are opened.
#[derive(Debug)]
pub(crate) struct WebSockets {
    broker: Broker<DeviceHandler>,
    registry: Registry,
    clock: SharedClock,
    room: Arc<Semaphore>,
}

impl WebSockets {
    pub(crate) fn new(
        broker: Broker<DeviceHandler>,
        registry: Registry,
        clock: SharedClock,
    ) -> Self {
        Self { broker, registry, clock, room: Arc::new(Semaphore::new(MAX_WEBSOCKETS)) }
    }

    /// Answers the request for a WebSocket, and serves MQTT on it in a task of its own.
    pub(crate) async fn open(&self, mut request: Request, peer: &Peer) -> Reply {
        let key = match accept_key(request.headers()) {
            Ok(key) => key,
            Err(error) => return error_reply(&error),
        };
        let principal = match self.authenticate(&request).await {
            Ok(principal) => principal,
            Err(error) => {
                tracing::info!(address = %peer.address, %error, "a WebSocket was refused");
                return error_reply(&error);
            }
        };
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            let message = format!("there are {MAX_WEBSOCKETS} WebSockets already: try again later");
            return error_reply(&ApiError::new("ServiceUnavailableException", 503, message));
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let broker = self.broker.clone();
        let peer = marram_broker::Peer {
            address: peer.address,
            certificate: None,
            principal: Some(principal),
        };
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let config = WebSocketConfig::default()
                        .read_buffer_size(READ_BUFFER)
                        .write_buffer_size(0)
                        .max_frame_size(Some(MAX_FRAME))
                        .max_message_size(Some(MAX_FRAME));
                    let io = TokioIo::new(upgraded);
                    let socket =
                        WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                    broker.serve(Bytestream { socket, unread: Bytes::new() }, peer).await;
                }
                Err(error) => {
                    tracing::debug!(address = %peer.address, %error, "a WebSocket came to nothing");
                }
            }
            drop(place);
        });
        switching(&key)
    }

    /// Who signed; the text is the principal's ARN.
    async fn authenticate(&self, request: &Request) -> Result<Arc<str>, ApiError> {
        let headers: Vec<_> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)))
            .collect();
        let signed = sigv4::Request {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: &headers,
        };
        let claim = sigv4::parse(&signed).map_err(access_denied)?;
        if claim.scope.service != SERVICE {
            let service = &claim.scope.service;
            return Err(access_denied(format_args!(
                "signed for `{service}`: sign for `{SERVICE}`"
            )));
        }
        let id = &claim.access_key_id;
        let Some(key) = self.registry.principal_for_access_key(id).await? else {
            return Err(access_denied(format_args!("there is no access key `{id}`")));
        };
        let session = key.session.as_ref();
        let known = KnownKey {
            secret_access_key: &key.secret_access_key,
            session: session
                .map(|of| Session { token: &of.token, expires_at_ms: of.expires_at_ms }),
        };
        let body = sha256_hex(b"");
        sigv4::verify(&signed, &claim, &known, Some(&body), self.clock.now_ms())
            .map_err(access_denied)?;
        match (key.principal, key.permissions) {
            (Principal::User { arn }, Permissions::All) => Ok(arn.into()),
            (principal, _) => Err(access_denied(format_args!(
                "{} may not open a WebSocket: only a key with full access may",
                principal.arn()
            ))),
        }
    }
}

/// What the request's key becomes in the answer.
fn accept_key(headers: &HeaderMap) -> Result<String, ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let has = |name, word: &str| {
        let mut words = text(name).unwrap_or_default().split(',');
        words.any(|other| other.trim().eq_ignore_ascii_case(word))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err(ApiError::invalid_request(format!(
            "{PATH} is MQTT over WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`"
        )));
    }
    if text(SEC_WEBSOCKET_VERSION) != Some("13") || !has(SEC_WEBSOCKET_PROTOCOL, "mqtt") {
        return Err(ApiError::invalid_request(
            "use version 13 of WebSocket with the subprotocol `mqtt`".to_owned(),
        ));
    }
    let key = text(SEC_WEBSOCKET_KEY)
        .ok_or_else(|| ApiError::invalid_request("`Sec-WebSocket-Key` is missing".to_owned()))?;
    Ok(derive_accept_key(key.as_bytes()))
}

fn switching(key: &str) -> Reply {
    let mut reply = reply(StatusCode::SWITCHING_PROTOCOLS, "application/json", Vec::new());
    let headers = reply.headers_mut();
    headers.clear();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    reply
}

/// A WebSocket as a stream of bytes: MQTT's packets need not begin with a frame (MQTT 5 §6).
struct Bytestream<S> {
    socket: WebSocketStream<S>,
    unread: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Bytestream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // Answered by the library at the next write.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    let problem = "MQTT is in binary frames";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, problem)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bytestream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(context)).map_err(broken)?;
        let count = bytes.len().min(MAX_FRAME);
        let frame = Message::Binary(Bytes::copy_from_slice(&bytes[..count]));
        socket.start_send(frame).map_err(broken)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(context)) {
            Ok(()) | Err(WebSocketError::ConnectionClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}

fn broken(error: WebSocketError) -> io::Error {
    match error {
        WebSocketError::Io(error) => error,
        other => io::Error::other(other),
    }
}
