//! The server's side of one connection: handshake, stream ids, control messages.
//!
//! [`ServerConnection`] takes received bytes and yields [`Event`]s. It answers by itself what needs
//! no knowledge of components (CONNECT_ACK, PING_RESPONSE, protocol errors, unknown operations);
//! requests are answered by the shell with the functions of [`crate::reply`].
//!
//! The rules are those of AWS's CRT server: a client numbers its streams 1, 2, 3 …; a frame for a
//! stream that is over is ignored if it ends the stream and an error otherwise.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use crate::error::IpcError;
use crate::frame::{DecodeFrame, Decoder, Frame, MAX_FRAME};
use crate::message::{Envelope, MessageType, MissingHeader, PROTOCOL_VERSION};
use crate::operation::Operation;
use crate::reply;

/// Largest frame in bytes that a peer may send before it is known: CONNECT takes about 120.
const MAX_FRAME_BEFORE_CONNECT: usize = 16 * 1024;

/// What a peer's bytes mean for the shell.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// The client shows its token. Answer with [`ServerConnection::accept`] or
    /// [`ServerConnection::deny`]; no event follows before that.
    Connect {
        /// The component's token: secret, and not yet checked.
        token: String,
    },
    /// The client opened a stream.
    Request {
        /// The stream to answer on.
        stream: i32,
        /// What it asks for.
        operation: Operation,
        /// The request's JSON, not yet parsed; sharing memory with what was received.
        payload: Bytes,
    },
    /// The client ended a stream that had been kept open. Nothing is to be sent in answer.
    StreamClosed {
        /// The stream.
        stream: i32,
    },
    /// Flush the output and close the connection. It is the last event.
    Close(CloseReason),
}

