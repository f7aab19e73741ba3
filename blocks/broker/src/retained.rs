//! Retained messages: the last one of each topic, bounded in number and bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use marram_mqtt::session::outbox::Message;
use marram_mqtt::{ByteString, topic};

#[derive(Debug)]
pub(crate) struct Retained {
    max_messages: usize,
    max_bytes: usize,
    store: Mutex<Store>,
}

#[derive(Debug, Default)]
struct Store {
    messages: HashMap<ByteString, Arc<Message>>,
    bytes: usize,
}

impl Retained {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { max_messages, max_bytes, store: Mutex::default() }
    }

    /// Keeps `message` for its topic, or forgets the topic's message when its payload is empty.
    /// False when there is no room.
    pub(crate) fn keep(&self, message: &Message) -> bool {
        let publish = &message.publish;
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let old_weight = store.messages.get(&publish.topic).map(|old| weight(old));
        if publish.payload.is_empty() {
            store.messages.remove(&publish.topic);
            store.bytes -= old_weight.unwrap_or(0);
            return true;
        }
        let bytes = store.bytes - old_weight.unwrap_or(0) + weight(message);
        let count = store.messages.len() + usize::from(old_weight.is_none());
        if bytes > self.max_bytes || count > self.max_messages {
            return false;
        }
        // Copies, so that a small retained message does not keep a large read buffer alive.
        let mut own = publish.clone();
        own.topic = ByteString::from(&*publish.topic);
        own.payload = Bytes::copy_from_slice(&publish.payload);
        let kept = Message { publish: own, expires_at: message.expires_at };
        store.messages.insert(kept.publish.topic.clone(), Arc::new(kept));
        store.bytes = bytes;
        true
    }

    /// The message of `topic`.
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<Message>> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.messages.get(topic).cloned()
    }

    /// The live messages whose topic `filter` selects. Expired ones are forgotten on the way.
    pub(crate) fn matching(&self, filter: &str, now: Instant) -> Vec<Arc<Message>> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if !filter.contains(['+', '#']) {
            let found = store.messages.get(filter).filter(|message| !message.is_expired(now));
            return found.cloned().into_iter().collect();
        }
        let mut freed = 0;
        let mut found = Vec::new();
        store.messages.retain(|topic, message| {
            if message.is_expired(now) {
                freed += weight(message);
                return false;
            }
            if topic::matches(filter, topic) {
                found.push(Arc::clone(message));
            }
            true
        });
        store.bytes -= freed;
        found
    }
}

fn weight(message: &Message) -> usize {
    message.publish.topic.len() + message.publish.payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use marram_mqtt::Publish;

    fn message(topic: &str, payload: &'static str) -> Message {
        Message::new(Publish::new(topic, payload).retained(), Instant::now())
    }

    #[test]
    fn keeps_the_last_message_and_an_empty_one_deletes() {
        let retained = Retained::new(10, 100);
        let now = Instant::now();
        assert!(retained.keep(&message("a/b", "1")));
        assert!(retained.keep(&message("a/b", "2")));
        let found = retained.matching("a/+", now);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].publish.payload, "2");
        assert!(retained.keep(&message("a/b", "")));
        assert!(retained.matching("#", now).is_empty());
        assert_eq!(retained.store.lock().unwrap().bytes, 0);
    }

    #[test]
    fn is_bounded_in_number_and_bytes() {
        let retained = Retained::new(2, 10);
        assert!(retained.keep(&message("a", "1")));
        assert!(!retained.keep(&message("b", "1234567890")), "bytes");
        assert!(retained.keep(&message("b", "1")));
        assert!(!retained.keep(&message("c", "1")), "number");
        assert!(retained.keep(&message("a", "22")), "replacing needs no new place");
    }

    #[test]
    fn expired_messages_are_not_found() {
        let retained = Retained::new(10, 100);
        let now = Instant::now();
        let mut publish = Publish::new("a", "1").retained();
        publish.properties.message_expiry_s = Some(5);
        retained.keep(&Message::new(publish, now));
        let later = now + std::time::Duration::from_secs(5);
        assert_eq!(retained.matching("+", now).len(), 1);
        assert!(retained.matching("a", later).is_empty());
        assert!(retained.matching("+", later).is_empty());
        assert_eq!(retained.store.lock().unwrap().bytes, 0);
    }
}
