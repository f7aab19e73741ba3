//! One connection, to learn what the broker says to it.

use std::io;
use std::time::Duration;

use marram_mqtt::codec::{DecodePacket, Decoder, EncodePacket};
use marram_mqtt::packet::{ConnAck, Disconnect};
use marram_mqtt::session::client::ClientSession;
use marram_mqtt::{Packet, ReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::options::Options;
use crate::transport::{self, OpenStream, Stream};

/// How long the last bytes may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a probe ended without an acceptance.
#[derive(Debug, thiserror::Error)]
pub enum Probe {
    /// No stream.
    #[error(transparent)]
    Open(#[from] OpenStream),
    /// The broker refused the connection.
    #[error("the broker refused the connection: {0}")]
    Refused(ReasonCode),
    /// The stream ended before the broker had answered, as it does for a certificate that is not
    /// accepted: in TLS 1.3 the client learns of that after the handshake.
    #[error("the broker closed the connection before it answered")]
    Closed(#[source] io::Error),
    /// What came is no answer to CONNECT.
    #[error("the broker answered with something else than CONNACK")]
    Answer(#[source] Option<DecodePacket>),
    /// The CONNECT has no encoding.
    #[error("the client id cannot be sent")]
    Encode(#[source] EncodePacket),
    /// Time ran out.
    #[error("the broker did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
}

/// Connects as [`crate::Client`] does, within [`Options::connect_timeout`], and disconnects at once.
/// Messages of a session are not taken: the broker keeps them.
///
/// # Errors
/// [`Probe`]
pub async fn probe(options: &Options) -> Result<ConnAck, Probe> {
    let limit = options.connect_timeout;
    timeout(limit, connect(options)).await.unwrap_or(Err(Probe::Deadline(limit)))
}

async fn connect(options: &Options) -> Result<ConnAck, Probe> {
    let Options { host, port, tls, socket_timeout, .. } = options;
    let mut stream = transport::open(host, *port, tls.as_ref(), *socket_timeout).await?;
    let now = tokio::time::Instant::now().into_std();
    let mut session = ClientSession::<()>::new(options.session_settings(), now);
    session.opened(now);
    stream.write_all(session.output().pending()).await.map_err(Probe::Closed)?;
    let answer = receive(&mut stream, options).await?;
    if answer.reason.is_error() {
        return Err(Probe::Refused(answer.reason));
    }
    let mut encoder = marram_mqtt::codec::Encoder::new(options.version, None);
    let disconnect = Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS));
    encoder.encode(disconnect).map_err(Probe::Encode)?;
    // The broker has accepted; how well it hears of the end changes nothing.
    let farewell = async {
        stream.write_all(encoder.pending()).await?;
        stream.shutdown().await
    };
    let _ = timeout(FAREWELL, farewell).await;
    Ok(answer)
}

async fn receive(stream: &mut Box<dyn Stream>, options: &Options) -> Result<ConnAck, Probe> {
    let mut decoder = Decoder::client(options.version, options.max_packet_size);
    loop {
        match decoder.decode() {
            Ok(Some(Packet::ConnAck(answer))) => return Ok(*answer),
            Ok(Some(_)) => return Err(Probe::Answer(None)),
            Ok(None) => {}
            Err(error) => return Err(Probe::Answer(Some(error))),
        }
        let read = stream.read_buf(decoder.buffer()).await.map_err(Probe::Closed)?;
        if read == 0 {
            return Err(Probe::Closed(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
