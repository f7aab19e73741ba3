//! Topics on which a QoS 0 message makes the server end the connection.
//!
//! Such a message has no acknowledgement and is never sent again, but its component sends the next
//! one, and each costs the device its connection. A topic on which messages were sent shortly
//! before the server ended a connection is suspected. The next message on it goes alone, and
//! nothing follows it for [`LINGER_MS`]; if the connection ends then, [`SOLE_CUTS`] times in a row,
//! the topic is refused for a while.

use std::collections::{BTreeMap, VecDeque};

use marram_mqtt::ByteString;

use super::Spooled;
use super::suspects::SOLE_CUTS;

/// How long the server has to end the connection because of a message.
pub(super) const LINGER_MS: i64 = 2000;
/// How long a topic is refused: its policy may have been mended by then.
pub(super) const REFUSED_MS: i64 = 600_000;
/// Of each kind; the oldest or first by name make room.
const MAX_TOPICS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Topics {
    /// What was sent of late, and when.
    recent: VecDeque<(i64, ByteString)>,
    /// With the number of connections that ended with only a message on it on its way.
    suspects: BTreeMap<ByteString, u32>,
    /// The message on a suspected topic that was sent alone, and when.
    alone: Option<(i64, Spooled)>,
    /// Until when.
    refused: BTreeMap<ByteString, i64>,
}

impl Topics {
    pub(super) fn is_suspected(&self, topic: &ByteString) -> bool {
        self.suspects.contains_key(topic)
    }

    pub(super) fn is_refused(&mut self, topic: &ByteString, now_ms: i64) -> bool {
        self.refused.retain(|_, until_ms| left_of(REFUSED_MS, *until_ms, now_ms).is_some());
        self.refused.contains_key(topic)
    }

    /// A QoS 0 message is on its way.
    pub(super) fn sent(&mut self, spooled: &Spooled, now_ms: i64) {
        let topic = &spooled.message.topic;
        if self.is_suspected(topic) {
            self.alone = Some((now_ms, spooled.clone()));
            return;
        }
        self.recent.truncate(MAX_TOPICS - 1);
        self.recent.push_front((now_ms, topic.clone()));
    }

    /// For how many milliseconds more a suspect has to wait for what was sent before it on this
    /// connection.
    pub(super) fn settles_in(&self, now_ms: i64) -> Option<u64> {
        let (at_ms, _) = self.recent.front()?;
        left_of(LINGER_MS, at_ms + LINGER_MS, now_ms)
    }

    /// For how many milliseconds more nothing is to follow. Once that is over, the topic is
    /// cleared.
    pub(super) fn lingers(&mut self, now_ms: i64) -> Option<u64> {
        let (at_ms, spooled) = self.alone.as_ref()?;
        let left_ms = left_of(LINGER_MS, at_ms + LINGER_MS, now_ms);
        if left_ms.is_none() {
            self.suspects.remove(&spooled.message.topic);
            self.alone = None;
        }
        left_ms
    }

    /// The server has ended the connection. The message whose topic is refused from now on, if one
    /// is found.
    pub(super) fn cut(&mut self, now_ms: i64) -> Option<Spooled> {
        let recent = std::mem::take(&mut self.recent);
        if self.lingers(now_ms).is_none() {
            for (at_ms, topic) in recent {
                if now_ms - at_ms <= LINGER_MS {
                    insert(&mut self.suspects, topic, 0);
                }
            }
            return None;
        }
        let (_, spooled) = self.alone.take()?;
        let topic = &spooled.message.topic;
        let cuts = self.suspects.get_mut(topic)?;
        *cuts += 1;
        if *cuts < SOLE_CUTS {
            return None;
        }
        self.suspects.remove(topic);
        insert(&mut self.refused, topic.clone(), now_ms + REFUSED_MS);
        Some(spooled)
    }
}

/// What is left of a time that ends at `end_ms`; nothing of one that a clock that was set back
/// would make longer.
fn left_of(time_ms: i64, end_ms: i64, now_ms: i64) -> Option<u64> {
    let left_ms = end_ms - now_ms;
    if left_ms > time_ms { None } else { u64::try_from(left_ms).ok().filter(|left| *left > 0) }
}

fn insert<V>(topics: &mut BTreeMap<ByteString, V>, topic: ByteString, value: V) {
    if topics.len() >= MAX_TOPICS && !topics.contains_key(&topic) {
        topics.pop_first();
    }
    topics.entry(topic).or_insert(value);
}
