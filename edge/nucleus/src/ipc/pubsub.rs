//! Messages between components: PublishToTopic and SubscribeToTopic.
//!
//! Filters follow the Java nucleus: a level is a wildcard only if it is exactly `+`, or exactly `#`
//! at the end, where it stands for one level or more; wildcards also select topics that begin with
//! `$`. Different from Java, empty levels at the end count, and a `#` before the last level makes
//! a filter that selects nothing (there it acts as `+` by accident).
//!
//! Source: ipc 4.1 (`nucleus: builtin/services/pubsub/SubscriptionTrie.java`).

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use marram_ipc::IpcError;
use marram_ipc::shapes::{
    MessageBody, PublishToTopicRequest, ReceiveMode, SubscribeToTopicRequest,
};
use marram_model::ComponentName;
use marram_mqtt::topic::MAX_FILTER_LEVELS;
use marram_mqtt::tree::SubscriptionTree;
use tokio::time::Instant;

use super::outbox::{Outbox, Push};
use super::session::StreamKey;

/// Most levels of a filter; the tree needs two more.
const MAX_LEVELS: usize = MAX_FILTER_LEVELS - 2;

/// How long one message may wait for all its slow subscribers together.
pub(super) const DELIVERY_DEADLINE: Duration = Duration::from_millis(250);

/// Who is subscribed to what on this device.
#[derive(Debug, Default)]
pub(super) struct PubSub {
    subscriptions: RwLock<SubscriptionTree<StreamKey, Subscriber>>,
}

/// A stream that gets messages.
#[derive(Debug, Clone)]
struct Subscriber {
    outbox: Arc<Outbox>,
    stream: i32,
    component: ComponentName,
    gets_own_messages: bool,
}

/// A topic filter that is in the table; what [`PubSub::unsubscribe`] needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalFilter {
    /// The filter as the tree holds it; `None` for one that selects nothing.
    in_tree: Option<String>,
    is_wildcard: bool,
}

impl LocalFilter {
    fn parse(text: &str) -> Result<Self, IpcError> {
        let levels: Vec<&str> = text.split('/').collect();
        let (last, above) =
            levels.split_last().map_or(("", &[][..]), |(last, above)| (*last, above));
        if levels.len() > MAX_LEVELS {
            return Err(IpcError::invalid_arguments(format!(
                "Subscribe topic has {} levels; use at most {MAX_LEVELS}",
                levels.len()
            )));
        }
        let ends_in_hash = last == "#";
        let selects_nothing = above.contains(&"#");
        let is_wildcard = ends_in_hash || levels.contains(&"+");
        // MQTT's `#` includes the level above it, `+/#` does not. The `/` in front keeps a `$` from
        // being the first character, which MQTT hides from wildcards.
        let in_tree = match text.strip_suffix('#') {
            _ if selects_nothing => None,
            Some(above) if ends_in_hash => Some(format!("/{above}+/#")),
            _ => Some(format!("/{text}")),
        };
        Ok(Self { in_tree, is_wildcard })
    }
}

impl PubSub {
    /// Adds a stream whose lane exists already.
    pub(super) fn subscribe(
        &self,
        key: StreamKey,
        component: &ComponentName,
        outbox: &Arc<Outbox>,
        request: &SubscribeToTopicRequest,
    ) -> Result<LocalFilter, IpcError> {
        let filter = LocalFilter::parse(request.topic.as_deref().unwrap_or_default())?;
        let gets_own_messages = match request.receive_mode {
            Some(mode) => mode == ReceiveMode::ReceiveAllMessages,
            None => !filter.is_wildcard,
        };
        if let Some(in_tree) = &filter.in_tree {
            let subscriber = Subscriber {
                outbox: outbox.clone(),
                stream: key.stream,
                component: component.clone(),
                gets_own_messages,
            };
            let mut subscriptions =
                self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
            subscriptions.insert(in_tree, key, subscriber);
        }
        Ok(filter)
    }

    /// Removes a stream.
    pub(super) fn unsubscribe(&self, key: StreamKey, filter: &LocalFilter) {
        if let Some(in_tree) = &filter.in_tree {
            let mut subscriptions =
                self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
            subscriptions.remove(in_tree, &key);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Delivers a message to every stream that wants it: at once where there is room, after a
    /// bounded wait elsewhere.
    pub(super) async fn publish(
        &self,
        publisher: &ComponentName,
        topic: &str,
        body: MessageBody<'_>,
    ) {
        let (event, slow) = self.push_to_all(publisher, topic, body);
        if slow.is_empty() {
            return;
        }
        let deadline = Instant::now() + DELIVERY_DEADLINE;
        for subscriber in slow {
            subscriber.outbox.deliver(subscriber.stream, &event, deadline).await;
        }
    }

    /// Queues the message where there is room; the event, and the subscribers without room.
    fn push_to_all(
        &self,
        publisher: &ComponentName,
        topic: &str,
        body: MessageBody<'_>,
    ) -> (Bytes, Vec<Subscriber>) {
        let mut event = Bytes::new();
        let mut slow = Vec::new();
        let subscriptions = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
        subscriptions.visit_matches(&["/", topic].concat(), &mut |subscribers| {
            for (_, subscriber) in subscribers {
                if !subscriber.gets_own_messages && subscriber.component == *publisher {
                    continue;
                }
                if event.is_empty() {
                    event = body.event(topic);
                }
                if subscriber.outbox.push(subscriber.stream, &event) == Push::Full {
                    slow.push(subscriber.clone());
                }
            }
        });
        (event, slow)
    }
}

/// Checks a publish in the order of the Java nucleus; `authorize` gets the topic.
pub(super) fn check_publish<'r>(
    request: &'r PublishToTopicRequest<'_>,
    authorize: impl FnOnce(&str) -> Result<(), IpcError>,
) -> Result<(&'r str, MessageBody<'r>), IpcError> {
    let Some(topic) = request.topic.as_deref() else {
        return Err(IpcError::invalid_arguments("Publish topic must not be null"));
    };
    authorize(topic)?;
    if topic.contains(['+', '#', '*']) {
        return Err(IpcError::invalid_arguments("Publish topic must not contain a wildcard."));
    }
    let Some(message) = &request.publish_message else {
        return Err(IpcError::service("publishMessage is required"));
    };
    Ok((topic, message.body()?))
}

/// Checks a subscription; `authorize` gets the filter as it is written.
pub(super) fn check_subscribe(
    request: &SubscribeToTopicRequest,
    authorize: impl FnOnce(&str) -> Result<(), IpcError>,
) -> Result<&str, IpcError> {
    let Some(filter) = request.topic.as_deref() else {
        return Err(IpcError::invalid_arguments("Subscribe topic must not be empty"));
    };
    authorize(filter)?;
    Ok(filter)
}
