//! What one client is to be sent, and what happens when it does not read.
//!
//! Replies keep the order of requests and are never dropped: a client that does not take them is
//! not read from either. Events wait in one lane per stream. A publisher that finds a lane full
//! waits for a moment ([`Outbox::deliver`]); if the client has not caught up by then, the lane is
//! *lagging*: from now on its oldest event makes room for the newest, without waiting, until the
//! client has read half of it. So a slow subscriber costs a publisher one delay, not one for each
//! message, and never another subscriber's events.
//!
//! An event is one [`Bytes`] whoever gets it: lanes hold references to it, and so does [`Unsent`],
//! what is on its way to one client.
//!
//! A stream's response always goes out before its events: its lane is closed until the response is
//! queued, and replies go first.

#[cfg(test)]
mod tests;
mod unsent;

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use marram_ipc::frame::MAX_FRAME;
use marram_ipc::{IpcError, Operation, reply};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

pub(super) use unsent::Unsent;

/// Events that may wait for one stream.
const LANE_EVENTS: usize = 1024;
/// Bytes of events that may wait for one stream; a single larger event may, too.
const LANE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of events that may wait for one client, whatever the number of its streams.
const CLIENT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of replies from which on the client's requests wait.
const REPLY_BYTES: usize = 256 * 1024;
/// Bytes that are handed to the socket at once, if no single frame is larger.
const BATCH_BYTES: usize = 64 * 1024;
/// What an event's frame adds to its payload, at most.
const EVENT_OVERHEAD: usize = 256;

/// The queues of one client.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes whoever waits for room.
    drained: Notify,
    /// Events dropped for all clients of the server.
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    replies: BytesMut,
    lanes: HashMap<i32, Lane>,
    /// Open lanes with events, in the order in which they get their turn.
    turns: VecDeque<i32>,
    event_bytes: usize,
}

#[derive(Debug)]
struct Lane {
    event_type: &'static str,
    /// Whose stream it is and of what, for logs.
    subscriber: String,
    events: VecDeque<Bytes>,
    bytes: usize,
    is_open: bool,
    is_lagging: bool,
    /// The stream ends when its events are sent.
    is_ending: bool,
    /// Dropped since it began to lag.
    dropped: u64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// It waits to be sent, or its stream is over.
    Done,
    /// There is no room for it.
    Full,
}

/// A part of the queues, taken out to be sent.
#[derive(Debug, Default)]
struct Batch {
    replies: BytesMut,
    events: Vec<Event>,
}

/// An event that has got its turn.
#[derive(Debug)]
struct Event {
    stream: i32,
    event_type: &'static str,
    payload: Bytes,
}

