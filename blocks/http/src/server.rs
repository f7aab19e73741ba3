//! The server: one function per request over accepted connections, TCP or TLS.

mod body;
mod session;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

pub use body::{ReadBody, Reply, ReplyBody, read_body, reply, streamed};
pub use session::serve_connection;

/// What the server's function gets.
pub type Request = hyper::Request<Incoming>;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The DER bytes of the certificate whose key it proved to hold; none over plain TCP.
    pub certificate: Option<Arc<[u8]>>,
}

/// The bounds of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections at the same time, also those in their TLS handshake; further ones wait in the
    /// listen queue.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_deadline: Duration,
    /// How long a client may take to send a request's head; also how long a kept connection may
    /// stay idle.
    pub head_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            handshake_deadline: Duration::from_secs(10),
            head_deadline: Duration::from_secs(30),
        }
    }
}

/// A running server. Dropping it closes everything at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves every connection of `listener` with `service`, over TLS when `tls` is given.
    pub fn start<S, F>(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        settings: Settings,
        service: S,
    ) -> io::Result<Self>
    where
        S: Fn(Request, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let acceptor = tls.map(TlsAcceptor::from);
        let accepting = tokio::spawn(accept_all(listener, acceptor, settings, service, stopping));
        Ok(Self { address, stop, accepting })
    }

    /// Where the server listens; tells the port when it was asked for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests under way finish for at most `grace`, then closes all.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        if timeout(grace, &mut self.accepting).await.is_err() {
            debug!(address = %self.address, "requests were cut off at shutdown");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One TLS handshake with a deadline; the peer gets its certificate. The stream comes back so that
/// the caller can run the session in a task of its own, without the handshake's memory.
pub async fn accept_tls(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    deadline: Duration,
) -> io::Result<(TlsStream<TcpStream>, Peer)> {
    let stream = timeout(deadline, acceptor.accept(stream)).await.map_err(|_| {
        io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")
    })??;
    let certificate = marram_tls::peer_certificate(stream.get_ref().1).map(Arc::from);
    Ok((stream, Peer { address, certificate }))
}

async fn accept_all<S, F>(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    settings: Settings,
    service: S,
    mut stopping: watch::Receiver<bool>,
) where
    S: Fn(Request, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let mut handshakes = JoinSet::new();
    let mut sessions = JoinSet::new();
    loop {
        let room = handshakes.len() + sessions.len() < settings.max_connections;
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = sessions.join_next() => {}
            Some(done) = handshakes.join_next() => {
                if let Ok(Ok((stream, peer))) = done {
                    let session = serve_connection(
                        stream, peer, settings.head_deadline, service.clone(), stopping.clone());
                    sessions.spawn(session);
                }
            }
            accepted = listener.accept(), if room => {
                let Some((stream, address)) = usable(accepted).await else { continue };
                if let Some(acceptor) = acceptor.clone() {
                    let deadline = settings.handshake_deadline;
                    handshakes.spawn(async move {
                        accept_tls(&acceptor, stream, address, deadline).await.inspect_err(
                            |error| debug!(%address, %error, "TLS handshake failed"))
                    });
                } else {
                    let peer = Peer { address, certificate: None };
                    let session = serve_connection(
                        stream, peer, settings.head_deadline, service.clone(), stopping.clone());
                    sessions.spawn(session);
                }
            }
        }
    }
    drop(listener);
    drop(handshakes);
    while sessions.join_next().await.is_some() {}
}

async fn usable(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok((stream, address)) => match stream.set_nodelay(true) {
            Ok(()) => Some((stream, address)),
            Err(error) => {
                debug!(%address, %error, "connection was gone before it was served");
                None
            }
        },
        Err(error) => {
            // Mostly out of file descriptors: without a pause this would spin until one is free.
            warn!(%error, "could not accept a connection");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

#[cfg(test)]
mod tests;