/// Why a connection must be closed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CloseReason {
    /// The client was refused. Closing at once would hide the refusal from the Python SDK: wait
    /// about a second for the client to close first.
    #[error("the client's CONNECT was denied")]
    Denied,
    /// The client broke a rule; the output tells it which.
    #[error("the client broke the protocol")]
    Violation(#[source] Violation),
    /// The client reported that we broke a rule, or failed.
    #[error("the client reported: {0}")]
    Reported(String),
    /// The bytes are not frames. As AWS's CRT does, nothing is sent.
    #[error("the client's bytes are not frames")]
    Broken(#[source] DecodeFrame),
}

/// A rule of the protocol that a client broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A frame lacks one of the three headers that each must have.
    #[error(transparent)]
    MissingHeader(#[from] MissingHeader),
    /// The message type has no meaning.
    #[error("unknown message type {0}")]
    UnknownMessageType(i32),
    /// A message that only servers send.
    #[error("message type {0} is not for clients to send")]
    ServerMessage(i32),
    /// A control message on a stream.
    #[error("message type {message_type} belongs to stream 0, not to stream {stream}")]
    ControlOnStream {
        /// The message's type.
        message_type: i32,
        /// The stream it was sent on.
        stream: i32,
    },
    /// An application message without a stream.
    #[error("an application message needs a stream id of 1 or more, not {0}")]
    StreamId(i32),
    /// A new stream whose number is not the next one.
    #[error("stream {received} cannot be opened: the next stream id is {expected}")]
    StreamOrder {
        /// The stream's number.
        received: i32,
        /// The number it must have.
        expected: i32,
    },
    /// A message for a stream that is over.
    #[error("stream {0} is closed")]
    ClosedStream(i32),
    /// A stream that does not begin with a request.
    #[error("the first message of stream {0} must be a request with the `operation` header")]
    MissingOperation(i32),
    /// Something else came before CONNECT.
    #[error("the first message must be CONNECT")]
    NotConnected,
    /// CONNECT came again.
    #[error("CONNECT was already received on this connection")]
    ConnectedTwice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitingConnect,
    AwaitingVerdict,
    Open,
    Closed,
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct ServerConnection {
    decoder: Decoder,
    state: State,
    last_stream: i32,
    /// Streams of operations with events. All others are over when their request was yielded.
    open: HashSet<i32>,
    output: BytesMut,
}

impl Default for ServerConnection {
    fn default() -> Self {
        Self {
            decoder: Decoder::with_limit(MAX_FRAME_BEFORE_CONNECT),
            state: State::AwaitingConnect,
            last_stream: 0,
            open: HashSet::new(),
            output: BytesMut::new(),
        }
    }
}

impl ServerConnection {
    /// A connection that waits for CONNECT.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where received bytes are appended; call [`ServerConnection::next_event`] until `None` then.
    pub fn input(&mut self) -> &mut BytesMut {
        self.decoder.buffer()
    }

    /// What must be sent now.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// The next event of what was received so far.
    pub fn next_event(&mut self) -> Option<Event> {
        while matches!(self.state, State::AwaitingConnect | State::Open) {
            let event = match self.decoder.next_frame() {
                Ok(Some(frame)) => match self.receive(frame) {
                    Ok(event) => event,
                    Err(violation) => Some(self.fail(violation)),
                },
                Ok(None) => return None,
                Err(error) => Some(self.close(CloseReason::Broken(error))),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Lets the client of the last [`Event::Connect`] in.
    pub fn accept(&mut self) {
        if self.state == State::AwaitingVerdict {
            self.state = State::Open;
            self.decoder.set_limit(MAX_FRAME);
            reply::connect_ack(&mut self.output, true);
        }
    }

    /// Refuses the client of the last [`Event::Connect`]; close as for [`CloseReason::Denied`].
    pub fn deny(&mut self) {
        if self.state == State::AwaitingVerdict {
            self.state = State::Closed;
            reply::connect_ack(&mut self.output, false);
        }
    }

    /// Forgets a stream that the server ended, by an error or by [`reply::end_stream`].
    pub fn stream_ended(&mut self, stream: i32) {
        self.open.remove(&stream);
    }

    fn receive(&mut self, frame: Frame) -> Result<Option<Event>, Violation> {
        let envelope = Envelope::read(&frame)?;
        let Some(kind) = MessageType::from_number(envelope.message_type) else {
            return Err(Violation::UnknownMessageType(envelope.message_type));
        };
        if kind.is_control() && envelope.stream != 0 {
            return Err(Violation::ControlOnStream {
                message_type: envelope.message_type,
                stream: envelope.stream,
            });
        }
        if self.state == State::AwaitingConnect {
            return match kind {
                MessageType::Connect => Ok(Some(self.connect(&envelope, &frame))),
                _ => Err(Violation::NotConnected),
            };
        }
        match kind {
            MessageType::Application | MessageType::ApplicationError => {
                self.application(kind, &envelope, &frame)
            }
            MessageType::Ping => {
                reply::ping_response(&mut self.output, &frame);
                Ok(None)
            }
            MessageType::PingResponse => Ok(None),
            MessageType::Connect => Err(Violation::ConnectedTwice),
            MessageType::ConnectAck => Err(Violation::ServerMessage(envelope.message_type)),
            MessageType::ProtocolError | MessageType::InternalError => {
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                Ok(Some(self.close(CloseReason::Reported(text))))
            }
        }
    }

    fn connect(&mut self, envelope: &Envelope<'_>, frame: &Frame) -> Event {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Connect {
            auth_token: String,
        }

        if envelope.version == Some(PROTOCOL_VERSION)
            && let Ok(connect) = serde_json::from_slice::<Connect>(&frame.payload)
        {
            self.state = State::AwaitingVerdict;
            return Event::Connect { token: connect.auth_token };
        }
        reply::connect_ack(&mut self.output, false);
        self.close(CloseReason::Denied)
    }

    fn application(
        &mut self,
        kind: MessageType,
        envelope: &Envelope<'_>,
        frame: &Frame,
    ) -> Result<Option<Event>, Violation> {
        let stream = envelope.stream;
        if stream < 1 {
            return Err(Violation::StreamId(stream));
        }
        if stream <= self.last_stream {
            return self.later_frame(stream, envelope.terminates());
        }
        let expected = self.last_stream.saturating_add(1);
        if stream != expected {
            return Err(Violation::StreamOrder { received: stream, expected });
        }
        let (MessageType::Application, Some(name)) = (kind, envelope.operation) else {
            return Err(Violation::MissingOperation(stream));
        };
        self.last_stream = stream;
        if envelope.terminates() {
            // Nobody waits for the answer (Java ignores such a request).
            return Ok(None);
        }
        let Some(operation) = Operation::from_wire(name) else {
            reply::error(&mut self.output, stream, &IpcError::unknown_operation(name));
            return Ok(None);
        };
        if operation.is_streaming() {
            self.open.insert(stream);
        }
        Ok(Some(Event::Request { stream, operation, payload: frame.payload.clone() }))
    }

    /// A frame on a stream that had been opened before.
    fn later_frame(&mut self, stream: i32, terminates: bool) -> Result<Option<Event>, Violation> {
        match (self.open.contains(&stream), terminates) {
            (true, true) => {
                self.open.remove(&stream);
                Ok(Some(Event::StreamClosed { stream }))
            }
            // No operation of the model takes a second message from the client.
            (true, false) => Ok(None),
            (false, true) => Ok(None),
            (false, false) => Err(Violation::ClosedStream(stream)),
        }
    }

    fn fail(&mut self, violation: Violation) -> Event {
        reply::protocol_error(&mut self.output, &violation.to_string());
        self.close(CloseReason::Violation(violation))
    }

    fn close(&mut self, reason: CloseReason) -> Event {
        self.state = State::Closed;
        Event::Close(reason)
    }
}