impl Outbox {
    /// Empty queues that count what they drop in `dropped`.
    pub(super) fn new(dropped: Arc<AtomicU64>) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), drained: Notify::new(), dropped }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues frames of the connection itself.
    pub(super) fn send(&self, frames: &[u8]) {
        self.lock().replies.extend_from_slice(frames);
        self.filled.notify_one();
    }

    /// Queues a response. That of an operation with events opens the stream's lane; it is dropped
    /// if the client ended the stream in between.
    pub(super) fn respond(&self, stream: i32, operation: Operation, payload: &[u8]) {
        let mut state = self.lock();
        if operation.is_streaming() {
            let Some(lane) = state.lanes.get_mut(&stream) else {
                return;
            };
            lane.is_open = true;
            if !lane.events.is_empty() {
                state.turns.push_back(stream);
            }
        }
        reply::response(&mut state.replies, stream, operation, payload);
        self.filled.notify_one();
    }

    /// Queues an error, which ends the stream.
    pub(super) fn fail(&self, stream: i32, error: &IpcError) {
        let mut state = self.lock();
        state.remove_lane(stream);
        reply::error(&mut state.replies, stream, error);
        self.filled.notify_one();
    }

    /// Queues an error that was decided after the request was handled; nothing if the client ended
    /// the stream in between.
    pub(super) fn fail_if_open(&self, stream: i32, error: &IpcError) {
        if self.lock().lanes.contains_key(&stream) {
            self.fail(stream, error);
        }
    }

    /// Makes a lane for the events of a stream, closed until [`Outbox::respond`].
    pub(super) fn add_lane(&self, stream: i32, event_type: &'static str, subscriber: String) {
        let lane = Lane {
            event_type,
            subscriber,
            events: VecDeque::new(),
            bytes: 0,
            is_open: false,
            is_lagging: false,
            is_ending: false,
            dropped: 0,
        };
        self.lock().lanes.insert(stream, lane);
    }

    /// Forgets a stream's events; nothing more is sent on it.
    pub(super) fn remove_lane(&self, stream: i32) {
        self.lock().remove_lane(stream);
        self.drained.notify_waiters();
    }

    /// Ends an open stream behind its events.
    pub(super) fn end_stream(&self, stream: i32) {
        let mut state = self.lock();
        if let Some(lane) = state.lanes.get_mut(&stream) {
            lane.is_ending = true;
            if lane.events.is_empty() {
                state.end_stream(stream);
            }
            self.filled.notify_one();
        }
    }

    /// Queues an event if there is room.
    pub(super) fn push(&self, stream: i32, event: &Bytes) -> Push {
        let mut state = self.lock();
        let has_room_for_client = state.event_bytes + event.len() <= CLIENT_BYTES;
        let Some(lane) = state.lanes.get_mut(&stream) else {
            return Push::Done;
        };
        if event.len() > MAX_FRAME - EVENT_OVERHEAD {
            tracing::warn!(
                subscriber = lane.subscriber,
                bytes = event.len(),
                "an event is larger than an IPC frame can be and was dropped"
            );
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Push::Done;
        }
        if lane.has_room(event.len()) && (has_room_for_client || lane.events.is_empty()) {
            state.queue(stream, event.clone());
            self.filled.notify_one();
            return Push::Done;
        }
        if !lane.is_lagging {
            return Push::Full;
        }
        self.queue_over_oldest(&mut state, stream, event);
        Push::Done
    }

    /// Queues an event, waiting for room until `deadline` and then dropping the oldest ones.
    pub(super) async fn deliver(&self, stream: i32, event: &Bytes, deadline: Instant) {
        loop {
            let mut drained = pin!(self.drained.notified());
            drained.as_mut().enable();
            if self.push(stream, event) == Push::Done {
                return;
            }
            if timeout_at(deadline, drained).await.is_err() {
                self.begin_to_lag(stream);
            }
        }
    }

    fn begin_to_lag(&self, stream: i32) {
        if let Some(lane) = self.lock().lanes.get_mut(&stream)
            && !lane.is_lagging
        {
            lane.is_lagging = true;
            tracing::warn!(
                subscriber = lane.subscriber,
                waiting = lane.events.len(),
                "a subscriber reads too slowly: its oldest events are dropped until it catches up"
            );
        }
    }

    fn queue_over_oldest(&self, state: &mut State, stream: i32, event: &Bytes) {
        while let Some(lane) = state.lanes.get_mut(&stream)
            && !lane.has_room(event.len())
            && let Some(oldest) = lane.events.pop_front()
        {
            lane.bytes -= oldest.len();
            lane.dropped += 1;
            state.event_bytes -= oldest.len();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        state.queue(stream, event.clone());
        self.filled.notify_one();
    }

    /// Ends when there is room for more replies.
    pub(super) async fn room_for_replies(&self) {
        while self.lock().replies.len() >= REPLY_BYTES {
            let mut drained = pin!(self.drained.notified());
            drained.as_mut().enable();
            if self.lock().replies.len() >= REPLY_BYTES {
                drained.await;
            }
        }
    }

    /// Ends when there is something to send.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Moves frames to `out`, as many as are worth a write; nothing if nothing waits.
    pub(super) fn take(&self, out: &mut Unsent) {
        let Batch { replies, events } = self.lock().take_batch();
        out.frames(replies, events);
        self.drained.notify_waiters();
    }
}

impl State {
    fn queue(&mut self, stream: i32, event: Bytes) {
        let Some(lane) = self.lanes.get_mut(&stream) else {
            return;
        };
        lane.bytes += event.len();
        self.event_bytes += event.len();
        if lane.events.is_empty() && lane.is_open {
            self.turns.push_back(stream);
        }
        lane.events.push_back(event);
    }

    fn remove_lane(&mut self, stream: i32) {
        if let Some(lane) = self.lanes.remove(&stream) {
            self.event_bytes -= lane.bytes;
            self.turns.retain(|turn| *turn != stream);
            lane.report_dropped();
        }
    }

    fn end_stream(&mut self, stream: i32) {
        self.remove_lane(stream);
        reply::end_stream(&mut self.replies, stream);
    }

    fn take_batch(&mut self) -> Batch {
        let mut batch = Batch { replies: std::mem::take(&mut self.replies), events: Vec::new() };
        let mut bytes = batch.replies.len();
        while bytes < BATCH_BYTES
            && let Some(stream) = self.turns.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&stream) else {
                continue;
            };
            while bytes < BATCH_BYTES
                && let Some(event) = lane.events.pop_front()
            {
                lane.bytes -= event.len();
                self.event_bytes -= event.len();
                bytes += event.len() + EVENT_OVERHEAD;
                let event_type = lane.event_type;
                batch.events.push(Event { stream, event_type, payload: event });
            }
            if lane.is_lagging && lane.events.len() <= LANE_EVENTS / 2 {
                lane.is_lagging = false;
                lane.report_dropped();
                lane.dropped = 0;
            }
            if !lane.events.is_empty() {
                self.turns.push_back(stream);
            } else if lane.is_ending {
                // Goes out with the replies of the next batch, behind these events.
                self.end_stream(stream);
            }
        }
        batch
    }
}

impl Lane {
    fn has_room(&self, bytes: usize) -> bool {
        self.events.is_empty()
            || (self.events.len() < LANE_EVENTS && self.bytes + bytes <= LANE_BYTES)
    }

    fn report_dropped(&self) {
        if self.dropped > 0 {
            tracing::warn!(
                subscriber = self.subscriber,
                dropped = self.dropped,
                "a subscriber that read too slowly missed events"
            );
        }
    }
}
