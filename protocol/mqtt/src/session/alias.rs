//! Topic aliases of the messages towards one client (MQTT 5 §3.3.2.3.4).

use std::collections::HashMap;
use std::num::NonZeroU16;

use bytestring::ByteString;

use crate::packet::PublishPacket;

/// The aliases of one connection. The first topics get them and keep them: a client's traffic is
/// mostly a few topics again and again.
#[derive(Debug, Default)]
pub struct OutgoingAliases {
    max: u16,
    by_topic: HashMap<ByteString, NonZeroU16>,
}

impl OutgoingAliases {
    /// For a client that takes aliases up to `max`; 0 for none.
    pub fn new(max: u16) -> Self {
        Self { max, by_topic: HashMap::new() }
    }

    /// Puts an alias in place of the topic, or beside it the first time, which is what it returns.
    pub fn apply(&mut self, packet: &mut PublishPacket) -> bool {
        let topic = &packet.publish.topic;
        if let Some(alias) = self.by_topic.get(topic) {
            packet.topic_alias = Some(*alias);
            packet.publish.topic = ByteString::new();
            return false;
        }
        let next = u16::try_from(self.by_topic.len() + 1).ok().filter(|next| *next <= self.max);
        if let Some(alias) = next.and_then(NonZeroU16::new) {
            packet.topic_alias = Some(alias);
            // A copy: a topic is a part of the message it came with.
            self.by_topic.insert(ByteString::from(&**topic), alias);
        }
        packet.topic_alias.is_some()
    }

    /// The last new alias, that of `topic`, was not sent after all: it is free again.
    pub fn undo(&mut self, topic: &str) {
        self.by_topic.remove(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::Publish;

    fn sent(aliases: &mut OutgoingAliases, topic: &str) -> (String, Option<u16>) {
        let mut packet = PublishPacket {
            publish: Publish::new(topic.to_owned(), ""),
            packet_id: None,
            dup: false,
            topic_alias: None,
            subscription_ids: Vec::new(),
        };
        aliases.apply(&mut packet);
        (packet.publish.topic.to_string(), packet.topic_alias.map(NonZeroU16::get))
    }

    #[test]
    fn the_first_topics_get_aliases_and_the_others_their_names() {
        let mut aliases = OutgoingAliases::new(2);
        assert_eq!(sent(&mut aliases, "a"), ("a".to_owned(), Some(1)));
        assert_eq!(sent(&mut aliases, "a"), (String::new(), Some(1)));
        assert_eq!(sent(&mut aliases, "b"), ("b".to_owned(), Some(2)));
        assert_eq!(sent(&mut aliases, "c"), ("c".to_owned(), None));
        aliases.undo("b");
        assert_eq!(sent(&mut aliases, "c"), ("c".to_owned(), Some(2)));
        assert_eq!(sent(&mut OutgoingAliases::new(0), "a"), ("a".to_owned(), None));
    }
}
