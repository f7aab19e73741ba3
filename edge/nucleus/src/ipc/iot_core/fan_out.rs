//! Which stream gets which message from the cloud.
//!
//! Many streams share few cloud subscriptions: a filter that another one covers needs none of its
//! own, so each message comes once and goes once to every stream whose filter selects it. When the
//! stream that asked for a covering filter goes, the covered ones first get subscriptions of their
//! own; then the covering one ends.
//!
//! Source: ipc 4.2 (`nucleus: mqttclient/MqttClient.java`).

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use marram_mqtt::topic::Shared;
use marram_mqtt::tree::SubscriptionTree;
use marram_mqtt::{Publish, QoS};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cloud_filter::{CloudFilter, Follower, Progress, covers};
use super::event::message_event;
use super::{IotCore, SubscribeFailed};
use crate::ipc::outbox::{Outbox, Push};
use crate::ipc::pubsub::DELIVERY_DEADLINE;
use crate::ipc::session::StreamKey;

/// All streams that want messages from the cloud.
#[derive(Debug)]
pub(in crate::ipc) struct FanOut {
    iot_core: Arc<dyn IotCore>,
    receivers: RwLock<SubscriptionTree<StreamKey, Receiver>>,
    table: Mutex<Table>,
    /// Tasks of cloud filters and of moves between them.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug, Clone)]
struct Receiver {
    outbox: Arc<Outbox>,
    stream: i32,
}

#[derive(Debug, Default)]
struct Table {
    streams: HashMap<StreamKey, Stream>,
    cloud: HashMap<String, CloudFilter>,
}

#[derive(Debug)]
struct Stream {
    filter: String,
    qos: QoS,
    /// The key in [`Table::cloud`] of the subscription that brings its messages.
    relies_on: String,
}

/// Why a cloud subscription is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nobody,
    /// Some stream has this very filter.
    ForItself,
    /// Streams have only narrower filters.
    AsCover,
}

