//! One client's connection from its first byte to its last.
//!
//! A session is one task of two halves. The reading half handles requests one after the other, so
//! that they take effect in the order in which they arrived; the writing half empties the
//! [`Outbox`] meanwhile, so that a request that has to wait never keeps events from being sent.
//! What depends on the cloud (both IoT Core operations), or on a component inside the nucleus, is
//! begun in order and answered later. The
//! requests themselves are in `answers`.

mod answers;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use marram_ipc::connection::{CloseReason, Event, ServerConnection};
use marram_ipc::{IpcError, Operation};
use marram_model::ComponentName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::authorizer::Allowed;
use super::cli;
use super::outbox::{Outbox, Unsent};
use super::pubsub::LocalFilter;
use super::server::Shared;
use answers::Answer;

/// A client must send CONNECT within this time.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A client that takes nothing of what waits for it for so long is disconnected.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for a refused client to close first, so that it sees the refusal.
const DENIAL_DEADLINE: Duration = Duration::from_secs(1);
/// Room that each read of the socket gets, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// Requests of one client that may wait for the cloud at the same time.
const MAX_PENDING: usize = 256;
/// Longest wait of a further one for one of those to be answered.
const PENDING_DEADLINE: Duration = Duration::from_secs(1);
/// Configuration updates of one client that may wait for the disk at the same time.
const MAX_UPDATES: usize = 256;
/// Longest wait of a request for updates before it.
const DISK_DEADLINE: Duration = Duration::from_secs(10);

