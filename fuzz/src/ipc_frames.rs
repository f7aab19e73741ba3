//! Frames as they are on the socket. The first byte chooses how they are cut into reads and
//! whether the client is let in; checksums are put right first, or no change would get past them.

use bytes::BytesMut;
use marram_ipc::client::ClientConnection;
use marram_ipc::connection::{Event, ServerConnection};
use marram_ipc::frame::Decoder;
use marram_ipc::{IpcError, reply};

/// Bytes of the two lengths before the prelude's checksum, and of the shortest frame.
const LENGTHS: usize = 8;
const SHORTEST: usize = 16;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, frames)) = data.split_first() else { return };
    let mut frames = frames.to_vec();
    if choice & 1 == 0 {
        repair(&mut frames);
    }
    let piece = match choice >> 2 {
        0 => frames.len().max(1),
        size => usize::from(size),
    };
    let accept = choice & 2 == 0;
    serve(&frames, piece, accept);
    receive(&frames, piece);
}

/// Puts both checksums of each frame right, as far as the lengths make sense.
fn repair(mut bytes: &mut [u8]) {
    while let Some(lengths) = bytes.first_chunk::<LENGTHS>() {
        let prelude = crc32fast::hash(lengths);
        let total = u32::from_be_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]) as usize;
        if total < SHORTEST || total > bytes.len() {
            return;
        }
        let (frame, rest) = bytes.split_at_mut(total);
        frame[LENGTHS..LENGTHS + 4].copy_from_slice(&prelude.to_be_bytes());
        let message = crc32fast::hash(&frame[..total - 4]);
        frame[total - 4..].copy_from_slice(&message.to_be_bytes());
        bytes = rest;
    }
}

fn serve(frames: &[u8], piece: usize, accept: bool) {
    let mut server = ServerConnection::new();
    let mut last_stream = 0;
    for bytes in frames.chunks(piece) {
        server.input().extend_from_slice(bytes);
        while let Some(event) = server.next_event() {
            match event {
                Event::Connect { .. } if accept => server.accept(),
                Event::Connect { .. } => server.deny(),
                Event::Request { stream, operation, .. } => {
                    // Some are opened without an event: what nobody waits for, what is not known.
                    assert!(stream > last_stream, "streams are opened in order");
                    last_stream = stream;
                    if operation.is_streaming() {
                        reply::response(server.output(), stream, operation, reply::EMPTY);
                    } else {
                        let error = IpcError::unsupported(operation);
                        reply::error(server.output(), stream, &error);
                    }
                }
                Event::StreamClosed { stream } => {
                    assert!(stream <= last_stream, "stream {stream} was never opened");
                }
                Event::Close(reason) => {
                    assert!(!reason.to_string().is_empty());
                    assert!(server.next_event().is_none(), "closing is the last event");
                }
            }
        }
    }
    readable(server.output().split());
}

/// What the server says is frames to the end.
fn readable(output: BytesMut) {
    let mut decoder = Decoder::default();
    *decoder.buffer() = output;
    while decoder.next_frame().expect("the server's own frames").is_some() {}
    assert!(decoder.buffer().is_empty(), "a cut frame in the server's output");
}

fn receive(frames: &[u8], piece: usize) {
    let mut client = ClientConnection::new();
    for bytes in frames.chunks(piece) {
        client.input().extend_from_slice(bytes);
        loop {
            match client.next_message() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}
