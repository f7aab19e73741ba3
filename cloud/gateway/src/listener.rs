//! A TLS port: accepts, finds out what is spoken, and serves it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use marram_broker::{Broker, Guest, Lobby};
use marram_http::server::{Peer, Request, accept_tls, serve_connection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::alpn::{self, Protocol};
use crate::device::DeviceHandler;
use crate::https::DeviceHttp;
use crate::websocket::{self, WebSockets};

/// Connections at once on one port, also those in their handshake.
const MAX_CONNECTIONS: usize = 100_000;

/// Handshakes at once; of more the oldest is given up for the newest, so that clients that never
/// finish theirs keep nobody out.
const MAX_HANDSHAKES: usize = 512;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// How long to wait after a failed accept: mostly file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a port serves.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) broker: Broker<DeviceHandler>,
    pub(crate) http: Arc<DeviceHttp>,
    pub(crate) websockets: Arc<WebSockets>,
    pub(crate) tls: TlsAcceptor,
    /// What clients that do not say get.
    pub(crate) protocol: Protocol,
}

/// A running port. Dropping it closes everything at once.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(listener: TcpListener, served: Served) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let accepting = tokio::spawn(accept_all(listener, served, stopping));
        Ok(Self { address, stop, accepting })
    }

    /// Accepts no more and lets HTTP requests under way finish; MQTT ends with its broker.
    pub(crate) fn begin_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits at most `deadline` until all connections have ended, then cuts them.
    pub(crate) async fn finish_stop(&mut self, deadline: Duration) {
        if tokio::time::timeout(deadline, &mut self.accepting).await.is_err() {
            tracing::debug!(address = %self.address, "connections were cut off at shutdown");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Accepted = (TlsStream<TcpStream>, Peer);

async fn accept_all(listener: TcpListener, served: Served, mut stopping: watch::Receiver<bool>) {
    let mut handshakes: JoinSet<io::Result<Accepted>> = JoinSet::new();
    let lobby = Lobby::new(MAX_HANDSHAKES);
    // Handshake and session are tasks of their own: the memory of the first is gone with it.
    let mut sessions = JoinSet::new();
    loop {
        let has_room = handshakes.len() + sessions.len() < MAX_CONNECTIONS;
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = sessions.join_next() => {}
            Some(done) = handshakes.join_next() => {
                if let Ok(Ok((stream, peer))) = done {
                    sessions.spawn(serve(stream, peer, served.clone(), stopping.clone()));
                }
            }
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, address)) => {
                    let guest = lobby.enter();
                    handshakes.spawn(handshake(served.tls.clone(), stream, address, guest));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    drop(handshakes);
    while sessions.join_next().await.is_some() {}
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    guest: Guest,
) -> io::Result<Accepted> {
    stream.set_nodelay(true)?;
    let accepted = tokio::select! {
        accepted = accept_tls(&acceptor, stream, address, HANDSHAKE_DEADLINE) => accepted,
        () = guest.sent_away() => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    accepted.inspect_err(|error| tracing::debug!(%address, %error, "TLS handshake failed"))
}

async fn serve(
    stream: TlsStream<TcpStream>,
    peer: Peer,
    served: Served,
    stopping: watch::Receiver<bool>,
) {
    let agreed = stream.get_ref().1.alpn_protocol();
    match alpn::choose(agreed, served.protocol) {
        Protocol::Mqtt => {
            let Peer { address, certificate } = peer;
            let peer = marram_broker::Peer { address, certificate, principal: None };
            served.broker.serve(stream, peer).await;
        }
        Protocol::Http => {
            let Served { http, websockets, .. } = served;
            let service = move |request: Request, peer: Peer| {
                let (http, websockets) = (Arc::clone(&http), Arc::clone(&websockets));
                async move {
                    if request.uri().path() == websocket::PATH {
                        return websockets.open(request, &peer).await;
                    }
                    http.answer(request, peer).await
                }
            };
            serve_connection(stream, peer, HEAD_DEADLINE, service, stopping).await;
        }
    }
}