impl FanOut {
    pub(in crate::ipc) fn new(iot_core: Arc<dyn IotCore>) -> Arc<Self> {
        Arc::new(Self {
            iot_core,
            receivers: RwLock::default(),
            table: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    pub(in crate::ipc) fn iot_core(&self) -> &dyn IotCore {
        &*self.iot_core
    }

    /// Adds a stream whose lane exists already. Messages may come at once, if a subscription
    /// covers the filter; [`FanOut::established`] tells when one does.
    pub(in crate::ipc) fn add(
        self: &Arc<Self>,
        key: StreamKey,
        outbox: &Arc<Outbox>,
        filter: String,
        qos: QoS,
    ) {
        let receiver = Receiver { outbox: outbox.clone(), stream: key.stream };
        self.receivers.write().unwrap_or_else(PoisonError::into_inner).insert(
            selecting(&filter),
            key,
            receiver,
        );
        let relies_on = String::new();
        self.lock().streams.insert(key, Stream { filter, qos, relies_on });
    }

    /// Ends when the cloud has confirmed a subscription that covers the stream's filter, or with
    /// the reason why it will not. While offline, that takes as long as being offline.
    pub(in crate::ipc) async fn established(
        self: Arc<Self>,
        key: StreamKey,
    ) -> Result<(), SubscribeFailed> {
        loop {
            let Some((progress, is_own)) = self.rely(key, None) else {
                return Ok(());
            };
            match settled(progress).await {
                // Another stream's filter was refused: try the narrower one on its own.
                Err(_) if !is_own => {}
                result => return result,
            }
        }
    }

    /// Removes a stream and ends the cloud subscription that nobody needs then.
    pub(in crate::ipc) fn remove(self: &Arc<Self>, key: StreamKey) {
        let mut table = self.lock();
        let Some(stream) = table.streams.remove(&key) else {
            return;
        };
        self.receivers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(selecting(&stream.filter), &key);
        match table.need_of(&stream.relies_on) {
            Need::Nobody => table.end(&stream.relies_on),
            Need::ForItself => {}
            Need::AsCover => {
                drop(table);
                self.spawn(self.clone().move_users(stream.relies_on));
            }
        }
    }

    /// Delivers what arrives for as long as it is polled; ends with the channel.
    pub(in crate::ipc) async fn run(&self, mut messages: mpsc::Receiver<Publish>) {
        while let Some(message) = messages.recv().await {
            self.deliver(&message).await;
        }
    }

    /// Ends all tasks. Cloud subscriptions stay: the connection ends with the nucleus.
    pub(in crate::ipc) fn stop(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    async fn deliver(&self, message: &Publish) {
        let mut event = Bytes::new();
        let mut slow = Vec::new();
        self.receivers.read().unwrap_or_else(PoisonError::into_inner).visit_matches(
            &message.topic,
            &mut |receivers| {
                for (_, receiver) in receivers {
                    if event.is_empty() {
                        event = message_event(message);
                    }
                    if receiver.outbox.push(receiver.stream, &event) == Push::Full {
                        slow.push(receiver.clone());
                    }
                }
            },
        );
        let deadline = Instant::now() + DELIVERY_DEADLINE;
        for receiver in slow {
            receiver.outbox.deliver(receiver.stream, &event, deadline).await;
        }
    }

    /// Lets a stream rely on a subscription that covers it, other than `but`, making one if there
    /// is none. `None` if the stream is gone; otherwise how the subscription is doing, and whether
    /// it is for the stream's very filter.
    ///
    /// Only a subscription that some stream asked for is relied on: one whose own stream has gone
    /// is being left by [`Self::move_users`], which would never see a newcomer.
    fn rely(
        self: &Arc<Self>,
        key: StreamKey,
        but: Option<&str>,
    ) -> Option<(watch::Receiver<Progress>, bool)> {
        let mut table = self.lock();
        let Table { streams, cloud } = &mut *table;
        let own = streams.get(&key)?.filter.clone();
        let covering = cloud
            .iter()
            .filter(|(filter, entry)| Some(filter.as_str()) != but && entry.is_wanted())
            .filter(|(filter, _)| covers(filter, &own))
            .find(|(filter, _)| streams.values().any(|stream| stream.filter == **filter))
            .map(|(filter, _)| filter.clone());
        let stream = streams.get_mut(&key)?;
        let filter = covering.unwrap_or_else(|| stream.filter.clone());
        stream.relies_on.clone_from(&filter);
        let is_own = filter == stream.filter;
        if let Some(entry) = cloud.get(&filter) {
            entry.want();
            return Some((entry.progress(), is_own));
        }
        let (entry, follower) = CloudFilter::new(filter.clone(), stream.qos);
        let progress = entry.progress();
        cloud.insert(filter.clone(), entry);
        drop(table);
        self.spawn(self.clone().follow(filter, follower));
        Some((progress, is_own))
    }

    /// Keeps the connection's subscription as it is wanted, until it is forgotten.
    async fn follow(self: Arc<Self>, filter: String, mut follower: Follower) {
        loop {
            if let Err(error) = follower.subscribe(self.iot_core()).await {
                tracing::warn!(filter, %error, "the cloud refused a component's subscription");
                self.lock().cloud.remove(&filter);
                follower.refuse(error);
                return;
            }
            follower.unsubscribe_when_unwanted(self.iot_core()).await;
            let mut table = self.lock();
            if table.cloud.get(&filter).is_none_or(|entry| !entry.is_wanted()) {
                table.cloud.remove(&filter);
                return;
            }
        }
    }

    /// Gives the streams that were merely covered by `from` subscriptions of their own.
    async fn move_users(self: Arc<Self>, from: String) {
        let mut users: Vec<(StreamKey, String)> = {
            let table = self.lock();
            table.users(&from).map(|(key, stream)| (*key, stream.filter.clone())).collect()
        };
        // Broad filters first, so that narrow ones can rely on them.
        users.sort_by(|(_, a), (_, b)| covers(b, a).cmp(&covers(a, b)));
        let moves: Vec<_> = users
            .iter()
            .filter_map(|(key, _)| Some((*key, self.rely(*key, Some(&from))?.0)))
            .collect();
        for (key, progress) in moves {
            if settled(progress).await.is_err()
                && let Some(stream) = self.lock().streams.get_mut(&key)
            {
                stream.relies_on.clone_from(&from);
            }
        }
        let table = self.lock();
        if table.need_of(&from) == Need::Nobody {
            table.end(&from);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl Table {
    fn users<'t>(&'t self, filter: &'t str) -> impl Iterator<Item = (&'t StreamKey, &'t Stream)> {
        self.streams.iter().filter(move |(_, stream)| stream.relies_on == filter)
    }

    fn need_of(&self, filter: &str) -> Need {
        let mut users = self.users(filter).peekable();
        if users.peek().is_none() {
            Need::Nobody
        } else if users.any(|(_, stream)| stream.filter == filter) {
            Need::ForItself
        } else {
            Need::AsCover
        }
    }

    fn end(&self, filter: &str) {
        if let Some(entry) = self.cloud.get(filter) {
            entry.end();
        }
    }
}

/// Waits until a subscription is confirmed or refused.
async fn settled(mut progress: watch::Receiver<Progress>) -> Result<(), SubscribeFailed> {
    let settled = progress.wait_for(|progress| *progress != Progress::Pending).await;
    match settled.as_deref() {
        Ok(Progress::Failed(error)) => Err(error.clone()),
        Ok(_) => Ok(()),
        Err(_) => Err(SubscribeFailed {
            reason: "the subscription was ended".to_owned(),
            reason_code: None,
        }),
    }
}

/// The part of a filter that selects topics.
fn selecting(filter: &str) -> &str {
    Shared::parse(filter).map_or(filter, |shared| shared.filter)
}
