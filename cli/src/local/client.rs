//! A client of the nucleus: one connection, one request at a time, a deadline for each.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use marram_ipc::Operation;
use marram_ipc::client::{ClientConnection, Message, ReceiveMessage};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::credentials::Credentials;
use super::{Options, credentials, root};

/// For the socket to be connected.
const SOCKET_DEADLINE: Duration = Duration::from_secs(3);
/// For the token to be accepted, and for each answer (components, 2.3).
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// `sun_path` of the system without the final zero.
const MAX_PATH_BYTES: usize = 107;
const READ_BYTES: usize = 16 * 1024;

/// Why the nucleus did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallNucleus {
    /// Nobody listens.
    #[error("could not connect to {}: is the nucleus running?", path.display())]
    Connect {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The token is not valid.
    #[error(
        "the nucleus refused the token of {FOLDER}: it is of an earlier start, so try again, or \
         restart the nucleus",
        FOLDER = credentials::FOLDER
    )]
    Token,
    /// The operation failed.
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    /// The nucleus closed the connection with a reason.
    #[error("the nucleus closed the connection: {0}")]
    Failure(String),
    /// The nucleus went away.
    #[error("the nucleus closed the connection: see logs/greengrass.log in its root folder")]
    Closed,
    /// No answer.
    #[error("the nucleus did not answer within {} s: see logs/greengrass.log", .0.as_secs())]
    Deadline(Duration),
    /// The connection broke.
    #[error("the connection to the nucleus broke")]
    Socket(#[from] io::Error),
    /// What came is not the IPC protocol.
    #[error("the nucleus's answer could not be understood")]
    Receive(#[from] ReceiveMessage),
    /// The answer is not JSON.
    #[error("the nucleus's answer is not JSON")]
    Answer(#[from] serde_json::Error),
}

impl CallNucleus {
    /// True if the nucleus does not allow it.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "UnauthorizedError")
    }
}

/// A connection that the nucleus has accepted.
#[derive(Debug)]
pub(crate) struct Client {
    socket: UnixStream,
    connection: ClientConnection,
}

/// Connects to the nucleus whose root folder is meant.
pub(super) async fn connect(options: &Options) -> Result<Client> {
    let root = root::root(options)?;
    let opened = async {
        let credentials = credentials::read(&root)?;
        Ok::<_, anyhow::Error>(Client::open(&credentials).await?)
    };
    opened.await.context("Unable to create ipc client")
}

impl Client {
    /// Connects and shows the token.
    pub(crate) async fn open(credentials: &Credentials) -> Result<Self, CallNucleus> {
        let path = &credentials.socket;
        let socket = timeout(SOCKET_DEADLINE, connect_socket(path))
            .await
            .map_err(|_| CallNucleus::Deadline(SOCKET_DEADLINE))?
            .map_err(|source| CallNucleus::Connect { path: path.clone(), source })?;
        let mut client = Self { socket, connection: ClientConnection::new() };
        let hello = client.connection.connect(&credentials.token);
        let answer = async {
            client.socket.write_all(&hello).await?;
            match client.receive().await {
                Ok(Message::ConnectAck { accepted: true }) => Ok(()),
                // A server may close before its refusal is read.
                Ok(Message::ConnectAck { accepted: false }) | Err(CallNucleus::Closed) => {
                    Err(CallNucleus::Token)
                }
                Ok(other) => Err(unexpected(other)),
                Err(error) => Err(error),
            }
        };
        timeout(ANSWER_DEADLINE, answer)
            .await
            .map_err(|_| CallNucleus::Deadline(ANSWER_DEADLINE))??;
        Ok(client)
    }

    /// Asks, and waits for the answer. Of a subscription the events follow.
    pub(crate) async fn call(
        &mut self,
        operation: Operation,
        request: &Value,
    ) -> Result<Value, CallNucleus> {
        let (asked, frame) = self.connection.request(operation, request);
        let answer = async {
            self.socket.write_all(&frame).await?;
            match self.receive().await? {
                Message::Response { stream, payload, .. } if stream == asked => {
                    Ok(serde_json::from_slice(&payload)?)
                }
                other => Err(unexpected(other)),
            }
        };
        timeout(ANSWER_DEADLINE, answer)
            .await
            .map_err(|_| CallNucleus::Deadline(ANSWER_DEADLINE))?
    }

    /// The next event of the subscription; `None` when the nucleus has ended it. Waits as long as
    /// the user does: a topic may be silent for days.
    pub(super) async fn next_event(&mut self) -> Result<Option<Value>, CallNucleus> {
        match self.receive().await? {
            Message::Event { payload, .. } => Ok(Some(serde_json::from_slice(&payload)?)),
            Message::StreamClosed { .. } => Ok(None),
            other => Err(unexpected(other)),
        }
    }

    async fn receive(&mut self) -> Result<Message, CallNucleus> {
        loop {
            if let Some(message) = self.connection.next_message()? {
                return Ok(message);
            }
            let input = self.connection.input();
            input.reserve(READ_BYTES);
            if self.socket.read_buf(input).await? == 0 {
                return Err(CallNucleus::Closed);
            }
        }
    }
}

fn unexpected(message: Message) -> CallNucleus {
    match message {
        Message::Error { code, message, .. } => CallNucleus::Refused { code, message },
        Message::Failure { message } => CallNucleus::Failure(message),
        _ => CallNucleus::Closed,
    }
}

/// A path that is too long for the system is reached through its open folder.
async fn connect_socket(path: &Path) -> io::Result<UnixStream> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return UnixStream::connect(path).await;
    };
    if path.as_os_str().len() <= MAX_PATH_BYTES {
        return UnixStream::connect(path).await;
    }
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    UnixStream::connect(short).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::local::scripted_server::{Answer, ScriptedServer, TOKEN};

    #[tokio::test]
    async fn a_request_gets_its_answer() {
        let server = ScriptedServer::start(vec![Answer::Response(json!({"components": []}))]);
        let mut client = Client::open(&server.credentials(TOKEN)).await.unwrap();
        let answer = client.call(Operation::ListComponents, &json!({})).await.unwrap();
        assert_eq!(answer, json!({"components": []}));
        assert_eq!(server.requests(), [(Operation::ListComponents, json!({}))]);
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_code_and_text() {
        let server = ScriptedServer::start(vec![Answer::Error("UnauthorizedError", "no")]);
        let mut client = Client::open(&server.credentials(TOKEN)).await.unwrap();
        let error = client.call(Operation::ListComponents, &json!({})).await.unwrap_err();
        assert!(error.is_unauthorized());
        assert_eq!(error.to_string(), "UnauthorizedError: no");
    }

    #[tokio::test]
    async fn c3_an_old_token_is_refused() {
        let server = ScriptedServer::start(Vec::new());
        let error = Client::open(&server.credentials("OLD")).await.unwrap_err();
        assert!(matches!(error, CallNucleus::Token), "{error:?}");
    }

    #[tokio::test]
    async fn events_follow_a_subscription_until_it_ends() {
        let events = vec![json!({"n": 1}), json!({"n": 2})];
        let server = ScriptedServer::start(vec![Answer::Events(events)]);
        let mut client = Client::open(&server.credentials(TOKEN)).await.unwrap();
        client.call(Operation::SubscribeToTopic, &json!({"topic": "t"})).await.unwrap();
        assert_eq!(client.next_event().await.unwrap(), Some(json!({"n": 1})));
        assert_eq!(client.next_event().await.unwrap(), Some(json!({"n": 2})));
        assert_eq!(client.next_event().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_nucleus_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("ipc.socket");
        let credentials = Credentials { token: TOKEN.to_owned(), socket: socket.clone() };
        let error = Client::open(&credentials).await.unwrap_err().to_string();
        assert!(error.contains(&socket.display().to_string()), "{error}");
    }

    #[tokio::test]
    async fn a_nucleus_that_does_not_answer_is_given_up() {
        let server = ScriptedServer::start(vec![Answer::Silence]);
        let mut client = Client::open(&server.credentials(TOKEN)).await.unwrap();
        tokio::time::pause();
        let error = client.call(Operation::ListComponents, &json!({})).await.unwrap_err();
        assert!(matches!(error, CallNucleus::Deadline(ANSWER_DEADLINE)), "{error:?}");
    }

    #[tokio::test]
    async fn a_socket_whose_path_is_too_long_is_reached() {
        let server = ScriptedServer::start_in_long_folder();
        assert!(server.credentials(TOKEN).socket.as_os_str().len() > MAX_PATH_BYTES);
        Client::open(&server.credentials(TOKEN)).await.unwrap();
    }
}
