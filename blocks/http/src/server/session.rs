//! One connection's requests, one after another.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tracing::debug;

use super::{Peer, Reply, Request};

/// Serves one accepted connection until it ends, or until the service made another protocol of it
/// with an answer of status 101. When `stopping` turns true (or its sender is
/// gone) the request under way is finished and the connection closed.
///
/// `head_deadline` bounds the wait for each request's head.
pub async fn serve_connection<IO, S, F>(
    stream: IO,
    peer: Peer,
    head_deadline: Duration,
    service: S,
    mut stopping: watch::Receiver<bool>,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request, Peer) -> F + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let address = peer.address;
    let service = service_fn(move |request| {
        let reply = service(request, peer.clone());
        async move { Ok::<_, Infallible>(reply.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_deadline)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let stop = async { stopping.wait_for(|stop| *stop).await.is_ok() };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%address, %error, "HTTP connection ended early");
    }
}
