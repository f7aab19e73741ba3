//! Messages: published, routed, delivered; and the subscriptions that steer them.

use std::num::NonZeroU32;
use std::sync::Arc;

use marram_mqtt::packet::{RetainHandling, SubscribeOptions};
use marram_mqtt::session::outbox::{Delivery, Message};
use marram_mqtt::topic::{self, Shared};
use marram_mqtt::{ByteString, Publish, QoS, ReasonCode};
use tokio::time::timeout;
use tracing::warn;

use super::{Inner, now};
use crate::handler::{Action, Handler, Intercept, SessionInfo};
use crate::keeper::Ticket;
use crate::persistence::KeptSubscription;
use crate::router::Target;
use crate::session::{Delivered, Link, PendingWill, Session};

impl<H: Handler> Inner<H> {
    pub(crate) async fn publish_will(&self, will: PendingWill<H::Identity>) {
        let (reason, _) = self.accept_publish(&will.info, will.publish).await;
        if reason.is_error() {
            warn!(client_id = %will.info.client_id, %reason, "will not published");
        }
    }

    /// Authorises, intercepts and routes what a client publishes; the code for its PUBACK, and
    /// what that must wait for.
    pub(crate) async fn accept_publish(
        &self,
        info: &SessionInfo<H::Identity>,
        publish: Publish,
    ) -> (ReasonCode, Ticket) {
        let action = Action::Publish { topic: &publish.topic, retain: publish.retain };
        if !self.handler.authorize(&info.identity, &info.client_id, action) {
            return (ReasonCode::NOT_AUTHORIZED, 0);
        }
        if publish.topic.starts_with('$') {
            let intercept = self.handler.intercept(info, &publish);
            match timeout(self.settings.handler_timeout, intercept).await {
                Ok(Intercept::Consumed) => return (ReasonCode::SUCCESS, 0),
                Ok(Intercept::Refused) => return (ReasonCode::TOPIC_NAME_INVALID, 0),
                Ok(Intercept::Forward) => {}
                Err(_) => {
                    warn!(client_id = %info.client_id, topic = %publish.topic,
                        "request on a reserved topic took too long");
                    return (ReasonCode::UNSPECIFIED_ERROR, 0);
                }
            }
        }
        match self.route(publish, Some(&info.client_id), None) {
            (true, ticket) => (ReasonCode::SUCCESS, ticket),
            (false, ticket) => (ReasonCode::NO_MATCHING_SUBSCRIBERS, ticket),
        }
    }

    /// Delivers to all receivers. False when there is none; and when it is durable for all.
    pub(super) fn route(
        &self,
        publish: Publish,
        publisher: Option<&str>,
        requester: Option<&str>,
    ) -> (bool, Ticket) {
        let message = Arc::new(Message::new(publish, now()));
        let mut durable = 0;
        if message.publish.retain {
            if self.retained.keep(&message) {
                durable = self.keeper.mark_topic(&message.publish.topic);
            } else {
                warn!(topic = %message.publish.topic, "no room to retain the message");
            }
        }
        let targets = self.router.targets(&message.publish.topic, publisher);
        let mut reached = !targets.each.is_empty() || !targets.groups.is_empty();
        if let Some(session) = requester.and_then(|client_id| self.sessions.get(client_id))
            && !targets.each.iter().any(|target| Arc::ptr_eq(&target.session, &session))
            && session.is_connected()
        {
            reached = true;
            let qos = QoS::AtLeastOnce;
            let subscription_ids = Vec::new();
            let target = Target { session, qos, retain_as_published: false, subscription_ids };
            self.deliver(&message, target);
        }
        for target in targets.each {
            if let Delivered::Queued(ticket) = self.deliver(&message, target) {
                durable = durable.max(ticket);
            }
        }
        for members in targets.groups {
            for member in members {
                if let Delivered::Queued(ticket) = self.deliver(&message, member) {
                    durable = durable.max(ticket);
                    break;
                }
            }
        }
        (reached, durable)
    }

    fn deliver(&self, message: &Arc<Message>, target: Target<H::Identity>) -> Delivered {
        let publish = &message.publish;
        let delivery = Delivery {
            message: Arc::clone(message),
            qos: publish.qos.min(target.qos),
            retain: publish.retain && target.retain_as_published,
            subscription_ids: target.subscription_ids,
        };
        self.hand_over(&target.session, delivery)
    }

