use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::ipc::iot_core::{BoxFuture, PublishFailed};

/// A connection that tells what it is subscribed to.
#[derive(Debug, Default)]
struct Connection {
    filters: Mutex<BTreeSet<String>>,
    refused: BTreeSet<String>,
    /// Answers come only after this, if it is set.
    gate: Option<Notify>,
}

impl IotCore for Arc<Connection> {
    fn publish(&self, _message: Publish) -> BoxFuture<Result<(), PublishFailed>> {
        Box::pin(async { Ok(()) })
    }

    fn subscribe(&self, filter: String, _qos: QoS) -> BoxFuture<Result<(), SubscribeFailed>> {
        let connection = self.clone();
        Box::pin(async move {
            if let Some(gate) = &connection.gate {
                gate.notified().await;
            }
            if connection.refused.contains(&filter) {
                let reason = "refused".to_owned();
                return Err(SubscribeFailed { reason, reason_code: None });
            }
            connection.filters.lock().unwrap().insert(filter);
            Ok(())
        })
    }

    fn unsubscribe(&self, filter: String) -> BoxFuture<()> {
        let connection = self.clone();
        Box::pin(async move {
            connection.filters.lock().unwrap().remove(&filter);
        })
    }

    fn connection(&self) -> watch::Receiver<bool> {
        watch::Sender::new(true).subscribe()
    }
}

fn key(stream: i32) -> StreamKey {
    StreamKey { connection: 1, stream }
}

fn fan_out(connection: &Arc<Connection>) -> Arc<FanOut> {
    FanOut::new(Arc::new(connection.clone()))
}

fn add(fan_out: &Arc<FanOut>, stream: i32, filter: &str) {
    let outbox = Arc::new(Outbox::new(Arc::default()));
    fan_out.add(key(stream), &outbox, filter.to_owned(), QoS::AtLeastOnce);
}

/// Lets all tasks run until each waits for something.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_broad_filter_does_not_take_the_narrow_one_with_it() {
    let connection = Arc::new(Connection {
        refused: BTreeSet::from(["a/#".to_owned()]),
        gate: Some(Notify::new()),
        ..Connection::default()
    });
    let fan_out = fan_out(&connection);
    add(&fan_out, 1, "a/#");
    add(&fan_out, 2, "a/b");
    let broad = tokio::spawn(fan_out.clone().established(key(1)));
    settle().await;
    let narrow = tokio::spawn(fan_out.clone().established(key(2)));
    settle().await;
    let gate = connection.gate.as_ref().unwrap();
    gate.notify_one();
    assert!(broad.await.unwrap().is_err());
    settle().await;
    gate.notify_one();
    assert_eq!(narrow.await.unwrap(), Ok(()));
    assert_eq!(*connection.filters.lock().unwrap(), BTreeSet::from(["a/b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn an_end_while_the_answer_is_pending_leaves_nothing() {
    let connection = Arc::new(Connection { gate: Some(Notify::new()), ..Connection::default() });
    let fan_out = fan_out(&connection);
    add(&fan_out, 1, "a");
    let waiting = tokio::spawn(fan_out.clone().established(key(1)));
    settle().await;
    fan_out.remove(key(1));
    settle().await;
    assert!(fan_out.lock().cloud.is_empty());
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_ends_and_begins_at_once_stays() {
    let connection = Arc::new(Connection::default());
    let fan_out = fan_out(&connection);
    for stream in 1..20 {
        add(&fan_out, stream, "a");
        fan_out.clone().established(key(stream)).await.unwrap();
        fan_out.remove(key(stream));
        if stream % 2 == 0 {
            settle().await;
        }
    }
    add(&fan_out, 20, "a");
    fan_out.clone().established(key(20)).await.unwrap();
    settle().await;
    assert_eq!(*connection.filters.lock().unwrap(), BTreeSet::from(["a".to_owned()]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever streams come and go: in the end every stream is covered by a subscription, and
    /// every subscription is some stream's own filter.
    #[test]
    fn subscriptions_follow_the_streams(
        steps in prop::collection::vec(
            (1..8i32, prop::sample::select(vec!["a/#", "a/b", "a/+", "#", "b", "$share/g/a"])),
            1..30,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let connection = Arc::new(Connection::default());
            let fan_out = fan_out(&connection);
            let mut streams: HashMap<i32, &str> = HashMap::new();
            for (stream, filter) in steps {
                if streams.remove(&stream).is_some() {
                    fan_out.remove(key(stream));
                } else {
                    streams.insert(stream, filter);
                    add(&fan_out, stream, filter);
                    fan_out.clone().established(key(stream)).await.unwrap();
                }
            }
            settle().await;
            let subscribed = connection.filters.lock().unwrap().clone();
            for filter in streams.values() {
                prop_assert!(subscribed.iter().any(|s| covers(s, filter)), "{filter} {subscribed:?}");
            }
            for filter in &subscribed {
                prop_assert!(streams.values().any(|s| s == filter), "{filter} {streams:?}");
            }
            Ok(())
        })?;
    }
}
