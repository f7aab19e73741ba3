//! Components' own messages over the device's connection: the implementation of
//! [`IotCore`](crate::ipc::iot_core::IotCore).

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::Poll;

use marram_mqtt::topic;
use marram_mqtt_client::{Publish, PublishError, QoS, SubscribeError};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::{CloudLink, Shared};
use crate::cloud::spool::Spool;
use crate::ipc::iot_core::{BoxFuture, IotCore, PublishFailed, SubscribeFailed};

type Sending = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send>>;

/// A message that was sent and is not acknowledged.
struct InFlight {
    message: Publish,
    sending: Sending,
    order: u64,
}

impl IotCore for CloudLink {
    fn publish(&self, message: Publish) -> BoxFuture<Result<(), PublishFailed>> {
        let is_online = self.shared.client.is_connected();
        let pushed = self.shared.spool().push(message, is_online);
        self.shared.spool_filled.notify_one();
        let accepted = pushed.map_err(|refuse| PublishFailed { reason: refuse.to_string() });
        Box::pin(std::future::ready(accepted))
    }

    fn subscribe(&self, filter: String, qos: QoS) -> BoxFuture<Result<(), SubscribeFailed>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.subscribe_for_component(filter, qos).await })
    }

    fn unsubscribe(&self, filter: String) -> BoxFuture<()> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.unsubscribe_for_component(filter).await })
    }

    fn connection(&self) -> watch::Receiver<bool> {
        self.shared.connected.subscribe()
    }
}

impl Shared {
    /// Whether a component asked for this topic.
    pub(super) fn is_for_components(&self, topic: &str) -> bool {
        self.component_filters().keys().any(|filter| topic::matches(plain(filter), topic))
    }

    async fn subscribe_for_component(
        &self,
        filter: String,
        qos: QoS,
    ) -> Result<(), SubscribeFailed> {
        let failed = |error: SubscribeError| SubscribeFailed {
            reason: error.to_string(),
            reason_code: match error {
                SubscribeError::Refused { reason, .. } => Some(reason.0),
                _ => None,
            },
        };
        // Before the cloud answers: a retained message may come first.
        *self.component_filters().entry(filter.clone()).or_default() += 1;
        let done = self.subscribe_when_connected(&filter, qos).await.map_err(failed);
        if done.is_err() {
            self.forget_component_filter(&filter);
        }
        done
    }

    /// Waits for the connection, however long that takes, and again when it breaks before the
    /// cloud has answered.
    async fn subscribe_when_connected(&self, filter: &str, qos: QoS) -> Result<(), SubscribeError> {
        let mut connection = self.connected.subscribe();
        loop {
            // Cannot fail: the sender is here.
            let _ = connection.wait_for(|connected| *connected).await;
            let changing = self.changing_filters.lock().await;
            let done = self.client.subscribe(filter, qos).await;
            drop(changing);
            let broke = connection.has_changed().unwrap_or(false);
            if !(broke && matches!(done, Err(SubscribeError::TimedOut { .. }))) {
                return done.map(drop);
            }
        }
    }

    async fn unsubscribe_for_component(&self, filter: String) {
        let _changing = self.changing_filters.lock().await;
        let is_last = self.forget_component_filter(&filter);
        if !is_last || self.own_filters().contains(&filter) {
            return;
        }
        if let Err(error) = self.client.unsubscribe(filter).await {
            debug!(%error, "a component's subscription stays in the cloud");
        }
    }

    /// Takes one use of a filter away; whether it was the last.
    fn forget_component_filter(&self, filter: &str) -> bool {
        let mut filters = self.component_filters();
        let Some(uses) = filters.get_mut(filter) else { return true };
        *uses -= 1;
        let is_last = *uses == 0;
        if is_last {
            filters.remove(filter);
        }
        is_last
    }

    fn component_filters(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.component_filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: Publish, order: u64) -> InFlight {
        let (client, copy) = (self.client.clone(), message.clone());
        let sending = Box::pin(async move { client.publish(copy).await.map(drop) });
        InFlight { message, sending, order }
    }
}

/// Sends what is spooled, in order, with several messages on their way at the same time.
pub(super) async fn send_spooled(shared: Arc<Shared>) {
    let mut connected = shared.connected.subscribe();
    let mut sender = Sender { shared: &shared, in_flight: Vec::new(), unanswered: Vec::new() };
    let mut order = 0;
    loop {
        if sender.in_flight.is_empty() {
            sender.put_back_unanswered();
            if connected.wait_for(|connected| *connected).await.is_err() {
                return;
            }
        }
        while sender.has_room() {
            let Some(message) = shared.spool().pop() else { break };
            order += 1;
            let mut next = shared.send(message, order);
            // The first poll hands the message over, in this order.
            match poll_once(&mut next.sending).await {
                Some(done) => sender.settle(next, done),
                None => sender.in_flight.push(next),
            }
        }
        tokio::select! {
            (at, done) = first_done(&mut sender.in_flight), if !sender.in_flight.is_empty() => {
                let finished = sender.in_flight.remove(at);
                sender.settle(finished, done);
            }
            () = shared.spool_filled.notified() => {}
        }
    }
}

struct Sender<'a> {
    shared: &'a Shared,
    in_flight: Vec<InFlight>,
    /// Messages that got no answer, to be sent again once all before and after them are settled.
    unanswered: Vec<InFlight>,
}

impl Sender<'_> {
    fn has_room(&self) -> bool {
        self.unanswered.is_empty() && self.in_flight.len() < self.shared.max_in_flight
    }

    /// A message that got no answer waits again; one that was refused is lost.
    fn settle(&mut self, finished: InFlight, done: Result<(), PublishError>) {
        match done {
            Ok(()) => {}
            Err(PublishError::TimedOut { .. }) => self.unanswered.push(finished),
            Err(error) => warn!(%error, "a component's message was not sent"),
        }
    }

    fn put_back_unanswered(&mut self) {
        self.unanswered.sort_by_key(|message| message.order);
        let mut spool = self.shared.spool();
        while let Some(last) = self.unanswered.pop() {
            spool.put_back(last.message);
        }
    }
}

async fn poll_once(sending: &mut Sending) -> Option<Result<(), PublishError>> {
    poll_fn(|context| {
        Poll::Ready(match sending.as_mut().poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

async fn first_done(in_flight: &mut [InFlight]) -> (usize, Result<(), PublishError>) {
    poll_fn(|context| {
        for (at, each) in in_flight.iter_mut().enumerate() {
            if let Poll::Ready(done) = each.sending.as_mut().poll(context) {
                return Poll::Ready((at, done));
            }
        }
        Poll::Pending
    })
    .await
}

/// A shared subscription's own filter: `$share/GROUP/FILTER`.
fn plain(filter: &str) -> &str {
    match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((_, plain)) => plain,
        None => filter,
    }
}
