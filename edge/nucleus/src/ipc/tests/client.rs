//! A component's end of the socket.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use marram_ipc::Operation;
use marram_ipc::client::{ClientConnection, Message};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longest wait for anything that must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) struct Client {
    pub(crate) socket: UnixStream,
    pub(crate) connection: ClientConnection,
    events: VecDeque<(i32, Value)>,
    /// Every message received, in order.
    pub(crate) received: Vec<Message>,
}

/// `("UnauthorizedError", "Not Authorized")`.
pub(crate) type Failure = (String, String);

impl Client {
    pub(crate) async fn open(path: &Path) -> Self {
        let socket = UnixStream::connect(path).await.unwrap();
        let connection = ClientConnection::new();
        Self { socket, connection, events: VecDeque::new(), received: Vec::new() }
    }

    pub(crate) async fn connect(path: &Path, token: &str) -> Self {
        let mut client = Self::open(path).await;
        let hello = client.connection.connect(token);
        client.send(&hello).await;
        assert_eq!(client.message().await, Some(Message::ConnectAck { accepted: true }));
        client
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) {
        timeout(DEADLINE, self.socket.write_all(frame)).await.unwrap().unwrap();
    }

    /// The next message; `None` when the server closes the connection.
    pub(crate) async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.connection.next_message().unwrap() {
                self.received.push(message.clone());
                return Some(message);
            }
            let input = self.connection.input();
            input.reserve(4096);
            let read = timeout(DEADLINE, self.socket.read_buf(input)).await;
            match read.expect("no message came") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Sends a request and takes its answer; events that come before are kept.
    pub(crate) async fn call(
        &mut self,
        operation: Operation,
        request: Value,
    ) -> Result<Value, Failure> {
        let (stream, frame) = self.connection.request(operation, &request);
        self.send(&frame).await;
        self.answer(stream).await
    }

    /// Sends requests at once and takes their answers, which may come in any order; the order here
    /// is that of the requests. Events are kept.
    pub(crate) async fn pipeline(
        &mut self,
        requests: Vec<(Operation, Value)>,
    ) -> Vec<Result<Value, Failure>> {
        let mut frames = Vec::new();
        let streams: Vec<i32> = requests
            .iter()
            .map(|(operation, request)| {
                let (stream, frame) = self.connection.request(*operation, request);
                frames.extend_from_slice(&frame);
                stream
            })
            .collect();
        self.send(&frames).await;
        let mut answers = BTreeMap::new();
        while answers.len() < streams.len() {
            match self.message().await.expect("the connection was closed") {
                Message::Response { stream, payload, .. } => {
                    answers.insert(stream, Ok(serde_json::from_slice(&payload).unwrap()));
                }
                Message::Error { stream, code, message, .. } => {
                    answers.insert(stream, Err((code, message)));
                }
                other => self.keep(other),
            }
        }
        streams.iter().map(|stream| answers.remove(stream).unwrap()).collect()
    }

    pub(crate) async fn answer(&mut self, wanted: i32) -> Result<Value, Failure> {
        loop {
            match self.message().await.expect("the connection was closed") {
                Message::Response { stream, payload, .. } if stream == wanted => {
                    return Ok(serde_json::from_slice(&payload).unwrap());
                }
                Message::Error { stream, code, message, .. } if stream == wanted => {
                    return Err((code, message));
                }
                other => self.keep(other),
            }
        }
    }

    /// Subscribes and returns the stream.
    pub(crate) async fn subscribe(
        &mut self,
        operation: Operation,
        request: Value,
    ) -> Result<i32, Failure> {
        let (stream, frame) = self.connection.request(operation, &request);
        self.send(&frame).await;
        let response = self.answer(stream).await?;
        assert_eq!(response, serde_json::json!({}));
        Ok(stream)
    }

    pub(crate) async fn end_stream(&mut self, stream: i32) {
        let frame = self.connection.end_stream(stream);
        self.send(&frame).await;
    }

    /// The next event, with its stream.
    pub(crate) async fn event(&mut self) -> (i32, Value) {
        while self.events.is_empty() {
            let message = self.message().await.expect("the connection was closed");
            self.keep(message);
        }
        self.events.pop_front().unwrap()
    }

    fn keep(&mut self, message: Message) {
        match message {
            Message::Event { stream, payload, .. } => {
                self.events.push_back((stream, serde_json::from_slice(&payload).unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Expects that the server closes the connection.
    pub(crate) async fn assert_closed(&mut self) {
        assert_eq!(self.message().await, None);
    }
}
