//! A server's queue of messages towards one client.
//!
//! It holds what waits and what is sent but not acknowledged, is bounded in messages and bytes,
//! and survives the connection as long as the session does. The invariant: no more than
//! `receive maximum` QoS 1 messages are unacknowledged, and they are acknowledged or sent again
//! in their first order.

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::packet_id::PacketIds;
use crate::packet::{PacketId, PublishPacket};
use crate::publish::{Publish, QoS};

#[cfg(test)]
mod tests;

/// A message as the server keeps it: shared by all its receivers, with its end of life.
#[derive(Debug)]
pub struct Message {
    /// What the publisher sent.
    pub publish: Publish,
    /// When the message expires (MQTT 5 Message Expiry Interval).
    pub expires_at: Option<Instant>,
}

impl Message {
    /// A message received at `now`.
    pub fn new(publish: Publish, now: Instant) -> Self {
        let lifetime = publish.properties.message_expiry_s;
        let expires_at =
            lifetime.and_then(|secs| now.checked_add(Duration::from_secs(u64::from(secs))));
        Self { publish, expires_at }
    }

    /// Whether the message's life is over at `now`.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Bytes this message is charged with against a queue's bound.
    fn weight(&self) -> usize {
        self.publish.topic.len() + self.publish.payload.len()
    }
}

/// One message for one receiver.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: Arc<Message>,
    /// The lower of the message's and the subscription's QoS.
    pub qos: QoS,
    /// Retain flag to send.
    pub retain: bool,
    /// Identifiers of the subscriptions that matched.
    pub subscription_ids: Vec<NonZeroU32>,
}

/// Bounds of an [`Outbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most waiting messages.
    pub max_messages: usize,
    /// Most bytes of waiting topics and payloads.
    pub max_bytes: usize,
}

/// What became of a message handed to [`Outbox::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be sent.
    Queued,
    /// A QoS 0 message that found no place, or any for which no connection or no room is left.
    Dropped,
    /// A QoS 1 message found no place although the client is connected: the client is too slow
    /// and its connection must end. The message is dropped.
    Overflow,
}

/// A delivery and its place in the session's order, from 1.
#[derive(Debug)]
struct Entry {
    position: u64,
    delivery: Delivery,
}

/// The queue. See the [module](self).
///
/// Who keeps sessions on disk asks for [`Outbox::take_unsaved`] and [`Outbox::take_settled`] from
/// time to time: what came and went between two questions is in neither.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Entry>,
    waiting_bytes: usize,
    unacknowledged: VecDeque<(PacketId, Entry)>,
    unacknowledged_bytes: usize,
    last_position: u64,
    /// QoS 1 messages up to this position were taken to be saved.
    saved: u64,
    /// Positions of saved messages that are done with.
    settled: Vec<u64>,
    /// How many of `unacknowledged`, from the front, this connection has sent.
    sent: usize,
    ids: PacketIds,
    /// The client's receive maximum; `None` while it is not connected.
    window: Option<NonZeroU16>,
}

impl Outbox {
    /// Adds a message.
    pub fn push(&mut self, delivery: Delivery, limits: &OutboxLimits) -> Pushed {
        let connected = self.window.is_some();
        if !connected && delivery.qos == QoS::AtMostOnce {
            return Pushed::Dropped;
        }
        let weight = delivery.message.weight();
        match (!self.has_room_for(&delivery, limits), delivery.qos) {
            (false, _) => {
                self.waiting_bytes += weight;
                self.last_position += 1;
                self.waiting.push_back(Entry { position: self.last_position, delivery });
                Pushed::Queued
            }
            (true, QoS::AtLeastOnce) if connected => Pushed::Overflow,
            (true, _) => Pushed::Dropped,
        }
    }

    /// Whether one more message finds a place.
    pub fn has_room_for(&self, delivery: &Delivery, limits: &OutboxLimits) -> bool {
        let bytes = self.waiting_bytes.saturating_add(delivery.message.weight());
        self.waiting.len() < limits.max_messages && bytes <= limits.max_bytes
    }

    /// The client is connected and takes `receive_maximum` unacknowledged messages.
    ///
    /// Messages of an earlier connection that were not acknowledged are sent again first.
    pub fn attach(&mut self, receive_maximum: NonZeroU16) {
        self.window = Some(receive_maximum);
        self.sent = 0;
    }

    /// The connection is gone: what only it could get (QoS 0) is dropped.
    pub fn detach(&mut self) {
        self.window = None;
        self.retain_waiting(|delivery| delivery.qos == QoS::AtLeastOnce);
    }

    /// Keeps only waiting messages for which `keep` holds.
    pub fn retain_waiting(&mut self, mut keep: impl FnMut(&Delivery) -> bool) {
        let mut dropped = Vec::new();
        self.waiting.retain(|entry| {
            let stays = keep(&entry.delivery);
            if !stays && entry.is_saved(self.saved) {
                dropped.push(entry.position);
            }
            stays
        });
        self.settled.append(&mut dropped);
        self.waiting_bytes = self.waiting.iter().map(Entry::weight).sum();
        self.waiting.shrink_to_fit();
    }

