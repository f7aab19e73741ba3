//! Components' messages that wait to be sent: in order, and bounded by bytes.

use std::collections::VecDeque;

use marram_mqtt::{Publish, QoS};

/// Why a message cannot wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refuse {
    /// Longer than the cloud takes.
    #[error("the message has {bytes} bytes, more than the {max} of `mqtt.maxMessageSizeInBytes`")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The longest that is taken.
        max: usize,
    },
    /// QoS 0 and no connection.
    #[error(
        "the device is offline, and QoS 0 messages wait only if `mqtt.spooler.keepQos0WhenOffline`"
    )]
    Offline,
    /// No room.
    #[error("the {max} bytes of `mqtt.spooler.maxSizeInBytes` are full of messages that wait")]
    Full {
        /// The bytes that may wait.
        max: usize,
    },
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Spool {
    messages: VecDeque<Publish>,
    bytes: usize,
    max_bytes: usize,
    max_message_bytes: usize,
    keep_qos0_offline: bool,
}

impl Spool {
    pub(crate) fn new(max_bytes: usize, max_message_bytes: usize, keep_qos0_offline: bool) -> Self {
        let messages = VecDeque::new();
        Self { messages, bytes: 0, max_bytes, max_message_bytes, keep_qos0_offline }
    }

    /// Puts a message at the end. The oldest QoS 0 messages make room where there is none.
    pub(crate) fn push(&mut self, message: Publish, is_online: bool) -> Result<(), Refuse> {
        let bytes = message.payload.len();
        if bytes > self.max_message_bytes {
            return Err(Refuse::TooLong { bytes, max: self.max_message_bytes });
        }
        if message.qos == QoS::AtMostOnce && !is_online && !self.keep_qos0_offline {
            return Err(Refuse::Offline);
        }
        self.make_room(bytes)?;
        self.bytes += bytes;
        self.messages.push_back(message);
        Ok(())
    }

    /// Takes the oldest message.
    pub(crate) fn pop(&mut self) -> Option<Publish> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.payload.len();
        Some(message)
    }

    /// Puts a message that could not be sent back to the front, whatever room there is: it was
    /// accepted once.
    pub(crate) fn put_back(&mut self, message: Publish) {
        self.bytes += message.payload.len();
        self.messages.push_front(message);
    }

    fn make_room(&mut self, bytes: usize) -> Result<(), Refuse> {
        let is_qos0 = |message: &Publish| message.qos == QoS::AtMostOnce;
        let droppable: usize =
            self.messages.iter().filter(|m| is_qos0(m)).map(|m| m.payload.len()).sum();
        if self.bytes - droppable + bytes > self.max_bytes {
            return Err(Refuse::Full { max: self.max_bytes });
        }
        while self.bytes + bytes > self.max_bytes {
            let Some(at) = self.messages.iter().position(is_qos0) else { break };
            if let Some(dropped) = self.messages.remove(at) {
                self.bytes -= dropped.payload.len();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, bytes: usize, qos: QoS) -> Publish {
        Publish::new(topic, vec![0; bytes]).with_qos(qos)
    }

    fn topics(mut spool: Spool) -> Vec<String> {
        std::iter::from_fn(|| spool.pop()).map(|m| m.topic.to_string()).collect()
    }

    #[test]
    fn messages_leave_in_order() {
        let mut spool = Spool::new(100, 100, false);
        for topic in ["a", "b", "c"] {
            spool.push(message(topic, 1, QoS::AtLeastOnce), true).unwrap();
        }
        let first = spool.pop().unwrap();
        spool.put_back(first);
        assert_eq!(topics(spool), ["a", "b", "c"]);
    }

    #[test]
    fn oldest_qos0_messages_make_room() {
        let mut spool = Spool::new(10, 10, true);
        spool.push(message("a", 4, QoS::AtMostOnce), false).unwrap();
        spool.push(message("b", 4, QoS::AtLeastOnce), false).unwrap();
        spool.push(message("c", 2, QoS::AtMostOnce), false).unwrap();
        spool.push(message("d", 4, QoS::AtLeastOnce), false).unwrap();
        let full = spool.push(message("e", 5, QoS::AtLeastOnce), true);
        assert_eq!(full, Err(Refuse::Full { max: 10 }));
        assert_eq!(topics(spool), ["b", "c", "d"]);
    }

    #[test]
    fn qos0_does_not_wait_offline_and_nothing_too_long_is_taken() {
        let mut spool = Spool::new(10, 5, false);
        let offline = spool.push(message("a", 1, QoS::AtMostOnce), false);
        assert_eq!(offline, Err(Refuse::Offline));
        let long = spool.push(message("a", 6, QoS::AtLeastOnce), true);
        assert_eq!(long, Err(Refuse::TooLong { bytes: 6, max: 5 }));
        spool.push(message("a", 1, QoS::AtMostOnce), true).unwrap();
        assert_eq!(topics(spool), ["a"]);
    }
}