    fn hand_over(&self, session: &Arc<Session<H::Identity>>, delivery: Delivery) -> Delivered {
        let message = Arc::clone(&delivery.message);
        let action = Action::Receive { topic: &message.publish.topic };
        let (online, offline) = (&self.settings.online_queue, &self.settings.offline_queue);
        let delivered = session.deliver(&self.keeper, delivery, online, offline, |identity| {
            self.handler.authorize(identity, &session.client_id, action)
        });
        if delivered == Delivered::Dropped {
            self.count_dropped();
        }
        delivered
    }

    /// Adds one subscription of the connection `link`; the code for its SUBACK, and what that
    /// must wait for.
    pub(crate) fn subscribe(
        &self,
        session: &Arc<Session<H::Identity>>,
        link: &Arc<Link>,
        filter: ByteString,
        options: SubscribeOptions,
        subscription_id: Option<NonZeroU32>,
    ) -> (ReasonCode, Ticket) {
        let shared = Shared::parse(&filter);
        let plain = shared.map_or(&*filter, |shared| shared.filter);
        // The whole, `$share/…` included, is bounded too: it is a key in the store.
        let limits = &self.settings.connection.topics;
        if !topic::is_valid_filter(&filter) || !limits.allow(plain) || !limits.allow(&filter) {
            return (ReasonCode::TOPIC_FILTER_INVALID, 0);
        }
        if shared.is_some() && options.no_local {
            return (ReasonCode::TOPIC_FILTER_INVALID, 0);
        }
        let is_shared = shared.is_some();
        let action = Action::Subscribe { filter: plain };
        let mut state = session.lock();
        let Some(info) = state.info.as_ref().filter(|_| state.is_current(link)) else {
            return (ReasonCode::UNSPECIFIED_ERROR, 0);
        };
        if !self.handler.authorize(&info.identity, &session.client_id, action) {
            return (ReasonCode::NOT_AUTHORIZED, 0);
        }
        let is_new = !state.filters.contains_key(&filter);
        if is_new && state.filters.len() >= self.settings.max_subscriptions {
            return (ReasonCode::QUOTA_EXCEEDED, 0);
        }
        self.router.subscribe(&filter, session, options, subscription_id);
        state.filters.insert(filter.clone(), KeptSubscription { options, subscription_id });
        let durable = self.keeper.mark_filter(session, &mut state, filter.clone());
        drop(state);
        let wants_retained = match options.retain_handling {
            RetainHandling::Send => !is_shared,
            RetainHandling::SendIfNew => !is_shared && is_new,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained {
            self.deliver_retained(session, &filter, options.qos, subscription_id);
        }
        match options.qos {
            QoS::AtMostOnce => (ReasonCode::SUCCESS, durable),
            QoS::AtLeastOnce => (ReasonCode::GRANTED_QOS_1, durable),
        }
    }

    fn deliver_retained(
        &self,
        session: &Arc<Session<H::Identity>>,
        filter: &str,
        qos: QoS,
        subscription_id: Option<NonZeroU32>,
    ) {
        for message in self.retained.matching(filter, now()) {
            let delivery = Delivery {
                qos: message.publish.qos.min(qos),
                retain: true,
                subscription_ids: subscription_id.into_iter().collect(),
                message,
            };
            if !session.has_room_for(&delivery, &self.settings.online_queue) {
                // A wildcard may select more than a queue takes; the client is not too slow.
                self.count_dropped();
                continue;
            }
            self.hand_over(session, delivery);
        }
    }

    /// Ends one subscription of the connection `link`; the code for its UNSUBACK, and what that
    /// must wait for.
    pub(crate) fn unsubscribe(
        &self,
        session: &Arc<Session<H::Identity>>,
        link: &Arc<Link>,
        filter: &str,
    ) -> (ReasonCode, Ticket) {
        let mut state = session.lock();
        if !state.is_current(link) {
            return (ReasonCode::NO_SUBSCRIPTION_EXISTED, 0);
        }
        let Some((filter, _)) = state.filters.remove_entry(filter) else {
            return (ReasonCode::NO_SUBSCRIPTION_EXISTED, 0);
        };
        self.router.unsubscribe(&filter, session);
        (ReasonCode::SUCCESS, self.keeper.mark_filter(session, &mut state, filter))
    }
}
