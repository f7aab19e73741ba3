//! Moving bytes between a stream and the codec without memory for idle connections.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;
use std::time::Duration;

use marram_mqtt::codec::{Decoder, Encoder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// Bytes taken from the stream at once.
const CHUNK: usize = 4096;

/// How long a refused client may take to read the reason and close.
const LINGER: Duration = Duration::from_secs(2);

/// Waits for bytes and appends them to the decoder. Returns their number, 0 at the end.
///
/// The chunk lives on the stack for the time of one poll only, so that a waiting connection holds
/// no read buffer. Cancelling loses nothing.
pub(crate) async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut chunk = [0_u8; CHUNK];
        let mut read = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
        decoder.buffer().extend_from_slice(read.filled());
        Ok(read.filled().len()).into()
    })
    .await
}

/// Output that is not yet with the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// The encoder's bytes, if any, come before a flush.
    Dirty,
    /// All written and flushed.
    Clean,
}

/// Writes some of the encoder's bytes; flushes once all are written. Cancelling loses nothing.
pub(crate) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    encoder: &mut Encoder,
) -> io::Result<Output> {
    if !encoder.pending().is_empty() {
        let count = stream.write(encoder.pending()).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        encoder.advance(count);
    }
    if encoder.pending().is_empty() {
        stream.flush().await?;
        return Ok(Output::Clean);
    }
    Ok(Output::Dirty)
}

/// Sends what is left, then waits for the client to close.
///
/// Closing at once with unread input would reset the connection, and the client might lose the
/// very packet that tells it why.
pub(crate) async fn close(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    encoder: &mut Encoder,
) {
    let finish = async {
        while send(writer, encoder).await? == Output::Dirty {}
        writer.shutdown().await?;
        let mut discarded = [0_u8; 512];
        while reader.read(&mut discarded).await? > 0 {}
        io::Result::Ok(())
    };
    // The connection is over either way; the deadline only bounds the courtesy.
    let _ = timeout(LINGER, finish).await;
}
