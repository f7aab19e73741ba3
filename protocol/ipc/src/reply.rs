//! Writing what a server says, as frames.
//!
//! Header order is that of AWS's CRT, so that recorded sessions can be compared byte for byte.

use bytes::BytesMut;
use serde::Serialize;

use crate::encoding::to_json;
use crate::error::IpcError;
use crate::frame::{EmittedValue, Frame, Header, HeaderValue, encode, encode_around};
use crate::message::{
    CONNECTION_ACCEPTED, CONTENT_TYPE, JSON, MESSAGE_FLAGS, MESSAGE_TYPE, MessageType,
    SERVICE_MODEL_TYPE, STREAM_ID, TERMINATE_STREAM,
};
use crate::operation::Operation;

/// The payload of a response without members. An empty payload would break the Python SDK.
pub const EMPTY: &[u8] = b"{}";

/// Answers a request; the stream is over unless the operation has events.
pub fn response(out: &mut BytesMut, stream: i32, operation: Operation, payload: &[u8]) {
    let flags = if operation.is_streaming() { 0 } else { TERMINATE_STREAM };
    let kind = (MessageType::Application, flags);
    with_model(out, stream, kind, operation.response_type(), payload);
}

/// Sends an event of the shape `event_type` ([`Operation::event_type`]) on an open stream.
pub fn event(out: &mut BytesMut, stream: i32, event_type: &str, payload: &[u8]) {
    with_model(out, stream, (MessageType::Application, 0), event_type, payload);
}

/// [`event`] without its payload: writes what comes before it and gives what comes after it.
pub fn event_around(out: &mut BytesMut, stream: i32, event_type: &str, payload: &[u8]) -> [u8; 4] {
    let headers = model_headers(stream, (MessageType::Application, 0), event_type);
    encode_around(out, &headers, payload).to_be_bytes()
}

/// Answers a request with an error and ends its stream.
pub fn error(out: &mut BytesMut, stream: i32, error: &IpcError) {
    let kind = (MessageType::ApplicationError, TERMINATE_STREAM);
    with_model(out, stream, kind, error.code.model_type(), &error.payload());
}

/// Ends a stream without a word: either side may.
pub fn end_stream(out: &mut BytesMut, stream: i32) {
    encode(out, &routing(MessageType::Application, TERMINATE_STREAM, stream), &[]);
}

pub(crate) fn connect_ack(out: &mut BytesMut, accepted: bool) {
    let flags = if accepted { CONNECTION_ACCEPTED } else { 0 };
    encode(out, &routing(MessageType::ConnectAck, flags, 0), &[]);
}

/// Echoes a PING with its payload and its application headers of the two types that every client
/// can read.
pub(crate) fn ping_response(out: &mut BytesMut, ping: &Frame) {
    let mut headers = Vec::from(routing(MessageType::PingResponse, 0, 0));
    for (name, value) in ping.headers().filter(|(name, _)| !name.starts_with(':')) {
        let value = match value {
            HeaderValue::Int32(number) => EmittedValue::Int32(number),
            HeaderValue::String(text) => EmittedValue::String(text),
            _ => continue,
        };
        headers.push(Header { name, value });
    }
    encode(out, &headers, &ping.payload);
}

pub(crate) fn protocol_error(out: &mut BytesMut, message: &str) {
    #[derive(Serialize)]
    struct Payload<'a> {
        message: &'a str,
    }

    let [kind, flags, stream] = routing(MessageType::ProtocolError, 0, 0);
    let headers = [Header::string(CONTENT_TYPE, JSON), kind, flags, stream];
    encode(out, &headers, &to_json(&Payload { message }));
}

fn with_model(
    out: &mut BytesMut,
    stream: i32,
    kind: (MessageType, i32),
    model_type: &str,
    payload: &[u8],
) {
    encode(out, &model_headers(stream, kind, model_type), payload);
}

fn model_headers(
    stream: i32,
    (kind, flags): (MessageType, i32),
    model_type: &str,
) -> [Header<'_>; 5] {
    let [kind, flags, stream] = routing(kind, flags, stream);
    [
        Header::string(CONTENT_TYPE, JSON),
        Header::string(SERVICE_MODEL_TYPE, model_type),
        kind,
        flags,
        stream,
    ]
}

/// The three headers that every frame has.
pub(crate) fn routing(kind: MessageType, flags: i32, stream: i32) -> [Header<'static>; 3] {
    [
        Header::int32(MESSAGE_TYPE, kind as i32),
        Header::int32(MESSAGE_FLAGS, flags),
        Header::int32(STREAM_ID, stream),
    ]
}
