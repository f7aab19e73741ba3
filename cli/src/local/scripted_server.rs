//! A nucleus for tests: a real Unix socket that answers what it was told to.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::BytesMut;
use marram_ipc::connection::Event;
use marram_ipc::{ErrorCode, IpcError, Operation, ServerConnection, reply};
use serde_json::Value;
use tempfile::TempDir;

use super::credentials::Credentials;

/// The token that the server accepts.
pub(super) const TOKEN: &str = "AAAABBBBCCCCDDDD";

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Response(Value),
    /// Of a subscription: an empty response, the events, the end.
    Events(Vec<Value>),
    /// Code and message.
    Error(&'static str, &'static str),
    Silence,
}

/// Serves one connection in a thread, which ends with the connection.
#[derive(Debug)]
pub(super) struct ScriptedServer {
    folder: TempDir,
    socket: PathBuf,
    seen: Receiver<(Operation, Value)>,
}

impl ScriptedServer {
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("ipc.socket");
        let listener = UnixListener::bind(&socket).unwrap();
        Self::serve(folder, socket, listener, answers)
    }

    /// The socket's path is longer than the system takes.
    pub(super) fn start_in_long_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bound = folder.path().join("s");
        let listener = UnixListener::bind(&bound).unwrap();
        let long = folder.path().join("long".repeat(40));
        std::fs::create_dir(&long).unwrap();
        std::fs::rename(bound, long.join("s")).unwrap();
        Self::serve(folder, long.join("s"), listener, Vec::new())
    }

    fn serve(
        folder: TempDir,
        socket: PathBuf,
        listener: UnixListener,
        answers: Vec<Answer>,
    ) -> Self {
        let (saw, seen) = channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            converse(stream, answers.into_iter(), &saw);
        });
        Self { folder, socket, seen }
    }

    pub(super) fn credentials(&self, token: &str) -> Credentials {
        Credentials { token: token.to_owned(), socket: self.socket.clone() }
    }

    /// A root folder whose `cli_ipc_info` leads to this server.
    pub(super) fn root(&self) -> PathBuf {
        let info = self.folder.path().join("cli_ipc_info");
        std::fs::create_dir_all(&info).unwrap();
        let user = marram_os::user::current().unwrap().uid;
        let text = serde_json::json!({"cli_auth_token": TOKEN, "domain_socket_path": self.socket});
        std::fs::write(info.join(format!("user-{user}")), text.to_string()).unwrap();
        self.folder.path().to_owned()
    }

    /// What was asked so far; at least one request, which it waits for.
    pub(super) fn requests(&self) -> Vec<(Operation, Value)> {
        let first = self.seen.recv_timeout(Duration::from_secs(10)).unwrap();
        std::iter::once(first).chain(self.seen.try_iter()).collect()
    }
}

fn converse(
    mut stream: UnixStream,
    mut answers: impl Iterator<Item = Answer>,
    saw: &Sender<(Operation, Value)>,
) {
    let mut connection = ServerConnection::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(event) = connection.next_event() {
            match event {
                Event::Connect { token } if token == TOKEN => connection.accept(),
                Event::Connect { .. } => connection.deny(),
                Event::Request { stream, operation, payload } => {
                    let request = serde_json::from_slice(&payload).unwrap();
                    // The test may have seen enough.
                    let _ = saw.send((operation, request));
                    let answer = answers.next().unwrap_or(Answer::Silence);
                    answer_to(connection.output(), stream, operation, answer);
                }
                Event::StreamClosed { .. } => {}
                Event::Close(_) => {
                    let _ = stream.write_all(&connection.output().split());
                    return;
                }
            }
        }
        if stream.write_all(&connection.output().split()).is_err() {
            return;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => connection.input().extend_from_slice(&buffer[..count]),
        }
    }
}

fn answer_to(out: &mut BytesMut, stream: i32, operation: Operation, answer: Answer) {
    match answer {
        Answer::Response(value) => {
            reply::response(out, stream, operation, value.to_string().as_bytes());
        }
        Answer::Events(events) => {
            reply::response(out, stream, operation, reply::EMPTY);
            for event in events {
                let kind = operation.event_type().unwrap();
                reply::event(out, stream, kind, event.to_string().as_bytes());
            }
            reply::end_stream(out, stream);
        }
        Answer::Error(code, message) => {
            let code = match code {
                "UnauthorizedError" => ErrorCode::Unauthorized,
                _ => ErrorCode::Service,
            };
            reply::error(out, stream, &IpcError::new(code, message));
        }
        Answer::Silence => {}
    }
}
