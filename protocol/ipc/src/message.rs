//! What a frame means: message types, flags, stream ids, header names.

use crate::frame::{Frame, HeaderValue};

/// Header of every frame: what kind of message it is.
pub const MESSAGE_TYPE: &str = ":message-type";
/// Header of every frame: a bit set of [`CONNECTION_ACCEPTED`] and [`TERMINATE_STREAM`].
pub const MESSAGE_FLAGS: &str = ":message-flags";
/// Header of every frame: the stream it belongs to, 0 for the connection itself.
pub const STREAM_ID: &str = ":stream-id";
/// Header of a stream's first frame: what the client asks for.
pub const OPERATION: &str = "operation";
/// Header of CONNECT: the protocol's version.
pub const VERSION: &str = ":version";
/// Header of frames with a payload.
pub const CONTENT_TYPE: &str = ":content-type";
/// Header of frames with a payload: the model name of its shape.
pub const SERVICE_MODEL_TYPE: &str = "service-model-type";

/// The only protocol version there is.
pub const PROTOCOL_VERSION: &str = "0.1.0";
/// Content type of every payload we send.
pub const JSON: &str = "application/json";

/// Flag of CONNECT_ACK.
pub const CONNECTION_ACCEPTED: i32 = 1;
/// Flag of a stream's last frame.
pub const TERMINATE_STREAM: i32 = 2;

/// Values of [`MESSAGE_TYPE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum MessageType {
    /// A request, a response or an event.
    Application = 0,
    /// An error that answers a request.
    ApplicationError = 1,
    /// Asks for a PING_RESPONSE.
    Ping = 2,
    /// Echoes a PING.
    PingResponse = 3,
    /// A client's first message.
    Connect = 4,
    /// The server's verdict on CONNECT.
    ConnectAck = 5,
    /// The peer broke the protocol.
    ProtocolError = 6,
    /// The sender failed.
    InternalError = 7,
}

impl MessageType {
    /// The type a number stands for.
    pub fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Application,
            1 => Self::ApplicationError,
            2 => Self::Ping,
            3 => Self::PingResponse,
            4 => Self::Connect,
            5 => Self::ConnectAck,
            6 => Self::ProtocolError,
            7 => Self::InternalError,
            _ => return None,
        })
    }

    /// Whether it belongs to the connection, and so to stream 0, and not to a stream.
    pub fn is_control(self) -> bool {
        !matches!(self, Self::Application | Self::ApplicationError)
    }
}

/// The headers of a frame that decide what to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The number in [`MESSAGE_TYPE`].
    pub message_type: i32,
    /// The bits of [`MESSAGE_FLAGS`].
    pub flags: i32,
    /// The number in [`STREAM_ID`].
    pub stream: i32,
    /// [`OPERATION`], if it is there and text.
    pub operation: Option<&'a str>,
    /// [`VERSION`], if it is there and text.
    pub version: Option<&'a str>,
    /// [`SERVICE_MODEL_TYPE`], if it is there and text.
    pub model_type: Option<&'a str>,
}

/// A header that each frame must have is missing or not an int32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a required int32 header is missing: {0}")]
pub struct MissingHeader(pub &'static str);

impl<'a> Envelope<'a> {
    /// Reads the headers; their names are compared without regard to case, as the CRT does.
    pub fn read(frame: &'a Frame) -> Result<Self, MissingHeader> {
        let (mut message_type, mut flags, mut stream) = (None, None, None);
        let (mut operation, mut version, mut model_type) = (None, None, None);
        for (name, value) in frame.headers() {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match value {
                HeaderValue::Int32(number) if is(MESSAGE_TYPE) => message_type = Some(number),
                HeaderValue::Int32(number) if is(MESSAGE_FLAGS) => flags = Some(number),
                HeaderValue::Int32(number) if is(STREAM_ID) => stream = Some(number),
                HeaderValue::String(text) if is(OPERATION) => operation = Some(text),
                HeaderValue::String(text) if is(VERSION) => version = Some(text),
                HeaderValue::String(text) if is(SERVICE_MODEL_TYPE) => model_type = Some(text),
                _ => {}
            }
        }
        Ok(Self {
            message_type: message_type.ok_or(MissingHeader(MESSAGE_TYPE))?,
            flags: flags.ok_or(MissingHeader(MESSAGE_FLAGS))?,
            stream: stream.ok_or(MissingHeader(STREAM_ID))?,
            operation,
            version,
            model_type,
        })
    }

    /// Whether this is the last frame of its stream.
    pub fn terminates(&self) -> bool {
        self.flags & TERMINATE_STREAM != 0
    }
}
