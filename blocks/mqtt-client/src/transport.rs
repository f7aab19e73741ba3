//! Opening the byte stream: name, TCP, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::options::Options;

/// Either kind of stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why no stream could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenStream {
    #[error("cannot resolve the host name {host:?}")]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("the host name {host:?} has no address")]
    NoAddress { host: String },
    #[error("cannot connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the host {host:?} is no valid TLS server name")]
    ServerName {
        host: String,
        #[source]
        source: InvalidDnsNameError,
    },
    #[error("TLS handshake with {address} failed")]
    Handshake {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Opens a stream to the broker. The caller sets the deadline.
pub(crate) async fn open(options: &Options) -> Result<Box<dyn Stream>, OpenStream> {
    let (stream, address) = connect(&options.host, options.port).await?;
    // Without TCP_NODELAY each small packet may wait for an acknowledgement of the one before.
    stream.set_nodelay(true).map_err(|source| OpenStream::Connect { address, source })?;
    let Some(config) = &options.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(options.host.clone())
        .map_err(|source| OpenStream::ServerName { host: options.host.clone(), source })?;
    let stream = TlsConnector::from(Arc::clone(config))
        .connect(name, stream)
        .await
        .map_err(|source| OpenStream::Handshake { address, source })?;
    Ok(Box::new(stream))
}

/// Connects to the first of the host's addresses that answers.
async fn connect(host: &str, port: u16) -> Result<(TcpStream, SocketAddr), OpenStream> {
    let addresses = resolve(host, port).await?;
    let mut failure = OpenStream::NoAddress { host: host.to_owned() };
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(source) => failure = OpenStream::Connect { address, source },
        }
    }
    Err(failure)
}

/// An IP address needs no resolver, and so no thread of the runtime's blocking pool.
async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, OpenStream> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    match lookup_host((host, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(source) => Err(OpenStream::Resolve { host: host.to_owned(), source }),
    }
}
