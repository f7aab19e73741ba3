//! Components' messages that wait to be sent: which goes next, which make room, which are given
//! up. Pure; what is done with it is in [`disk`], [`parked`] and the link's sender.
//!
//! What holds, and is property-tested: messages are sent in the order in which they were accepted,
//! each is settled once, what waits is bounded, and no QoS 1 message makes room for another
//! (components 7, "follow code").

pub(crate) mod disk;
pub(crate) mod parked;
pub(crate) mod suspects;
mod topics;

use std::collections::{BTreeMap, VecDeque};

use marram_mqtt::{Publish, QoS};

use suspects::{Suspects, Verdict};
use topics::Topics;

/// How long a connection must have held before a message is tried that may have ended the one
/// before: a connection that ends earlier says nothing of it.
const TRIAL_QUIET_MS: u64 = 1000;

/// Messages without payload cost no bytes by the specification's account, and memory all the same.
const MAX_MESSAGES: usize = 100_000;

/// Why a message cannot wait. The texts are the Java nucleus's (ipc 4.2, components 7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refuse {
    /// QoS 0 and no connection.
    #[error("Device is offline. Dropping QoS 0 message.")]
    Offline,
    /// Longer than everything that may wait.
    #[error("Message is larger than the size of message spool.")]
    TooLarge,
    /// QoS 0 on a topic for which the server ends the connection.
    #[error(
        "AWS IoT Core has ended the connection each time that it got a message on this topic; \
         does the policy of the device's certificate allow it? It is tried again in ten minutes."
    )]
    EndsConnections,
    /// No room.
    #[error("Message spool is full. Message could not be added.")]
    Full,
}

/// The settings of `mqtt` that the spool keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `spooler.maxSizeInBytes`: payload bytes that may wait.
    pub(crate) max_bytes: usize,
    /// `spooler.keepQos0WhenOffline`.
    pub(crate) keep_qos0_offline: bool,
    /// `maxPublishRetry`; `None` for no limit.
    pub(crate) max_retries: Option<u32>,
}

/// A message with what the spool knows of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spooled {
    /// Counts the messages; never used twice.
    pub(crate) id: u64,
    /// The message as the component gave it.
    pub(crate) message: Publish,
    /// When it was accepted, in milliseconds since the epoch.
    pub(crate) accepted_ms: i64,
    /// How often it was sent without an answer.
    pub(crate) retries: u32,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server has it.
    Acknowledged,
    /// The server will never take it.
    Refused,
    /// No answer: it may be tried again.
    Unanswered,
    /// The server ended the connection before it answered: perhaps because of this message.
    Cut,
    /// The connection ended for another reason.
    Lost,
}

/// What follows from an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Settled {
    /// It is gone.
    Done,
    /// It waits again, before everything that was accepted after it.
    WaitsAgain,
    /// It is given up, and somebody may want to see it.
    GivenUp(Box<Spooled>),
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Spool {
    limits: Limits,
    /// In the order of their numbers.
    waiting: VecDeque<Spooled>,
    sent: BTreeMap<u64, Spooled>,
    /// Sent without an answer, to be sent again once all that were sent are settled.
    unanswered: BTreeMap<u64, Spooled>,
    suspects: Suspects,
    topics: Topics,
    /// Payload bytes of all of them.
    bytes: usize,
    next_id: u64,
}

impl Spool {
    /// A spool with what was kept of an earlier one, in the order of its numbers.
    pub(crate) fn new(limits: Limits, kept: Vec<Spooled>) -> Self {
        let bytes = kept.iter().map(|kept| kept.message.payload.len()).sum();
        let next_id = kept.last().map_or(0, |last| last.id + 1);
        let (sent, unanswered, suspects, topics) = Default::default();
        let waiting = kept.into();
        Self { limits, waiting, sent, unanswered, suspects, topics, bytes, next_id }
    }

