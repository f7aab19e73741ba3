//! What outlives the broker, with a store in memory that can be held up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use marram_broker::{
    Broker, Change, Kept, KeptSession, Persistence, SessionStore, Settings, Storing,
};
use marram_mqtt::packet::Connect;
use marram_mqtt::{Packet, QoS, ReasonCode, Version};
use marram_os::clock::ManualClock;
use tokio::sync::Notify;

use crate::raw::{Raw, connect, eventually, listen, publish_packet, qos_1};
use crate::rules::Rules;

/// A naive store: what it was told, applied one by one.
#[derive(Default)]
struct Memory {
    kept: Mutex<Kept>,
    batches: Mutex<Vec<usize>>,
    fails: AtomicBool,
    held: AtomicBool,
    released: Notify,
}

impl Memory {
    fn apply(&self, changes: &[Change]) {
        let mut kept = self.kept.lock().unwrap();
        for change in changes {
            apply(&mut kept, change.clone());
        }
        self.batches.lock().unwrap().push(changes.len());
    }

    fn sessions(&self) -> BTreeMap<String, KeptSession> {
        let kept = self.kept.lock().unwrap();
        let named = |session: &KeptSession| (session.client_id.to_string(), session.clone());
        kept.sessions.iter().map(named).collect()
    }

    fn queued(&self, client_id: &str) -> Vec<String> {
        let sessions = self.sessions();
        let queue = sessions.get(client_id).map(|session| session.queue.clone());
        let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
        let queue = queue.unwrap_or_default();
        queue.iter().map(|delivery| text(&delivery.message.publish.payload)).collect()
    }

    fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.released.notify_waiters();
    }
}

fn apply(kept: &mut Kept, change: Change) {
    let session = |kept: &mut Kept, client_id: &str| {
        let at = kept.sessions.iter().position(|session| session.client_id == *client_id);
        at.expect("changes of a session come behind its own")
    };
    match change {
        Change::Ended { client_id } => kept.sessions.retain(|of| of.client_id != client_id),
        Change::Session { client_id, expiry_s, expires_at_ms } => {
            let at = kept.sessions.iter().position(|session| session.client_id == client_id);
            let at = at.unwrap_or_else(|| {
                let (subscriptions, queue) = (Vec::new(), Vec::new());
                let expires_at_ms = None;
                kept.sessions.push(KeptSession {
                    client_id,
                    expiry_s,
                    expires_at_ms,
                    subscriptions,
                    queue,
                });
                kept.sessions.len() - 1
            });
            kept.sessions[at].expiry_s = expiry_s;
            kept.sessions[at].expires_at_ms = expires_at_ms;
        }
        Change::Subscribed { client_id, filter, subscription } => {
            let at = session(kept, &client_id);
            kept.sessions[at].subscriptions.retain(|(old, _)| *old != filter);
            kept.sessions[at].subscriptions.push((filter, subscription));
        }
        Change::Unsubscribed { client_id, filter } => {
            let at = session(kept, &client_id);
            kept.sessions[at].subscriptions.retain(|(old, _)| *old != filter);
        }
        Change::Queued { client_id, delivery } => {
            let at = session(kept, &client_id);
            kept.sessions[at].queue.push(delivery);
        }
        Change::Settled { client_id, position } => {
            let at = session(kept, &client_id);
            kept.sessions[at].queue.retain(|delivery| delivery.position != position);
        }
        Change::Retained(message) => {
            kept.retained.retain(|old| old.publish.topic != message.publish.topic);
            kept.retained.push(message);
        }
        Change::Cleared { topic } => kept.retained.retain(|old| old.publish.topic != topic),
    }
}

/// The broker's side of the memory that all brokers of a test share.
struct Shared(Arc<Memory>);

impl SessionStore for Shared {
    fn load(&self) -> Storing<'_, Kept> {
        Box::pin(async { Ok(self.0.kept.lock().unwrap().clone()) })
    }

    fn save<'s>(&'s self, changes: &'s [Change]) -> Storing<'s, ()> {
        Box::pin(async move {
            if self.0.fails.swap(false, Ordering::SeqCst) {
                return Err("the disk is full".into());
            }
            loop {
                let released = self.0.released.notified();
                if !self.0.held.load(Ordering::SeqCst) {
                    break;
                }
                released.await;
            }
            self.0.apply(changes);
            Ok(())
        })
    }
}

