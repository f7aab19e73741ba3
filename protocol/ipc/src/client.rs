//! The client's side of one connection: enough for tools and tests.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::to_json;
use crate::frame::{DecodeFrame, Decoder, Frame, Header, encode};
use crate::message::{
    CONNECTION_ACCEPTED, CONTENT_TYPE, Envelope, JSON, MessageType, MissingHeader, OPERATION,
    PROTOCOL_VERSION, SERVICE_MODEL_TYPE, TERMINATE_STREAM, VERSION,
};
use crate::operation::Operation;
use crate::reply::routing;

/// What a server sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The verdict on CONNECT.
    ConnectAck {
        /// Whether the token was accepted.
        accepted: bool,
    },
    /// The answer to a request.
    Response {
        /// The request's stream.
        stream: i32,
        /// The response's JSON.
        payload: Bytes,
        /// Whether the stream is over.
        last: bool,
    },
    /// An event on a stream that was answered before.
    Event {
        /// The stream.
        stream: i32,
        /// Model name of the event.
        model_type: String,
        /// The event's JSON.
        payload: Bytes,
    },
    /// The request failed; its stream is over.
    Error {
        /// The request's stream.
        stream: i32,
        /// `UnauthorizedError`, …; empty if the server named none.
        code: String,
        /// The server's text.
        message: String,
        /// The whole error.
        payload: Value,
    },
    /// The server ended a stream.
    StreamClosed {
        /// The stream.
        stream: i32,
    },
    /// The answer to a PING.
    PingResponse {
        /// The PING's payload.
        payload: Bytes,
    },
    /// The server closes the connection because we broke a rule, or because it failed.
    Failure {
        /// The server's text.
        message: String,
    },
}

/// Why a server's bytes could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveMessage {
    /// The bytes are not frames.
    #[error("the server's bytes are not frames")]
    Frame(#[from] DecodeFrame),
    /// A frame lacks a header.
    #[error("the server's frame cannot be routed")]
    Header(#[from] MissingHeader),
    /// A server does not send that.
    #[error("a server does not send message type {0}")]
    MessageType(i32),
}

/// The client's side of one connection.
#[derive(Debug, Default)]
pub struct ClientConnection {
    decoder: Decoder,
    last_stream: i32,
    /// Streams that are not over, and whether their response has come.
    answered: HashMap<i32, bool>,
}

impl ClientConnection {
    /// A connection on which nothing was sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first frame to send.
    pub fn connect(&self, token: &str) -> BytesMut {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Connect<'a> {
            auth_token: &'a str,
        }

        let [kind, flags, stream] = routing(MessageType::Connect, 0, 0);
        let headers = [Header::string(VERSION, PROTOCOL_VERSION), kind, flags, stream];
        frame(&headers, &to_json(&Connect { auth_token: token }))
    }

    /// Opens a stream: its number, and the frame to send.
    pub fn request(&mut self, operation: Operation, request: &Value) -> (i32, BytesMut) {
        self.request_bytes(operation, &to_json(request))
    }

    /// [`ClientConnection::request`] with a payload that is JSON text already.
    pub fn request_bytes(&mut self, operation: Operation, payload: &[u8]) -> (i32, BytesMut) {
        self.last_stream += 1;
        self.answered.insert(self.last_stream, false);
        let [kind, flags, stream] = routing(MessageType::Application, 0, self.last_stream);
        let headers = [
            Header::string(CONTENT_TYPE, JSON),
            Header::string(SERVICE_MODEL_TYPE, operation.request_type()),
            kind,
            flags,
            stream,
            Header::string(OPERATION, operation.wire_name()),
        ];
        (self.last_stream, frame(&headers, payload))
    }

    /// Ends a stream: the frame to send.
    pub fn end_stream(&mut self, stream: i32) -> BytesMut {
        self.answered.remove(&stream);
        frame(&routing(MessageType::Application, TERMINATE_STREAM, stream), &[])
    }

    /// Where received bytes are appended.
    pub fn input(&mut self) -> &mut BytesMut {
        self.decoder.buffer()
    }

    /// The next message of what was received so far.
    pub fn next_message(&mut self) -> Result<Option<Message>, ReceiveMessage> {
        let Some(frame) = self.decoder.next_frame()? else {
            return Ok(None);
        };
        let envelope = Envelope::read(&frame)?;
        let Some(kind) = MessageType::from_number(envelope.message_type) else {
            return Err(ReceiveMessage::MessageType(envelope.message_type));
        };
        let message = match kind {
            MessageType::Application => self.application(&envelope, &frame),
            MessageType::ApplicationError => {
                self.answered.remove(&envelope.stream);
                error(&envelope, &frame)
            }
            MessageType::PingResponse => Message::PingResponse { payload: frame.payload.clone() },
            MessageType::ConnectAck => {
                Message::ConnectAck { accepted: envelope.flags & CONNECTION_ACCEPTED != 0 }
            }
            MessageType::ProtocolError | MessageType::InternalError => {
                Message::Failure { message: error_text(&frame).1 }
            }
            MessageType::Ping | MessageType::Connect => {
                return Err(ReceiveMessage::MessageType(envelope.message_type));
            }
        };
        Ok(Some(message))
    }

    fn application(&mut self, envelope: &Envelope<'_>, frame: &Frame) -> Message {
        let stream = envelope.stream;
        let last = envelope.terminates();
        let payload = frame.payload.clone();
        let was_answered = self.answered.insert(stream, true);
        if last {
            self.answered.remove(&stream);
        }
        match was_answered {
            Some(false) => Message::Response { stream, payload, last },
            _ if last => Message::StreamClosed { stream },
            _ => {
                let model_type = envelope.model_type.unwrap_or_default().to_owned();
                Message::Event { stream, model_type, payload }
            }
        }
    }
}

fn frame(headers: &[Header<'_>], payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    encode(&mut out, headers, payload);
    out
}

fn error(envelope: &Envelope<'_>, frame: &Frame) -> Message {
    let (payload, message) = error_text(frame);
    let code = envelope.model_type.unwrap_or_default();
    let code = code.rsplit_once('#').map_or(code, |(_, name)| name).to_owned();
    Message::Error { stream: envelope.stream, code, message, payload }
}

/// An error's JSON and its `message`, or its text if it is not JSON.
fn error_text(frame: &Frame) -> (Value, String) {
    #[derive(Deserialize)]
    struct Text {
        message: String,
    }

    match serde_json::from_slice::<Text>(&frame.payload) {
        Ok(Text { message }) => {
            (serde_json::from_slice(&frame.payload).unwrap_or_default(), message)
        }
        Err(_) => (Value::Null, String::from_utf8_lossy(&frame.payload).into_owned()),
    }
}
