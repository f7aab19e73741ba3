//! Where clients connect to, and one client with a blocking socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use marram_ipc::client::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::wire::{Received, Wire, mqtt_connect};

/// Longest wait for anything that must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
const READ_BYTES: usize = 64 * 1024;

/// A message service.
#[derive(Debug)]
pub(crate) enum Service {
    Ipc { socket: PathBuf, token: String },
    Mqtt { address: SocketAddr, clients: AtomicU64 },
}

impl Service {
    /// The nucleus whose component this process is.
    pub(crate) fn ipc_of_this_component() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run as a component"))
        };
        let socket = variable("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT")?.into();
        Ok(Self::Ipc { socket, token: variable("SVCUID")? })
    }

    pub(crate) fn mqtt(address: SocketAddr) -> Self {
        Self::Mqtt { address, clients: AtomicU64::new(0) }
    }

    pub(crate) fn is_ipc(&self) -> bool {
        matches!(self, Self::Ipc { .. })
    }

    /// A client whose CONNECT was answered.
    pub(crate) fn connect(&self) -> Result<Client> {
        let (socket, hello, wire) = match self {
            Self::Ipc { socket, token } => {
                let connection = ClientConnection::new();
                let hello = connection.connect(token).freeze();
                let stream = UnixStream::connect(socket).context("connecting to the nucleus")?;
                (Socket::Unix(stream), hello, Wire::Ipc(connection))
            }
            Self::Mqtt { address, clients } => {
                let number = clients.fetch_add(1, Ordering::Relaxed);
                let stream = TcpStream::connect(address).context("connecting to the broker")?;
                stream.set_nodelay(true)?;
                let hello = mqtt_connect(&format!("load{number}"))?;
                (Socket::Tcp(stream), hello, Wire::Mqtt(BytesMut::new()))
            }
        };
        socket.set_deadline()?;
        let mut client = Client { socket, wire };
        client.send(&hello)?;
        client.until_answered(1)?;
        Ok(client)
    }

    /// A client that gets the messages of `topics`.
    pub(crate) fn subscriber(&self, topics: &[&str]) -> Result<Client> {
        let mut client = self.connect()?;
        for topic in topics {
            let frame = client.wire.subscribe(topic)?;
            client.send(&frame)?;
            client.until_answered(1)?;
        }
        Ok(client)
    }
}

/// One client with a blocking socket.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) wire: Wire,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes).context("sending")
    }

    /// Waits for bytes, and counts what they are.
    pub(crate) fn receive(&mut self) -> Result<Received> {
        let input = self.wire.input();
        let before = input.len();
        input.resize(before + READ_BYTES, 0);
        let read = self.socket.read(&mut input[before..]);
        input.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => bail!("the server closed the connection"),
            Ok(_) => self.wire.receive(),
            Err(error) => Err(error).context("receiving"),
        }
    }

    fn until_answered(&mut self, answers: u64) -> Result<()> {
        let mut received = 0;
        while received < answers {
            received += self.receive()?.answers;
        }
        Ok(())
    }

    /// The same client for a runtime. Must be called in one.
    pub(crate) fn into_async(self) -> Result<(Box<dyn Duplex>, Wire)> {
        let socket: Box<dyn Duplex> = match self.socket {
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Box::new(tokio::net::UnixStream::from_std(socket)?)
            }
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Box::new(tokio::net::TcpStream::from_std(socket)?)
            }
        };
        Ok((socket, self.wire))
    }
}

/// A stream that a runtime drives.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A blocking stream.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    fn set_deadline(&self) -> io::Result<()> {
        match self {
            Self::Unix(socket) => {
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.set_write_timeout(Some(DEADLINE))
            }
            Self::Tcp(socket) => {
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.set_write_timeout(Some(DEADLINE))
            }
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_nonblocking(true),
            Self::Tcp(socket) => socket.set_nonblocking(true),
        }
    }

    /// Reads and forgets what is there; the socket must not block.
    pub(crate) fn drain(&mut self, scratch: &mut [u8]) -> io::Result<()> {
        loop {
            match self.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) if read == scratch.len() => {}
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.read(buffer),
            Self::Tcp(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.write(bytes),
            Self::Tcp(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
