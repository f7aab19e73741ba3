//! A client's outgoing messages: waiting, in flight, acknowledged.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Instant;

use super::{Failure, Outcome};
use crate::packet::{Packet, PacketId, PubAck, PublishPacket};
use crate::publish::{Publish, QoS};

/// Outgoing messages in the order they were handed over.
#[derive(Debug)]
pub(super) struct Publishing<T> {
    waiting: VecDeque<Waiting<T>>,
    in_flight: VecDeque<InFlight<T>>,
    /// The QoS 0 message that is being encoded.
    encoding: Option<T>,
    window: usize,
}

/// How long a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// On each connection until its deadline.
    Session,
    /// On the present one only.
    Connection,
}

#[derive(Debug)]
struct Waiting<T> {
    token: T,
    publish: Publish,
    deadline: Instant,
    span: Span,
}

#[derive(Debug)]
struct InFlight<T> {
    packet_id: PacketId,
    publish: Publish,
    deadline: Instant,
    span: Span,
    /// Gone once the deadline has passed; the id stays taken until the acknowledgement.
    token: Option<T>,
    /// Sent on this connection.
    sent: bool,
    /// Sent within the server's session.
    dup: bool,
}

impl<T> Default for Publishing<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), in_flight: VecDeque::new(), encoding: None, window: 0 }
    }
}

impl<T> Publishing<T> {
    pub(super) fn enqueue(&mut self, token: T, publish: Publish, deadline: Instant, span: Span) {
        self.waiting.push_back(Waiting { token, publish, deadline, span });
    }

    /// Ends what was for this connection only: what was sent with `failure`, the rest as lost.
    pub(super) fn end_connection(&mut self, failure: &Failure) -> Vec<(T, Failure)> {
        let mut ended = Vec::new();
        for message in self.in_flight.iter_mut().filter(|m| m.span == Span::Connection) {
            let end = if message.sent { failure.clone() } else { Failure::Lost };
            ended.extend(message.token.take().map(|token| (token, end)));
        }
        let mut kept = VecDeque::new();
        for message in self.waiting.drain(..) {
            match message.span {
                Span::Session => kept.push_back(message),
                Span::Connection => ended.push((message.token, Failure::Lost)),
            }
        }
        self.waiting = kept;
        ended
    }

    /// The connection is gone. What was given up meanwhile is not sent again.
    pub(super) fn lost(&mut self) {
        self.in_flight.retain(|message| message.token.is_some());
        for message in &mut self.in_flight {
            message.sent = false;
        }
    }

    /// A server without the old session has not seen any of these messages.
    pub(super) fn connected(&mut self, window: NonZeroU16, session_present: bool) {
        self.window = usize::from(window.get());
        for message in &mut self.in_flight {
            message.dup &= session_present;
        }
    }

    /// Whether [`Self::next`] has a packet.
    pub(super) fn has_next(&self) -> bool {
        let has_window = self.in_flight.iter().filter(|message| message.sent).count() < self.window;
        if self.in_flight.iter().any(|message| !message.sent) {
            return has_window;
        }
        let first = self.waiting.front();
        first.is_some_and(|message| has_window || message.publish.qos == QoS::AtMostOnce)
    }

    /// The next packet to encode: first what an earlier connection left unacknowledged.
    pub(super) fn next(&mut self, fresh: PacketId) -> Option<Packet> {
        if !self.has_next() {
            return None;
        }
        if let Some(message) = self.in_flight.iter_mut().find(|message| !message.sent) {
            let dup = message.dup;
            message.sent = true;
            message.dup = true;
            return Some(packet(message.publish.clone(), Some(message.packet_id), dup));
        }
        let Waiting { token, publish, deadline, span } = self.waiting.pop_front()?;
        if publish.qos == QoS::AtMostOnce {
            self.encoding = Some(token);
            return Some(packet(publish, None, false));
        }
        self.in_flight.push_back(InFlight {
            packet_id: fresh,
            publish: publish.clone(),
            deadline,
            span,
            token: Some(token),
            sent: true,
            dup: true,
        });
        Some(packet(publish, Some(fresh), false))
    }

    /// The QoS 0 message from [`Self::next`] is encoded, which ends it.
    pub(super) fn end_unacknowledged(&mut self) -> Option<T> {
        self.encoding.take()
    }

    /// The message from [`Self::next`] could not be encoded.
    pub(super) fn withdraw(&mut self, packet_id: Option<PacketId>) -> Option<T> {
        let Some(packet_id) = packet_id else { return self.encoding.take() };
        self.remove(packet_id)?.token
    }

    /// Gives up the largest message in flight.
    pub(super) fn withdraw_largest(&mut self) -> Option<T> {
        let sent = self.in_flight.iter().filter(|message| message.sent);
        let largest = sent.max_by_key(|message| message.publish.payload.len())?.packet_id;
        self.remove(largest)?.token
    }

    /// The ended operation, and `None` in it when it was given up before.
    pub(super) fn acknowledged(&mut self, ack: PubAck) -> Option<(Option<T>, Outcome)> {
        let message = self.remove(ack.packet_id)?;
        let outcome =
            if ack.reason.is_error() { Err(Failure::Refused(ack.reason)) } else { Ok(ack.reason) };
        Some((message.token, outcome))
    }

    fn remove(&mut self, packet_id: PacketId) -> Option<InFlight<T>> {
        let at = self.in_flight.iter().position(|message| message.packet_id == packet_id)?;
        self.in_flight.remove(at)
    }

    /// The operations whose deadline has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<T> {
        let mut expired = Vec::new();
        for message in &mut self.in_flight {
            if message.deadline <= now {
                expired.extend(message.token.take());
            }
        }
        // Given up before it was sent again: nobody waits for it any more.
        self.in_flight.retain(|message| message.token.is_some() || message.sent);
        while let Some(first) = self.waiting.front()
            && first.deadline <= now
        {
            expired.extend(self.waiting.pop_front().map(|message| message.token));
        }
        expired
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let in_flight = self.in_flight.iter().find(|message| message.token.is_some());
        let waiting = self.waiting.front().map(|message| message.deadline);
        in_flight.map(|message| message.deadline).into_iter().chain(waiting).min()
    }

    pub(super) fn drain(&mut self) -> Vec<T> {
        let in_flight = self.in_flight.drain(..).filter_map(|message| message.token);
        in_flight.chain(self.waiting.drain(..).map(|message| message.token)).collect()
    }

    pub(super) fn uses(&self, packet_id: PacketId) -> bool {
        self.in_flight.iter().any(|message| message.packet_id == packet_id)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.iter().all(|message| message.token.is_none())
    }
}

fn packet(publish: Publish, packet_id: Option<PacketId>, dup: bool) -> Packet {
    Packet::Publish(Box::new(PublishPacket {
        publish,
        packet_id,
        dup,
        topic_alias: None,
        subscription_ids: Vec::new(),
    }))
}
