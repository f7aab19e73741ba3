//! Who gets a message: subscriptions to targets, each session once, one member of each group.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use marram_mqtt::packet::SubscribeOptions;
use marram_mqtt::topic::Shared;
use marram_mqtt::tree::SubscriptionTree;
use marram_mqtt::{ByteString, QoS};

use crate::session::Session;

/// A session's number and, for a shared subscription, its group.
type Key = (u64, Option<ByteString>);

#[derive(Debug)]
struct Subscriber<I> {
    session: Arc<Session<I>>,
    options: SubscribeOptions,
    subscription_id: Option<NonZeroU32>,
}

/// One session to deliver to.
#[derive(Debug)]
pub(crate) struct Target<I> {
    pub(crate) session: Arc<Session<I>>,
    /// Highest QoS of the subscriptions that match.
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    pub(crate) subscription_ids: Vec<NonZeroU32>,
}

/// All receivers of one message.
#[derive(Debug)]
pub(crate) struct Targets<I> {
    /// Each of these gets it.
    pub(crate) each: Vec<Target<I>>,
    /// Of each of these groups the first member that takes it.
    pub(crate) groups: Vec<Vec<Target<I>>>,
}

/// All subscriptions.
#[derive(Debug)]
pub(crate) struct Router<I> {
    tree: RwLock<SubscriptionTree<Key, Subscriber<I>>>,
    /// Rotates the members of shared subscriptions.
    turn: AtomicUsize,
}

impl<I> Router<I> {
    pub(crate) fn new() -> Self {
        Self { tree: RwLock::default(), turn: AtomicUsize::new(0) }
    }

    /// Adds or replaces the subscription of `session` to a valid `filter`.
    pub(crate) fn subscribe(
        &self,
        filter: &str,
        session: &Arc<Session<I>>,
        options: SubscribeOptions,
        subscription_id: Option<NonZeroU32>,
    ) {
        let (plain, key) = key(filter, session.number);
        let subscriber = Subscriber { session: Arc::clone(session), options, subscription_id };
        self.tree.write().unwrap_or_else(PoisonError::into_inner).insert(plain, key, subscriber);
    }

    /// Removes the subscription of `session` to `filter`.
    pub(crate) fn unsubscribe(&self, filter: &str, session: &Session<I>) {
        let (plain, key) = key(filter, session.number);
        self.tree.write().unwrap_or_else(PoisonError::into_inner).remove(plain, &key);
    }

    /// Number of subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The receivers of a message on `topic` sent by the client `publisher`.
    pub(crate) fn targets(&self, topic: &str, publisher: Option<&str>) -> Targets<I> {
        let mut each = Vec::new();
        let mut groups = Vec::new();
        let mut filters = 0;
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.visit_matches(topic, &mut |entries| {
            filters += 1;
            let mut members: BTreeMap<&ByteString, Vec<Target<I>>> = BTreeMap::new();
            for ((_, group), subscriber) in entries {
                match group {
                    Some(group) => members.entry(group).or_default().push(subscriber.target()),
                    None if subscriber.is_own(publisher) => {}
                    None => each.push(subscriber.target()),
                }
            }
            groups.extend(members.into_values());
        });
        drop(tree);
        if filters > 1 {
            merge_by_session(&mut each);
        }
        for members in &mut groups {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % members.len();
            members.rotate_left(turn);
            // Stable: members without connection come last, in turn among themselves.
            members.sort_by_key(|member| !member.session.is_connected());
        }
        Targets { each, groups }
    }
}

impl<I> Subscriber<I> {
    fn target(&self) -> Target<I> {
        Target {
            session: Arc::clone(&self.session),
            qos: self.options.qos,
            retain_as_published: self.options.retain_as_published,
            subscription_ids: self.subscription_id.into_iter().collect(),
        }
    }

    fn is_own(&self, publisher: Option<&str>) -> bool {
        self.options.no_local && publisher == Some(&*self.session.client_id)
    }
}

/// Overlapping subscriptions of one session become one delivery with the highest QoS and all
/// identifiers (MQTT 5 §3.3.4).
fn merge_by_session<I>(targets: &mut Vec<Target<I>>) {
    targets.sort_by_key(|target| target.session.number);
    targets.dedup_by(|later, kept| {
        let same = later.session.number == kept.session.number;
        if same {
            kept.qos = kept.qos.max(later.qos);
            kept.retain_as_published |= later.retain_as_published;
            kept.subscription_ids.append(&mut later.subscription_ids);
        }
        same
    });
}

fn key(filter: &str, session: u64) -> (&str, Key) {
    match Shared::parse(filter) {
        Some(shared) => (shared.filter, (session, Some(shared.group.into()))),
        None => (filter, (session, None)),
    }
}
