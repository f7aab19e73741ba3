//! Components' own messages over the device's connection: the implementation of
//! [`IotCore`](crate::ipc::iot_core::IotCore).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use marram_mqtt_client::{Publish, PublishError, QoS, ReasonCode};
use marram_telemetry::Chain;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{CloudLink, Shared};
use crate::cloud::spool::suspects::SOLE_CUTS;
use crate::cloud::spool::{Outcome, Refuse, Settled, Spool, Spooled, parked};
use crate::ipc::iot_core::{BoxFuture, IotCore, PublishFailed, SubscribeFailed};

/// How long nothing is sent after the server had no room for a message.
const SERVER_PAUSE: Duration = Duration::from_secs(1);

type Sending = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send>>;

/// A message that was sent and is not acknowledged.
struct InFlight {
    id: u64,
    sending: Sending,
}

impl IotCore for CloudLink {
    fn publish(&self, message: Publish) -> BoxFuture<Result<(), PublishFailed>> {
        let accepted = self.shared.accept(message);
        Box::pin(async move {
            match accepted {
                // Where the disk does not take it, it waits in memory all the same.
                Ok(Some(safe)) => {
                    let _ = safe.await;
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(refuse) => Err(PublishFailed { reason: refuse.to_string() }),
            }
        })
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
    /// Takes a message into the spool. It takes its place before this returns; the receiver hears
    /// when it is on the disk, where messages are kept there.
    fn accept(&self, message: Publish) -> Result<Option<oneshot::Receiver<()>>, Refuse> {
        let is_online = self.client.is_connected();
        let now_ms = self.clock.now_ms();
        let mut spool = self.spool();
        let (id, dropped) = spool.push(message.clone(), is_online, now_ms)?;
        // Before the spool is free again: what is added must be handed over before it is removed.
        let safe = self.disk.as_ref().map(|disk| {
            disk.remove(dropped);
            disk.add(Spooled { id, message, accepted_ms: now_ms, retries: 0 })
        });
        drop(spool);
        self.spool_filled.notify_one();
        Ok(safe)
    }

    /// QoS 0 messages do not wait for the next connection, unless they are told to.
    pub(super) fn drop_offline_messages(&self) {
        let dropped = self.spool().disconnected();
        if !dropped.is_empty() {
            warn!(messages = dropped.len(), "offline: QoS 0 messages of components are dropped");
        }
        self.forget(dropped);
    }

    /// The server has ended the connection: because of a QoS 0 message, perhaps.
    pub(super) fn cut(&self) {
        let Some((spooled, dropped)) = self.spool().cut(self.clock.now_ms()) else { return };
        let reason = format!("{SOLE_CUTS} connections ended on which it was alone");
        self.give_up(&spooled, &reason);
        self.forget(dropped);
    }

    /// For how long nothing is to be sent on a connection that is there `since` then.
    fn pause(&self, since: Instant) -> Option<Duration> {
        let held_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.spool().pause(self.clock.now_ms(), held_ms).map(Duration::from_millis)
    }

    fn next_to_send(&self) -> Option<Spooled> {
        let (next, expired) = self.spool().take(self.clock.now_ms());
        if !expired.is_empty() {
            info!(messages = expired.len(), "components' messages expired while they waited");
        }
        self.forget(expired);
        next
    }

    fn forget(&self, ids: Vec<u64>) {
        if let Some(disk) = &self.disk
            && !ids.is_empty()
        {
            disk.remove(ids);
        }
    }

    /// Whether the server asks for a pause.
    fn settle(&self, id: u64, done: Result<(), PublishError>) -> bool {
        // Stopped: whoever comes next finds it on the disk.
        let Some(outcome) = outcome_of(&done) else { return false };
        let pauses =
            outcome == Outcome::Unanswered && matches!(done, Err(PublishError::Refused { .. }));
        let is_cut = outcome == Outcome::Cut;
        let settled = self.spool().settle(id, outcome);
        match settled {
            Settled::WaitsAgain => return pauses,
            Settled::Done => {}
            Settled::GivenUp(spooled) => {
                let mut reason = done.err().map(|error| error.to_string()).unwrap_or_default();
                if is_cut {
                    reason += &format!("; so did {SOLE_CUTS} connections on which it was alone");
                }
                self.give_up(&spooled, &reason);
            }
        }
        self.forget(vec![id]);
        pauses
    }

    async fn settle_and_pause(&self, id: u64, done: Result<(), PublishError>) {
        if self.settle(id, done) {
            sleep(SERVER_PAUSE).await;
        }
    }

    fn give_up(&self, spooled: &Spooled, reason: &str) {
        let topic = &*spooled.message.topic;
        match parked::park(&self.parked_folder, spooled, reason) {
            Ok(file) => {
                warn!(topic, reason, file = %file.display(), "a component's message is given up");
            }
            Err(error) => {
                warn!(topic, reason, error = %Chain(&error), "a component's message is given up");
            }
        }
    }

    pub(super) fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, spooled: Spooled) -> InFlight {
        let client = self.client.clone();
        let message = spooled.message;
        let sending = Box::pin(async move { client.publish_once(message).await.map(drop) });
        InFlight { id: spooled.id, sending }
    }
}

/// Sends what is spooled, in order, with several messages on their way at the same time.
pub(super) async fn send_spooled(shared: Arc<Shared>) {
    // The client's own: it knows of the end of a connection before a message does.
    let mut connected = shared.client.connection();
    let mut in_flight = Vec::new();
    let mut since = Instant::now();
    loop {
        if in_flight.is_empty() {
            if connected.has_changed().unwrap_or(true) || !*connected.borrow() {
                if connected.wait_for(|connected| *connected).await.is_err() {
                    return;
                }
                since = Instant::now();
            }
            if let Some(pause) = shared.pause(since) {
                if timeout(pause, connected.changed()).await.is_ok() {
                    since = Instant::now();
                }
                continue;
            }
        }
        while in_flight.len() < shared.max_in_flight {
            let Some(spooled) = shared.next_to_send() else { break };
            let mut next = shared.send(spooled);
            // The first poll hands the message over, in this order.
            match poll_once(&mut next.sending).await {
                Some(done) => shared.settle_and_pause(next.id, done).await,
                None => in_flight.push(next),
            }
        }
        if in_flight.is_empty() && shared.pause(since).is_some() {
            continue;
        }
        tokio::select! {
            (at, done) = first_done(&mut in_flight), if !in_flight.is_empty() => {
                let finished = in_flight.remove(at);
                shared.settle_and_pause(finished.id, done).await;
            }
            () = shared.spool_filled.notified() => {}
        }
    }
}

/// What an answer means to the message; `None` if there is to be none.
pub(super) fn outcome_of(done: &Result<(), PublishError>) -> Option<Outcome> {
    Some(match done {
        Ok(()) => Outcome::Acknowledged,
        Err(PublishError::Stopped) => return None,
        Err(PublishError::TimedOut { .. }) => Outcome::Unanswered,
        Err(PublishError::Cut { .. }) => Outcome::Cut,
        Err(PublishError::Lost { .. }) => Outcome::Lost,
        Err(PublishError::Refused { reason, .. }) if is_passing(*reason) => Outcome::Unanswered,
        Err(_) => Outcome::Refused,
    })
}

/// Refusals that say nothing of the message (MQTT 5, 3.4.2.1): it may be taken later.
fn is_passing(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::UNSPECIFIED_ERROR
            | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
            | ReasonCode::QUOTA_EXCEEDED
    )
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
