//! The client's task: gives the session machine a socket, a clock, commands and events.

use std::collections::VecDeque;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use marram_mqtt::codec::{Decoder, Encoder};
use marram_mqtt::packet::PacketId;
use marram_mqtt::session::client::{Action, ClientSession, Outcome};
use marram_mqtt::{ByteString, Publish, QoS};
use marram_telemetry::Chain;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::backoff::Pauses;
use crate::options::Options;
use crate::transport::{self, Stream};

/// Room for one read; given back when the connection is idle.
const READ_CHUNK: usize = 4096;

/// How long the last bytes may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the application learns without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The broker accepted a connection.
    Connected {
        /// It still held the session, so no message queued meanwhile is lost.
        session_present: bool,
    },
    /// The connection broke, or an attempt failed for another reason than the one before.
    Disconnected {
        /// For people: the whole chain of causes.
        reason: String,
        /// Whether the broker has ended an accepted connection, perhaps because of a message.
        is_cut: bool,
    },
    /// A message arrived. A QoS 1 message is acknowledged once it is in the channel.
    Message(Publish),
}

/// What a handle asks of the task.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { publish: Publish, is_once: bool, deadline: Instant, reply: oneshot::Sender<Outcome> },
    Subscribe { filter: ByteString, qos: QoS, deadline: Instant, reply: oneshot::Sender<Outcome> },
    Unsubscribe { filter: ByteString, deadline: Instant, reply: oneshot::Sender<Outcome> },
    Stop { deadline: Instant, done: oneshot::Sender<()> },
}

/// The task's state.
pub(crate) struct Driver {
    options: Options,
    session: ClientSession<oneshot::Sender<Outcome>>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    connected: watch::Sender<bool>,
    /// Set once the client shall end, at the latest then.
    stop_at: Option<Instant>,
    stopped: Vec<oneshot::Sender<()>>,
}

/// How a connection ended.
struct Ended {
    /// For people.
    reason: String,
    /// How long it was accepted.
    lifetime: Option<Duration>,
    /// Whether the broker did it, perhaps because of a message.
    is_cut: bool,
}

impl Ended {
    fn unaccepted(reason: String) -> Self {
        Self { reason, lifetime: None, is_cut: false }
    }
}

