//! A change: one transaction and the messages that follow from it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use marram_aws::ApiError;
use marram_store::{ExecutionRow, Tx};
use tokio::sync::OwnedMutexGuard;

use crate::fleet::Inner;
use crate::jobs::queue;

/// Where messages to devices go. Called in the order of the commits; must not block.
pub trait MessageSink: Send + Sync + fmt::Debug {
    /// To everybody who subscribed to the topic.
    fn publish(&self, topic: String, payload: Vec<u8>);

    /// To the client, even if it did not subscribe, and to everybody else who did.
    fn reply(&self, client_id: &str, topic: String, payload: Vec<u8>);
}

/// One message, waiting for the commit.
struct Outgoing {
    reply_to: Option<String>,
    topic: String,
    payload: Vec<u8>,
}

/// A change under way; dropped without [`Unit::commit`] nothing of it remains.
pub(crate) struct Unit {
    pub(crate) tx: Tx,
    /// When it began; all of it happens at this moment.
    pub(crate) now_ms: i64,
    pub(crate) inner: Arc<Inner>,
    turn: OwnedMutexGuard<()>,
    outbox: Vec<Outgoing>,
    /// What was pending for each thing, by namespace, before the change touched its queue.
    queues: BTreeMap<(String, String), Vec<ExecutionRow>>,
}

impl Unit {
    pub(crate) fn new(inner: Arc<Inner>, turn: OwnedMutexGuard<()>, tx: Tx) -> Self {
        let now_ms = inner.now_ms();
        Self { tx, now_ms, inner, turn, outbox: Vec::new(), queues: BTreeMap::new() }
    }

    /// The moment of the change, in seconds since 1970.
    pub(crate) fn now_s(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    /// Sends `payload` to the topic's subscribers after the commit.
    pub(crate) fn publish(&mut self, topic: String, payload: Vec<u8>) {
        self.outbox.push(Outgoing { reply_to: None, topic, payload });
    }

    /// Sends `payload` to the client after the commit, subscribed or not.
    pub(crate) fn reply(&mut self, client_id: &str, topic: String, payload: Vec<u8>) {
        self.outbox.push(Outgoing { reply_to: Some(client_id.to_owned()), topic, payload });
    }

    /// Must be called before the thing's executions change: the device is notified after the
    /// commit if the set of its pending executions became another one.
    pub(crate) async fn touch_queue(
        &mut self,
        thing: &str,
        namespace: &str,
    ) -> Result<(), ApiError> {
        let key = (thing.to_owned(), namespace.to_owned());
        if let Entry::Vacant(queue) = self.queues.entry(key) {
            queue.insert(queue::visible(&mut self.tx, thing, namespace).await?);
        }
        Ok(())
    }

    /// Makes the change durable, then sends its messages: a task of its own, because a caller that
    /// goes away in between, as a program that is interrupted does, would leave devices untold.
    pub(crate) async fn commit(mut self) -> Result<(), ApiError> {
        let mut documents = queue::Documents::default();
        for ((thing, namespace), before) in std::mem::take(&mut self.queues) {
            let whose = (thing.as_str(), namespace.as_str());
            let (tx, now_ms) = (&mut self.tx, self.now_ms);
            let notifications =
                queue::notifications(tx, whose, &before, &mut documents, now_ms).await?;
            for (topic, payload) in notifications {
                self.publish(topic, payload);
            }
        }
        let committing = tokio::spawn(self.commit_and_send());
        committing.await.unwrap_or_else(|error| Err(ApiError::internal(error.to_string())))
    }

    async fn commit_and_send(self) -> Result<(), ApiError> {
        let Self { tx, inner, outbox, turn, .. } = self;
        tx.commit().await?;
        if let Some(sink) = inner.sink() {
            for Outgoing { reply_to, topic, payload } in outbox {
                match reply_to {
                    Some(client_id) => sink.reply(&client_id, topic, payload),
                    None => sink.publish(topic, payload),
                }
            }
        }
        drop(turn);
        Ok(())
    }
}