async fn open(memory: &Arc<Memory>, clock: &ManualClock) -> Broker<Rules> {
    let store = Arc::new(Shared(Arc::clone(memory)));
    let persistence = Persistence { store, clock: clock.shared() };
    Broker::open(Arc::new(Rules::default()), Settings::default(), persistence).await.unwrap()
}

/// As `kill -9`: what the broker holds is gone, what it wrote stays.
async fn dies(broker: Broker<Rules>, memory: &Memory) -> Kept {
    let kept = memory.kept.lock().unwrap().clone();
    drop(broker);
    kept
}

fn persistent(client_id: &str) -> Connect {
    Connect { session_expiry_s: 3600, ..connect(client_id, Version::V5) }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_crash_is_delivered_after_it() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::connected_as(address, persistent("sub")).await;
    subscriber.subscribe("a/#", QoS::AtLeastOnce).await;
    let mut publisher = Raw::connected(address, "pub", Version::V5).await;
    // The subscriber gets it and does not say so.
    assert_eq!(publisher.publish(qos_1("a/1", "open")).await, Some(ReasonCode::SUCCESS));
    drop(subscriber);
    eventually(false, || broker.is_connected("sub")).await;
    assert_eq!(publisher.publish(qos_1("a/2", "waiting")).await, Some(ReasonCode::SUCCESS));
    let kept = dies(broker, &memory).await;
    let after = Arc::new(Memory { kept: Mutex::new(kept), ..Memory::default() });

    let broker = open(&after, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::dial(address, Version::V5).await;
    assert!(subscriber.open(persistent("sub")).await.session_present);
    for expected in ["open", "waiting"] {
        let message = subscriber.message().await;
        assert_eq!(message.publish.payload, expected);
        subscriber.acknowledge(&message).await;
    }
    eventually(Vec::<String>::new(), || after.queued("sub")).await;
    subscriber.expect_nothing().await;
}

#[tokio::test]
async fn a_publication_is_acknowledged_when_it_is_kept_and_not_before() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::connected_as(address, persistent("sub")).await;
    subscriber.subscribe("a", QoS::AtLeastOnce).await;
    let mut publisher = Raw::connected(address, "pub", Version::V5).await;
    memory.held.store(true, Ordering::SeqCst);
    memory.fails.store(true, Ordering::SeqCst);
    for id in 1..=3 {
        let packet = publish_packet(qos_1("a", "x"), std::num::NonZeroU16::new(id));
        publisher.send(packet).await;
    }
    for _ in 1..=3 {
        assert_eq!(subscriber.message().await.publish.payload, "x", "subscribers need not wait");
    }
    publisher.expect_nothing().await;
    // Who is not concerned is answered meanwhile.
    publisher.send(Packet::PingRequest).await;
    assert_eq!(publisher.next().await, Packet::PingResponse);
    memory.release();
    for id in 1..=3 {
        let Packet::PubAck(ack) = publisher.next().await else { panic!("no PUBACK") };
        assert_eq!((ack.packet_id.get(), ack.reason), (id, ReasonCode::SUCCESS));
    }
}

