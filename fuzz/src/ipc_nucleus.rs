//! Requests to a whole nucleus over its socket, one a line: `Operation JSON`. Each gets an answer
//! within the deadline, whatever is asked; the nucleus outlives all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use marram_ipc::Operation;
use marram_ipc::client::{ClientConnection, Message};
use marram_nucleus::{Nucleus, NucleusSettings};
use marram_os::clock::SystemClock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);
const MAX_REQUESTS: usize = 8;

thread_local! {
    static DEVICE: RefCell<Device> = RefCell::new(Device::start());
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let requests: Vec<_> = text.lines().filter_map(request).take(MAX_REQUESTS).collect();
    DEVICE.with_borrow(|device| device.ask(&requests));
}

/// One line. A local deployment could name any folder of this machine, and is left out.
fn request(line: &str) -> Option<(Operation, &str)> {
    let (name, json) = line.split_once(' ')?;
    let operation = Operation::from_wire(&format!("aws.greengrass#{name}"))?;
    (operation != Operation::CreateLocalDeployment).then_some((operation, json))
}

struct Device {
    runtime: Runtime,
    _nucleus: Nucleus,
    socket: PathBuf,
    token: String,
    _root: TempDir,
}

impl Device {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a root folder");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let settings = NucleusSettings {
            root: root.path().to_owned(),
            init: None,
            natives: Vec::new(),
            clock: SystemClock::shared(),
            inherited: BTreeMap::new(),
        };
        let nucleus = runtime.block_on(Nucleus::start(settings)).expect("a nucleus");
        let (socket, token) = (nucleus.ipc_socket().to_owned(), token(root.path()));
        Self { runtime, _nucleus: nucleus, socket, token, _root: root }
    }

    fn ask(&self, requests: &[(Operation, &str)]) {
        let asked = async {
            let mut client = Client::connect(&self.socket, &self.token).await;
            for (operation, json) in requests {
                client.call(*operation, json.as_bytes()).await;
            }
        };
        let answered = self.runtime.block_on(async { timeout(DEADLINE, asked).await });
        assert!(answered.is_ok(), "no answer within {DEADLINE:?} to {requests:?}");
    }
}

/// The token that the nucleus leaves for its own user.
fn token(root: &Path) -> String {
    let file = std::fs::read_dir(root.join("cli_ipc_info"))
        .expect("the folder of tokens")
        .flatten()
        .next()
        .expect("a token file");
    let text = std::fs::read(file.path()).expect("the token file");
    let json: Value = serde_json::from_slice(&text).expect("JSON");
    json["cli_auth_token"].as_str().expect("a token").to_owned()
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