    /// Accepts a message: its number, and the numbers of those that made room for it.
    pub(crate) fn push(
        &mut self,
        message: Publish,
        is_online: bool,
        now_ms: i64,
    ) -> Result<(u64, Vec<u64>), Refuse> {
        let bytes = message.payload.len();
        if message.qos == QoS::AtMostOnce && !is_online && !self.limits.keep_qos0_offline {
            return Err(Refuse::Offline);
        }
        if message.qos == QoS::AtMostOnce && self.topics.is_refused(&message.topic, now_ms) {
            return Err(Refuse::EndsConnections);
        }
        if bytes > self.limits.max_bytes {
            return Err(Refuse::TooLarge);
        }
        let dropped = self.make_room(bytes)?;
        let id = self.next_id;
        self.next_id += 1;
        self.bytes += bytes;
        self.waiting.push_back(Spooled { id, message, accepted_ms: now_ms, retries: 0 });
        Ok((id, dropped))
    }

    /// All messages that are not settled, in the order of their numbers.
    pub(crate) fn unsettled(&self) -> Vec<Spooled> {
        let sent = self.sent.values().chain(self.unanswered.values());
        let mut all: Vec<Spooled> = sent.chain(&self.waiting).cloned().collect();
        all.sort_unstable_by_key(|spooled| spooled.id);
        all
    }

    /// For how many milliseconds nothing is to be sent on a connection that has held for
    /// `held_ms`, because a message is to be found out that makes the server end the connection.
    pub(crate) fn pause(&mut self, now_ms: i64, held_ms: u64) -> Option<u64> {
        let first_is_suspect = self.waiting.front().is_some_and(|first| self.is_suspect(first));
        let is_trial = self.has_suspects() || first_is_suspect;
        let quiet = TRIAL_QUIET_MS.checked_sub(held_ms).filter(|left| is_trial && *left > 0);
        let settling = self.topics.settles_in(now_ms).filter(|_| first_is_suspect);
        self.topics.lingers(now_ms).or(settling).or(quiet)
    }

    /// The server has ended the connection: the QoS 0 message that was found to be the cause, and
    /// the numbers of those that wait and would do the same.
    pub(crate) fn cut(&mut self, now_ms: i64) -> Option<(Spooled, Vec<u64>)> {
        let found = self.topics.cut(now_ms)?;
        let topic = found.message.topic.clone();
        let is_alike = |s: &Spooled| s.message.qos == QoS::AtMostOnce && s.message.topic == topic;
        let dropped = self.drop_waiting(is_alike);
        Some((found, dropped))
    }

    fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether it is a QoS 0 message that has to be alone on its way.
    fn is_suspect(&self, spooled: &Spooled) -> bool {
        let message = &spooled.message;
        message.qos == QoS::AtMostOnce && self.topics.is_suspected(&message.topic)
    }

    /// The next message to send, with what is left of its expiry interval; and the numbers of
    /// those that expired while they waited.
    pub(crate) fn take(&mut self, now_ms: i64) -> (Option<Spooled>, Vec<u64>) {
        let must_wait =
            self.topics.lingers(now_ms).is_some() || (self.has_suspects() && !self.sent.is_empty());
        if must_wait {
            return (None, Vec::new());
        }
        if !self.unanswered.is_empty() {
            if !self.sent.is_empty() {
                return (None, Vec::new());
            }
            let again = std::mem::take(&mut self.unanswered);
            again.into_values().rev().for_each(|spooled| self.waiting.push_front(spooled));
        }
        let mut expired = Vec::new();
        while let Some(first) = self.waiting.front() {
            let is_alone = self.sent.is_empty() && self.topics.settles_in(now_ms).is_none();
            if !is_alone && self.is_suspect(first) {
                break;
            }
            let Some(spooled) = self.waiting.pop_front() else { break };
            let Some(message) = unexpired(&spooled, now_ms) else {
                self.bytes -= spooled.message.payload.len();
                self.suspects.clear(spooled.id);
                expired.push(spooled.id);
                continue;
            };
            let next = Spooled { message, ..spooled.clone() };
            if spooled.message.qos == QoS::AtMostOnce {
                self.topics.sent(&next, now_ms);
            }
            self.sent.insert(spooled.id, spooled);
            return (Some(next), expired);
        }
        (None, expired)
    }

