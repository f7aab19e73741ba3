//! Opening the byte stream: name, TCP, TLS. Its error tells at which of them it ended.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long Greengrass waits for one address of a host (`mqtt.socketTimeoutMs`).
pub const SOCKET_TIMEOUT: Duration = Duration::from_secs(3);

/// Either kind of stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why no stream could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStream {
    /// The name is not known.
    #[error("cannot resolve the host name {host:?}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// The name is known and stands for nothing.
    #[error("the host name {host:?} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// Nobody answers at the last of the name's addresses.
    #[error("cannot connect to {address}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// TLS has no such names.
    #[error("the host {host:?} is no valid TLS server name")]
    ServerName {
        /// The name.
        host: String,
        /// What is wrong with it.
        #[source]
        source: InvalidDnsNameError,
    },
    /// Certificates or protocols do not fit.
    #[error("TLS handshake with {address} failed")]
    Handshake {
        /// The server.
        address: SocketAddr,
        /// Which do not.
        #[source]
        source: io::Error,
    },
}

/// Opens a stream to a server, without `tls` a plain one. The caller sets the deadline. A host in
/// brackets is an IPv6 address. An address that does not answer within `socket_timeout` is left
/// for the host's next one.
pub async fn open(
    host: &str,
    port: u16,
    tls: Option<&Arc<rustls::ClientConfig>>,
    socket_timeout: Duration,
) -> Result<Box<dyn Stream>, OpenStream> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let (stream, address) = connect(host, port, socket_timeout).await?;
    // Without TCP_NODELAY each small packet may wait for an acknowledgement of the one before.
    stream.set_nodelay(true).map_err(|source| OpenStream::Connect { address, source })?;
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|source| OpenStream::ServerName { host: host.to_owned(), source })?;
    let stream = TlsConnector::from(Arc::clone(config))
        .connect(name, stream)
        .await
        .map_err(|source| OpenStream::Handshake { address, source })?;
    Ok(Box::new(stream))
}

/// Connects to the first of the host's addresses that answers.
async fn connect(
    host: &str,
    port: u16,
    socket_timeout: Duration,
) -> Result<(TcpStream, SocketAddr), OpenStream> {
    let addresses = resolve(host, port).await?;
    let mut failure = OpenStream::NoAddress { host: host.to_owned() };
    for address in addresses {
        match timeout(socket_timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Err(_) => {
                let source = io::ErrorKind::TimedOut.into();
                failure = OpenStream::Connect { address, source };
            }
            Ok(Err(source)) => failure = OpenStream::Connect { address, source },
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