#[tokio::test]
async fn what_clients_without_a_session_get_waits_for_no_store() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    memory.held.store(true, Ordering::SeqCst);
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let passing = Connect { session_expiry_s: 0, ..connect("sub", Version::V5) };
    let mut subscriber = Raw::connected_as(address, passing).await;
    subscriber.subscribe("a", QoS::AtLeastOnce).await;
    assert_eq!(subscriber.publish(qos_1("a", "x")).await, Some(ReasonCode::SUCCESS));
    assert!(memory.batches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_thousand_messages_need_few_batches_and_acknowledged_ones_none() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::connected_as(address, persistent("sub")).await;
    subscriber.subscribe("a", QoS::AtLeastOnce).await;
    memory.held.store(true, Ordering::SeqCst);
    let mut publisher = Raw::connected(address, "pub", Version::V311).await;
    for id in 1..=100 {
        publisher.send(publish_packet(qos_1("a", "x"), std::num::NonZeroU16::new(id))).await;
        let message = subscriber.message().await;
        subscriber.acknowledge(&message).await;
    }
    // Behind the last PUBACK of the subscriber.
    subscriber.send(Packet::PingRequest).await;
    assert_eq!(subscriber.next().await, Packet::PingResponse);
    let before = memory.batches.lock().unwrap().len();
    memory.release();
    for _ in 1..=100 {
        assert!(matches!(publisher.next().await, Packet::PubAck(_)));
    }
    let batches = memory.batches.lock().unwrap()[before..].to_vec();
    assert!(batches.len() <= 3 && batches.iter().sum::<usize>() <= 4, "{batches:?}");
    assert!(memory.queued("sub").is_empty());
}

#[tokio::test]
async fn a_clean_start_and_the_end_of_a_session_leave_nothing_behind() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut first = Raw::connected_as(address, persistent("sub")).await;
    first.subscribe("old", QoS::AtLeastOnce).await;
    let clean = Connect { clean_start: true, ..persistent("sub") };
    let mut second = Raw::connected_as(address, clean).await;
    second.subscribe("new", QoS::AtLeastOnce).await;
    let filters = || {
        let sessions = memory.sessions();
        let filters = sessions["sub"].subscriptions.iter().map(|(filter, _)| filter.to_string());
        filters.collect::<Vec<_>>()
    };
    assert_eq!(filters(), ["new"]);
    let mut disconnect = marram_mqtt::packet::Disconnect::new(ReasonCode::SUCCESS);
    disconnect.session_expiry_s = Some(0);
    second.send(Packet::Disconnect(disconnect)).await;
    eventually(true, || memory.sessions().is_empty()).await;
}

#[tokio::test]
async fn a_session_expires_by_the_wall_clock_also_while_no_broker_runs() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    drop(Raw::connected_as(address, persistent("sub")).await);
    eventually(true, || memory.sessions().get("sub").is_some_and(|of| of.expires_at_ms.is_some()))
        .await;
    drop(broker);
    clock.advance(Duration::from_secs(3601));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    eventually(true, || memory.sessions().is_empty()).await;
    let mut raw = Raw::dial(address, Version::V5).await;
    assert!(!raw.open(persistent("sub")).await.session_present);
}

#[tokio::test]
async fn messages_age_while_no_broker_runs() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::connected_as(address, persistent("sub")).await;
    subscriber.subscribe("a", QoS::AtLeastOnce).await;
    drop(subscriber);
    eventually(false, || broker.is_connected("sub")).await;
    let mut publisher = Raw::connected(address, "pub", Version::V5).await;
    for expiry_s in [60, 600] {
        let mut publish = qos_1("a", &expiry_s.to_string());
        publish.properties.message_expiry_s = Some(expiry_s);
        publisher.publish(publish).await;
    }
    drop(broker);
    clock.advance(Duration::from_secs(100));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::connected_as(address, persistent("sub")).await;
    let message = subscriber.message().await;
    assert_eq!(message.publish.payload, "600");
    let left = message.publish.properties.message_expiry_s.unwrap();
    assert!((490..=500).contains(&left), "{left}");
}

#[tokio::test]
async fn more_unanswered_messages_than_the_receive_maximum_end_the_connection() {
    let (memory, clock) = (Arc::new(Memory::default()), ManualClock::at_ms(1));
    let broker = open(&memory, &clock).await;
    let address = listen(&broker).await;
    let mut subscriber = Raw::connected_as(address, persistent("sub")).await;
    subscriber.subscribe("a", QoS::AtLeastOnce).await;
    memory.held.store(true, Ordering::SeqCst);
    let mut publisher = Raw::connected(address, "pub", Version::V5).await;
    for id in 1..=101 {
        publisher.send(publish_packet(qos_1("a", "x"), std::num::NonZeroU16::new(id))).await;
    }
    assert_eq!(publisher.disconnected().await, ReasonCode::RECEIVE_MAXIMUM_EXCEEDED);
    memory.release();
}
