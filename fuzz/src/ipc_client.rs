//! A client of the IPC for the targets that talk to a server, and their inputs: requests, one a
//! line, as `Operation JSON`.

use std::path::Path;
use std::time::Duration;

use marram_ipc::Operation;
use marram_ipc::client::{ClientConnection, Message};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(8);
const MAX_REQUESTS: usize = 8;

/// What to ask for, with its JSON.
pub(crate) type Request<'a> = (Operation, &'a str);

/// The requests of an input; lines that are none are passed over.
pub(crate) fn requests(data: &[u8]) -> Vec<Request<'_>> {
    let text = std::str::from_utf8(data).unwrap_or_default();
    text.lines().filter_map(request).take(MAX_REQUESTS).collect()
}

/// One line. A local deployment could name any folder of this machine, and is left out.
fn request(line: &str) -> Option<Request<'_>> {
    let (name, json) = line.split_once(' ')?;
    let operation = Operation::from_wire(&format!("aws.greengrass#{name}"))?;
    (operation != Operation::CreateLocalDeployment).then_some((operation, json))
}

/// The runtime of a server and its client. The engine's `main` leaves SIGPIPE deadly, which Rust's
/// own ignores: a handler that nobody listens to does the same.
pub(crate) fn runtime() -> Runtime {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    drop(runtime.block_on(async { signal(SignalKind::pipe()) }).expect("a handler of SIGPIPE"));
    runtime
}

/// Makes all requests over one connection: each gets an answer within the deadline.
pub(crate) async fn ask(socket: &Path, token: &str, requests: &[Request<'_>]) {
    let asked = async {
        let mut client = Client::connect(socket, token).await;
        for (operation, json) in requests {
            client.call(*operation, json.as_bytes()).await;
        }
    };
    let answered = timeout(DEADLINE, asked).await;
    assert!(answered.is_ok(), "no answer within {DEADLINE:?} to {requests:?}");
}

struct Client {
    socket: UnixStream,
    connection: ClientConnection,
}

impl Client {
    async fn connect(socket: &Path, token: &str) -> Self {
        let socket = UnixStream::connect(socket).await.expect("the nucleus listens");
        let mut client = Self { socket, connection: ClientConnection::new() };
        let hello = client.connection.connect(token);
        client.socket.write_all(&hello).await.expect("the nucleus reads");
        let answer = client.next().await;
        assert_eq!(answer, Message::ConnectAck { accepted: true });
        client
    }

    /// One request, until its answer; events of earlier ones may come before.
    async fn call(&mut self, operation: Operation, json: &[u8]) {
        let (asked, request) = self.connection.request_bytes(operation, json);
        self.socket.write_all(&request).await.expect("the nucleus reads");
        loop {
            match self.next().await {
                Message::Response { stream, payload, .. } if stream == asked => {
                    let answer: Value = serde_json::from_slice(&payload).expect("JSON");
                    assert!(answer.is_object(), "{operation:?}: {answer}");
                    return;
                }
                Message::Error { stream, code, message, .. } if stream == asked => {
                    assert!(!code.is_empty(), "{operation:?}: {message}");
                    return;
                }
                Message::Event { .. } | Message::StreamClosed { .. } => {}
                other => panic!("{operation:?} was answered by {other:?}"),
            }
        }
    }

    async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.connection.next_message().expect("frames") {
                return message;
            }
            let read = self.socket.read_buf(self.connection.input()).await.expect("a socket");
            assert_ne!(read, 0, "the nucleus closed the connection");
        }
    }
}