/// A stream of one of the server's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamKey {
    pub(super) connection: u64,
    pub(super) stream: i32,
}

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
enum EndSession {
    #[error("the client closed the connection")]
    ClosedByClient,
    #[error("the client sent no CONNECT within {CONNECT_DEADLINE:?}")]
    NoConnect,
    #[error("the connection is to be closed")]
    Closed(#[source] CloseReason),
    #[error("reading failed")]
    Read(#[source] io::Error),
    #[error("writing failed")]
    Write(#[source] io::Error),
    #[error("the client read nothing for {WRITE_DEADLINE:?}")]
    NotReading,
    #[error("the component's instance is gone, and its token with it")]
    TokenDied,
}

/// Serves one client until it or the server ends the connection.
pub(super) async fn serve(mut socket: UnixStream, server: Arc<Shared>, id: u64) {
    let outbox = Arc::new(Outbox::new(server.dropped_events.clone()));
    let mut session = Session {
        id,
        token: String::new(),
        token_deaths: server.tokens.deaths(),
        server,
        outbox: outbox.clone(),
        connection: ServerConnection::new(),
        component: None,
        allowed_publish: None,
        subscriptions: HashMap::new(),
        pending: JoinSet::new(),
        updates: JoinSet::new(),
        watches: JoinSet::new(),
    };
    let (mut reader, mut writer) = socket.split();
    let mut unsent = Unsent::default();
    let end = tokio::select! {
        end = session.read(&mut reader) => end,
        end = write(&outbox, &mut writer, &mut unsent) => end,
    };
    if let EndSession::Closed(reason) = &end {
        let deadline = Instant::now() + DENIAL_DEADLINE;
        outbox.take(&mut unsent);
        let _ = timeout_at(deadline, writer.write_all_buf(&mut unsent)).await;
        if *reason == CloseReason::Denied {
            wait_for_close(&mut reader, deadline).await;
        }
    }
    session.log(&end);
}

/// Waits until the client closes the connection.
async fn wait_for_close(reader: &mut ReadHalf<'_>, deadline: Instant) {
    let mut ignored = [0; 256];
    while matches!(timeout_at(deadline, reader.read(&mut ignored)).await, Ok(Ok(1..))) {}
}

/// Waits for bytes, and only then makes room for them: a client that says nothing costs no buffer.
async fn read_some(reader: &mut ReadHalf<'_>, input: &mut BytesMut) -> io::Result<usize> {
    if input.is_empty() {
        *input = BytesMut::new();
    }
    reader.readable().await?;
    input.reserve(READ_BYTES);
    reader.read_buf(input).await
}

/// Sends what is queued, for ever.
async fn write(outbox: &Outbox, writer: &mut WriteHalf<'_>, unsent: &mut Unsent) -> EndSession {
    loop {
        outbox.take(unsent);
        if unsent.is_empty() {
            outbox.filled().await;
            continue;
        }
        while !unsent.is_empty() {
            match timeout(WRITE_DEADLINE, writer.write_buf(unsent)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return EndSession::Write(error),
                Err(_) => return EndSession::NotReading,
            }
        }
    }
}

struct Session {
    id: u64,
    server: Arc<Shared>,
    outbox: Arc<Outbox>,
    connection: ServerConnection,
    component: Option<Arc<ComponentName>>,
    /// What the component proved itself with; empty for people, whose tokens die with the nucleus.
    token: String,
    token_deaths: watch::Receiver<()>,
    /// The decision of the last publish.
    allowed_publish: Option<Allowed>,
    subscriptions: HashMap<i32, Subscription>,
    /// Requests that wait for the cloud; each yields its stream if that ended with an error.
    pending: JoinSet<Option<i32>>,
    /// As `pending`, for updates of the configuration that wait for the disk.
    updates: JoinSet<Option<i32>>,
    /// What sends events, or waits for their end; each yields its stream if that is over.
    watches: JoinSet<Option<i32>>,
}

/// What a stream is subscribed to.
enum Subscription {
    Local(LocalFilter),
    IotCore,
    /// A task that sends its events.
    Task(AbortHandle),
    ComponentUpdates,
    ConfigurationValidation,
}

impl Session {
    async fn read(&mut self, reader: &mut ReadHalf<'_>) -> EndSession {
        let connect_deadline = Instant::now() + CONNECT_DEADLINE;
        loop {
            self.outbox.room_for_replies().await;
            tokio::select! {
                read = read_some(reader, self.connection.input()) => match read {
                    Ok(0) => return EndSession::ClosedByClient,
                    Ok(_) => {}
                    Err(error) => return EndSession::Read(error),
                },
                Some(done) = self.pending.join_next() => {
                    self.finish(done.ok().flatten());
                    continue;
                }
                Ok(()) = self.token_deaths.changed() => {
                    if self.token_has_died() {
                        return EndSession::TokenDied;
                    }
                    continue;
                }
                Some(done) = self.updates.join_next() => {
                    self.finish(done.ok().flatten());
                    while let Some(done) = self.updates.try_join_next() {
                        self.finish(done.ok().flatten());
                    }
                    continue;
                }
                Some(done) = self.watches.join_next() => {
                    self.finish(done.ok().flatten());
                    continue;
                }
                () = sleep_until(connect_deadline), if self.component.is_none() => {
                    return EndSession::NoConnect;
                }
            }
            while let Some(event) = self.connection.next_event() {
                if let Some(end) = self.handle(event).await {
                    return end;
                }
            }
            self.send_output();
        }
    }

    async fn handle(&mut self, event: Event) -> Option<EndSession> {
        let end = match event {
            Event::Connect { token } => self.connect(&token),
            Event::Request { stream, operation, payload } => {
                self.request(stream, operation, &payload).await;
                None
            }
            Event::StreamClosed { stream } => {
                self.unsubscribe(stream);
                None
            }
            Event::Close(reason) => Some(reason),
        };
        if end.is_some() {
            self.send_output();
        }
        end.map(EndSession::Closed)
    }

    fn connect(&mut self, token: &str) -> Option<CloseReason> {
        self.component = self.principal(token).map(Arc::new);
        if self.component.is_some() {
            self.connection.accept();
            return None;
        }
        self.connection.deny();
        Some(CloseReason::Denied)
    }

    fn token_has_died(&self) -> bool {
        !self.token.is_empty() && self.server.tokens.owner(&self.token).is_none()
    }

    /// The component that a token belongs to; people are [`cli::PRINCIPAL`].
    fn principal(&mut self, token: &str) -> Option<ComponentName> {
        if let Some(component) = self.server.tokens.owner(token) {
            token.clone_into(&mut self.token);
            return Some(component);
        }
        let identity = self.server.tokens.cli_identity(token)?;
        tracing::debug!(identity, "somebody connected with a token of cli_ipc_info");
        cli::PRINCIPAL.parse().ok()
    }

    /// Hands over what the protocol itself has to say.
    fn send_output(&mut self) {
        let output = self.connection.output();
        if !output.is_empty() {
            self.outbox.send(output);
            output.clear();
        }
    }

    /// Waits until one more request may wait for the cloud.
    async fn room_for_pending(&mut self) -> Result<(), IpcError> {
        let deadline = Instant::now() + PENDING_DEADLINE;
        while self.pending.len() >= MAX_PENDING {
            let Ok(Some(done)) = timeout_at(deadline, self.pending.join_next()).await else {
                return Err(IpcError::service(format!(
                    "{MAX_PENDING} requests of this connection wait for AWS IoT Core; try again \
                     when some are answered"
                )));
            };
            self.finish(done.ok().flatten());
        }
        Ok(())
    }

    /// Waits until one more update may wait for the disk.
    async fn room_for_update(&mut self) -> Result<(), IpcError> {
        self.wait_for_updates(MAX_UPDATES - 1).await
    }

    /// Waits until at most `left` updates of this client are on their way to the disk: none before
    /// a request of another kind, which has to see what came before it.
    async fn wait_for_updates(&mut self, left: usize) -> Result<(), IpcError> {
        let deadline = Instant::now() + DISK_DEADLINE;
        while self.updates.len() > left {
            let Ok(Some(done)) = timeout_at(deadline, self.updates.join_next()).await else {
                return Err(disk_is_slow());
            };
            self.finish(done.ok().flatten());
        }
        Ok(())
    }

    /// Cleans up after a request whose stream ended with an error.
    fn finish(&mut self, ended: Option<i32>) {
        if let Some(stream) = ended {
            self.subscriptions.remove(&stream);
            self.connection.stream_ended(stream);
        }
    }

    async fn request(&mut self, stream: i32, operation: Operation, payload: &[u8]) {
        let Some(component) = self.component.clone() else {
            return;
        };
        let answer = match operation {
            Operation::UpdateConfiguration => Ok(()),
            _ => self.wait_for_updates(0).await,
        };
        let answer = match answer {
            Ok(()) => self.answer(&component, stream, operation, payload).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Answer::Now(response)) => self.outbox.respond(stream, operation, &response),
            Ok(Answer::Later) => {}
            Err(error) => {
                self.outbox.fail(stream, &error);
                self.connection.stream_ended(stream);
            }
        }
    }

    fn add_lane(
        &self,
        component: &ComponentName,
        stream: i32,
        operation: Operation,
        resource: &str,
    ) {
        if let Some(event_type) = operation.event_type() {
            let subscriber = format!("{component}: {resource}");
            self.outbox.add_lane(stream, event_type, subscriber);
        }
    }

    fn key(&self, stream: i32) -> StreamKey {
        StreamKey { connection: self.id, stream }
    }

    /// Ends a stream that the client has closed.
    fn unsubscribe(&mut self, stream: i32) {
        if let Some(subscription) = self.subscriptions.remove(&stream) {
            self.end(stream, &subscription);
        }
        self.outbox.remove_lane(stream);
    }

    fn end(&self, stream: i32, subscription: &Subscription) {
        match subscription {
            Subscription::Local(filter) => {
                self.server.pubsub.unsubscribe(self.key(stream), filter);
            }
            Subscription::IotCore => {
                if let Some(fan_out) = &self.server.fan_out {
                    fan_out.remove(self.key(stream));
                }
            }
            Subscription::Task(task) => task.abort(),
            Subscription::ComponentUpdates => self.server.updates.unsubscribe(self.key(stream)),
            Subscription::ConfigurationValidation => {
                self.server.validators.unsubscribe(self.key(stream));
            }
        }
    }

    fn log(&self, end: &EndSession) {
        let component = self.component.as_deref().map_or("unknown", ComponentName::as_str);
        let source = std::error::Error::source(end).map(ToString::to_string);
        let source = source.unwrap_or_default();
        match end {
            EndSession::ClosedByClient => {
                tracing::debug!(component, "an IPC client closed its connection");
            }
            _ => tracing::warn!(component, source, "an IPC connection was ended: {end}"),
        }
    }
}

fn disk_is_slow() -> IpcError {
    IpcError::service(format!(
        "configuration updates before this request took more than {} s to be written; check the \
         disk and try again",
        DISK_DEADLINE.as_secs()
    ))
}

impl Drop for Session {
    /// Also when the server's shutdown cuts the session off.
    fn drop(&mut self) {
        for (stream, subscription) in std::mem::take(&mut self.subscriptions) {
            self.end(stream, &subscription);
        }
    }
}