/// The runtime's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Driver {
    pub(crate) fn new(
        options: Options,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        connected: watch::Sender<bool>,
    ) -> Self {
        let session = ClientSession::new(options.session_settings(), now());
        Self { options, session, commands, events, connected, stop_at: None, stopped: Vec::new() }
    }

    /// Runs until the client is stopped or all its handles are gone.
    pub(crate) async fn run(mut self) {
        let mut pauses = Pauses::new(self.options.reconnect);
        let mut last_reason = String::new();
        while self.stop_at.is_none() {
            let Some(Ended { reason, lifetime, is_cut }) = self.connect_once().await else { break };
            pauses.connection_lasted(lifetime.unwrap_or_default());
            if reason != last_reason || lifetime.is_some() {
                warn!(client_id = %self.options.client_id, %reason, "not connected");
                last_reason.clone_from(&reason);
                let events = self.events.clone();
                let event = Event::Disconnected { reason, is_cut };
                let report = async move { events.send(event).await };
                // An application that dropped the receiver does not want to know.
                let _ = self.meanwhile(report).await;
            }
            let pause = pauses.next(RandomState::new().hash_one(0_u8));
            self.meanwhile(sleep(pause)).await;
        }
        self.session.stop(now());
        self.dispatch_idle();
        for done in self.stopped.drain(..) {
            // The caller may have given up waiting.
            let _ = done.send(());
        }
    }

    /// One connection from its opening to its end. `None` when the client was stopped.
    async fn connect_once(&mut self) -> Option<Ended> {
        let options = self.options.clone();
        let deadline = tokio::time::Instant::now() + options.connect_timeout;
        let opening = async move {
            let Options { host, port, tls, socket_timeout, .. } = &options;
            let stream = transport::open(host, *port, tls.as_ref(), *socket_timeout);
            timeout_at(deadline, stream).await
        };
        let stream = match self.meanwhile(opening).await? {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Some(Ended::unaccepted(Chain(&error).to_string())),
            Err(_) => return Some(Ended::unaccepted(self.connect_timed_out())),
        };
        let reason = self.exchange(stream, deadline.into_std()).await;
        self.connected.send_replace(false);
        let is_cut = self.session.lost();
        reason.map(|(reason, accepted)| {
            let lifetime = accepted.map(|at| now().saturating_duration_since(at));
            Ended { reason, lifetime, is_cut }
        })
    }

    /// Waits for `future` and serves commands and deadlines until then; `None` when stopped.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        loop {
            self.dispatch_idle();
            if self.stop_at.is_some() {
                return None;
            }
            let tick = self.session.next_tick();
            tokio::select! {
                output = &mut future => return Some(output),
                command = self.commands.recv(), if self.session.has_room() => self.take(command),
                () = until(tick) => self.session.tick(now(), true),
            }
        }
    }

    /// Answers operations that ended while there is no connection.
    fn dispatch_idle(&mut self) {
        while let Some(action) = self.session.next_action() {
            if let Action::Done(reply, outcome) = action {
                // The caller may have given up waiting.
                let _ = reply.send(outcome);
            }
        }
    }

    fn take(&mut self, command: Option<Command>) {
        let now = now();
        match command {
            Some(Command::Publish { publish, is_once: false, deadline, reply }) => {
                self.session.publish(reply, publish, deadline, now);
            }
            Some(Command::Publish { publish, is_once: true, deadline, reply }) => {
                self.session.publish_once(reply, publish, deadline, now);
            }
            Some(Command::Subscribe { filter, qos, deadline, reply }) => {
                self.session.subscribe(reply, filter, qos, deadline, now);
            }
            Some(Command::Unsubscribe { filter, deadline, reply }) => {
                self.session.unsubscribe(reply, filter, deadline, now);
            }
            Some(Command::Stop { deadline, done }) => {
                self.stopped.push(done);
                self.stop_at = Some(self.stop_at.map_or(deadline, |other| other.min(deadline)));
            }
            None => self.stop_at = Some(now),
        }
    }

    /// Speaks MQTT on `stream`: why it ended, and when the broker accepted. `None` when stopped.
    async fn exchange(
        &mut self,
        stream: Box<dyn Stream>,
        accept_deadline: Instant,
    ) -> Option<(String, Option<Instant>)> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut decoder = Decoder::client(self.options.version, self.options.max_packet_size);
        let events = self.events.clone();
        let mut waiting: VecDeque<(Event, Option<PacketId>)> = VecDeque::new();
        let mut accepted = None;
        let mut flushed = true;
        self.session.opened(now());
        loop {
            // One packet at a time, so that a slow application stops the reading.
            while waiting.is_empty() {
                match decoder.decode() {
                    Ok(Some(packet)) => self.session.receive(packet, now()),
                    Ok(None) => break,
                    Err(error) => return Some((Chain(&error).to_string(), accepted)),
                }
                if let Some(reason) = self.dispatch(&mut waiting, &mut accepted) {
                    return Some((reason, accepted));
                }
            }
            if let Some(reason) = self.dispatch(&mut waiting, &mut accepted) {
                return Some((reason, accepted));
            }
            if accepted.is_none() && accept_deadline <= now() {
                return Some((self.connect_timed_out(), None));
            }
            if self.stop_at.is_some_and(|at| self.session.is_idle() || at <= now()) {
                self.farewell(&mut writer).await;
                return None;
            }
            let reading = waiting.is_empty();
            if !self.session.output().pending().is_empty() {
                flushed = false;
            }
            let serving = self.stop_at.is_none() && self.session.has_room();
            let accept_tick = accepted.is_none().then_some(accept_deadline);
            let tick = [self.session.next_tick(), self.stop_at, accept_tick].into_iter().flatten();
            let tick = tick.min();
            if reading {
                decoder.buffer().reserve(READ_CHUNK);
            }
            tokio::select! {
                received = reader.read_buf(decoder.buffer()), if reading => match received {
                    Ok(0) => return Some(("the broker closed the stream".to_owned(), accepted)),
                    Ok(_) => {}
                    Err(error) => return Some((Chain(&error).to_string(), accepted)),
                },
                sent = send(&mut writer, self.session.output()), if !flushed => match sent {
                    Ok(all) => {
                        flushed = all;
                        self.session.pump(now());
                    }
                    Err(error) => return Some((Chain(&error).to_string(), accepted)),
                },
                permit = events.reserve(), if !reading => {
                    if let Some((event, packet_id)) = waiting.pop_front() {
                        if let Ok(permit) = permit {
                            permit.send(event);
                        }
                        if let Some(packet_id) = packet_id {
                            self.session.delivered(packet_id, now());
                        }
                    }
                }
                command = self.commands.recv(), if serving => self.take(command),
                () = until(tick) => self.session.tick(now(), reading),
            }
        }
    }

    /// Does what the session asks for. The reason when the connection must end.
    fn dispatch(
        &mut self,
        waiting: &mut VecDeque<(Event, Option<PacketId>)>,
        accepted: &mut Option<Instant>,
    ) -> Option<String> {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Done(reply, outcome) => {
                    // The caller may have given up waiting.
                    let _ = reply.send(outcome);
                }
                Action::Deliver(publish, packet_id) => {
                    waiting.push_back((Event::Message(publish), packet_id));
                }
                Action::Connected { session_present } => {
                    info!(client_id = %self.options.client_id, session_present, "connected");
                    *accepted = Some(now());
                    self.connected.send_replace(true);
                    waiting.push_back((Event::Connected { session_present }, None));
                }
                Action::RenewalRefused { filter, reason } => {
                    warn!(%filter, %reason, "the broker does not renew a subscription");
                }
                Action::Close(reason) => return Some(reason.to_string()),
            }
        }
        None
    }

    /// Ends all operations and sends what is left, with DISCONNECT as the last packet.
    async fn farewell(&mut self, writer: &mut (impl AsyncWrite + Unpin)) {
        self.session.stop(now());
        let finish = async {
            while !send(writer, self.session.output()).await? {}
            writer.shutdown().await
        };
        if !matches!(timeout(FAREWELL, finish).await, Ok(Ok(()))) {
            debug!(client_id = %self.options.client_id, "DISCONNECT was not sent");
        }
    }

    fn connect_timed_out(&self) -> String {
        let Options { host, port, connect_timeout, .. } = &self.options;
        format!("{host}:{port} did not accept the connection within {connect_timeout:?}")
    }
}

/// Writes some bytes; flushes and returns true once all are written. Cancelling loses nothing.
async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    encoder: &mut Encoder,
) -> std::io::Result<bool> {
    if !encoder.pending().is_empty() {
        let count = writer.write(encoder.pending()).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        encoder.advance(count);
    }
    if !encoder.pending().is_empty() {
        return Ok(false);
    }
    writer.flush().await?;
    Ok(true)
}

/// Sleeps until `at`; for ever without one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