    /// A message that was taken has an outcome.
    pub(crate) fn settle(&mut self, id: u64, outcome: Outcome) -> Settled {
        let Some(mut spooled) = self.sent.remove(&id) else { return Settled::Done };
        let waits_again = match outcome {
            Outcome::Acknowledged | Outcome::Refused => false,
            Outcome::Unanswered => {
                let limit = self.limits.max_retries;
                let retries = spooled.retries;
                spooled.retries = retries.saturating_add(1);
                // The connection held, so this is not what ends it.
                self.suspects.clear(id);
                limit.is_none_or(|limit| retries < limit)
            }
            Outcome::Cut => self.suspects.cut(id) == Verdict::Open,
            Outcome::Lost => true,
        };
        if waits_again {
            self.unanswered.insert(id, spooled);
            return Settled::WaitsAgain;
        }
        self.suspects.clear(id);
        self.bytes -= spooled.message.payload.len();
        match outcome {
            Outcome::Acknowledged => Settled::Done,
            _ => Settled::GivenUp(Box::new(spooled)),
        }
    }

    /// The connection is gone: the numbers of QoS 0 messages that do not wait for the next one.
    pub(crate) fn disconnected(&mut self) -> Vec<u64> {
        if self.limits.keep_qos0_offline {
            return Vec::new();
        }
        self.drop_waiting(|spooled| spooled.message.qos == QoS::AtMostOnce)
    }

    fn make_room(&mut self, bytes: usize) -> Result<Vec<u64>, Refuse> {
        let is_qos0 = |spooled: &Spooled| spooled.message.qos == QoS::AtMostOnce;
        let has_room = |held: usize, messages: usize| {
            held + bytes <= self.limits.max_bytes && messages < MAX_MESSAGES
        };
        let mut held = self.bytes;
        let mut messages = self.waiting.len() + self.sent.len() + self.unanswered.len();
        let mut droppable = self.waiting.iter().filter(|spooled| is_qos0(spooled));
        let mut last_dropped = None;
        while !has_room(held, messages) {
            let Some(spooled) = droppable.next() else { return Err(Refuse::Full) };
            held -= spooled.message.payload.len();
            messages -= 1;
            last_dropped = Some(spooled.id);
        }
        let Some(last) = last_dropped else { return Ok(Vec::new()) };
        Ok(self.drop_waiting(|spooled| is_qos0(spooled) && spooled.id <= last))
    }

    fn drop_waiting(&mut self, is_dropped: impl Fn(&Spooled) -> bool) -> Vec<u64> {
        let mut dropped = Vec::new();
        let (bytes, suspects) = (&mut self.bytes, &mut self.suspects);
        self.waiting.retain(|spooled| {
            let drops = is_dropped(spooled);
            if drops {
                suspects.clear(spooled.id);
                *bytes -= spooled.message.payload.len();
                dropped.push(spooled.id);
            }
            !drops
        });
        dropped
    }
}

/// The message with what is left of its expiry interval; `None` if nothing is (MQTT 5, 3.3.2.3.3:
/// the time that it waited counts).
fn unexpired(spooled: &Spooled, now_ms: i64) -> Option<Publish> {
    let mut message = spooled.message.clone();
    if let Some(interval) = message.properties.message_expiry_s {
        let waited_s = now_ms.saturating_sub(spooled.accepted_ms).max(0) / 1000;
        let left = u32::try_from(waited_s).ok().and_then(|waited| interval.checked_sub(waited));
        message.properties.message_expiry_s = Some(left.filter(|left| *left > 0)?);
    }
    Some(message)
}

#[cfg(test)]
mod tests;
