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

/// The queue. See the [module](self).
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Delivery>,
    waiting_bytes: usize,
    unacknowledged: VecDeque<(PacketId, Delivery)>,
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
        let full = self.waiting.len() >= limits.max_messages
            || self.waiting_bytes.saturating_add(weight) > limits.max_bytes;
        match (full, delivery.qos) {
            (false, _) => {
                self.waiting_bytes += weight;
                self.waiting.push_back(delivery);
                Pushed::Queued
            }
            (true, QoS::AtLeastOnce) if connected => Pushed::Overflow,
            (true, _) => Pushed::Dropped,
        }
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
    pub fn retain_waiting(&mut self, keep: impl FnMut(&Delivery) -> bool) {
        self.waiting.retain(keep);
        self.waiting_bytes = self.waiting.iter().map(|delivery| delivery.message.weight()).sum();
        self.waiting.shrink_to_fit();
    }

    /// The next packet to send, `None` when nothing waits or the window is full.
    ///
    /// Expired messages are skipped; the expiry of the others is lowered by the time they waited.
    pub fn next(&mut self, now: Instant) -> Option<PublishPacket> {
        let window = usize::from(self.window?.get());
        if let Some((packet_id, delivery)) = self.unacknowledged.get(self.sent) {
            if self.sent >= window {
                return None;
            }
            self.sent += 1;
            return Some(packet(delivery, Some(*packet_id), true, now));
        }
        loop {
            let next = self.waiting.front()?;
            let needs_id = next.qos == QoS::AtLeastOnce;
            if needs_id && self.unacknowledged.len() >= window {
                return None;
            }
            let delivery = self.waiting.pop_front()?;
            self.waiting_bytes -= delivery.message.weight();
            if self.waiting.is_empty() {
                self.waiting = VecDeque::new();
            }
            if delivery.message.is_expired(now) {
                continue;
            }
            if !needs_id {
                return Some(packet(&delivery, None, false, now));
            }
            let unacknowledged = &self.unacknowledged;
            let packet_id =
                self.ids.allocate(|id| unacknowledged.iter().any(|(used, _)| *used == id))?;
            let to_send = packet(&delivery, Some(packet_id), false, now);
            self.unacknowledged.push_back((packet_id, delivery));
            self.sent += 1;
            return Some(to_send);
        }
    }

    /// The client acknowledged `packet_id`. False when it was not waiting for that.
    pub fn acknowledge(&mut self, packet_id: PacketId) -> bool {
        let Some(at) = self.unacknowledged.iter().position(|(id, _)| *id == packet_id) else {
            return false;
        };
        self.unacknowledged.remove(at);
        if at < self.sent {
            self.sent -= 1;
        }
        if self.unacknowledged.is_empty() {
            self.unacknowledged = VecDeque::new();
        }
        true
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