    /// Puts back what was saved of an earlier life, in its order and without a bound.
    pub fn restore(&mut self, position: u64, delivery: Delivery) {
        self.last_position = self.last_position.max(position);
        self.saved = self.last_position;
        let entry = Entry { position, delivery };
        self.waiting_bytes += entry.weight();
        self.waiting.push_back(entry);
    }

    /// The QoS 1 messages that were never given out here, with their positions; they count as
    /// saved from now on.
    pub fn take_unsaved(&mut self) -> Vec<(u64, Delivery)> {
        let saved = std::mem::replace(&mut self.saved, self.last_position);
        let in_flight = self.unacknowledged.iter().map(|(_, entry)| entry);
        // Positions rise, so what is new is at the back.
        let new = in_flight.chain(&self.waiting).rev().take_while(|entry| entry.position > saved);
        let mut new: Vec<_> = new
            .filter(|entry| entry.delivery.qos == QoS::AtLeastOnce)
            .map(|entry| (entry.position, entry.delivery.clone()))
            .collect();
        new.reverse();
        new
    }

    /// The positions of saved messages that are acknowledged, expired or dropped.
    pub fn take_settled(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.settled)
    }

    /// Whether [`Self::take_settled`] would give anything.
    pub fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Nothing is saved any more.
    pub fn forget_saved(&mut self) {
        self.saved = 0;
        self.settled = Vec::new();
    }

    fn settle(&mut self, entry: &Entry) {
        if entry.is_saved(self.saved) {
            self.settled.push(entry.position);
        }
    }

    /// The next packet to send, `None` when nothing waits or the window is full.
    ///
    /// Expired messages are skipped; the expiry of the others is lowered by the time they waited.
    pub fn next(&mut self, now: Instant) -> Option<PublishPacket> {
        let window = usize::from(self.window?.get());
        if let Some((packet_id, entry)) = self.unacknowledged.get(self.sent) {
            if self.sent >= window {
                return None;
            }
            self.sent += 1;
            return Some(packet(&entry.delivery, Some(*packet_id), true, now));
        }
        loop {
            let next = &self.waiting.front()?.delivery;
            let needs_id = next.qos == QoS::AtLeastOnce;
            if needs_id && self.unacknowledged.len() >= window {
                return None;
            }
            let entry = self.waiting.pop_front()?;
            self.waiting_bytes -= entry.weight();
            if self.waiting.is_empty() {
                self.waiting = VecDeque::new();
            }
            if entry.delivery.message.is_expired(now) {
                self.settle(&entry);
                continue;
            }
            if !needs_id {
                return Some(packet(&entry.delivery, None, false, now));
            }
            let unacknowledged = &self.unacknowledged;
            let packet_id =
                self.ids.allocate(|id| unacknowledged.iter().any(|(used, _)| *used == id))?;
            let to_send = packet(&entry.delivery, Some(packet_id), false, now);
            self.unacknowledged_bytes += entry.weight();
            self.unacknowledged.push_back((packet_id, entry));
            self.sent += 1;
            return Some(to_send);
        }
    }

    /// The client acknowledged `packet_id`. False when it was not waiting for that.
    pub fn acknowledge(&mut self, packet_id: PacketId) -> bool {
        let Some(at) = self.unacknowledged.iter().position(|(id, _)| *id == packet_id) else {
            return false;
        };
        if let Some((_, entry)) = self.unacknowledged.remove(at) {
            self.unacknowledged_bytes -= entry.weight();
            self.settle(&entry);
        }
        if at < self.sent {
            self.sent -= 1;
        }
        if self.unacknowledged.is_empty() {
            self.unacknowledged = VecDeque::new();
        }
        true
    }

    /// Bytes of all topics and payloads that are held, waiting or unacknowledged.
    pub fn held_bytes(&self) -> usize {
        self.waiting_bytes + self.unacknowledged_bytes
    }

    /// Number of messages that wait to be sent for the first time.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Number of messages sent and not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.len()
    }
}

impl Entry {
    fn weight(&self) -> usize {
        self.delivery.message.weight()
    }

    fn is_saved(&self, saved: u64) -> bool {
        self.position <= saved && self.delivery.qos == QoS::AtLeastOnce
    }
}

fn packet(
    delivery: &Delivery,
    packet_id: Option<PacketId>,
    dup: bool,
    now: Instant,
) -> PublishPacket {
    let mut publish = delivery.message.publish.clone();
    publish.qos = delivery.qos;
    publish.retain = delivery.retain;
    if let Some(expires_at) = delivery.message.expires_at {
        publish.properties.message_expiry_s = Some(seconds_until(expires_at, now));
    }
    PublishPacket {
        publish,
        packet_id,
        dup,
        topic_alias: None,
        subscription_ids: delivery.subscription_ids.clone(),
    }
}

/// Whole seconds until `at`, rounded up, at least 1: the wire's 0 would mean "expired".
fn seconds_until(at: Instant, now: Instant) -> u32 {
    let left = at.saturating_duration_since(now);
    let rounded_up = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    u32::try_from(rounded_up).unwrap_or(u32::MAX).max(1)
}
