//! A broker that begins where the last one ended.

use std::sync::Arc;
use std::time::Duration;

use marram_mqtt::session::outbox::{Delivery, Message};

use super::{Inner, now};
use crate::handler::Handler;
use crate::keeper::instant;
use crate::persistence::{Kept, KeptMessage, KeptSession, Persistence};

impl<H: Handler> Inner<H> {
    /// Takes over what a store kept. Nobody may be connected yet.
    pub(super) fn restore(&self, kept: Kept, persistence: &Persistence) {
        for message in kept.retained {
            let message = revived(message, persistence);
            if message.is_expired(now()) || !self.retained.keep(&message) {
                self.keeper.mark_topic(&message.publish.topic);
            }
        }
        for session in kept.sessions {
            self.restore_session(session, persistence);
        }
    }

    fn restore_session(&self, kept: KeptSession, persistence: &Persistence) {
        let expires_at = match kept.expires_at_ms {
            Some(at_ms) => instant(at_ms, persistence),
            // The last broker died with its connections: they ended now.
            None => now() + Duration::from_secs(u64::from(kept.expiry_s)),
        };
        let session = self.sessions.lock().insert_kept(kept.client_id, kept.expiry_s, expires_at);
        let mut state = session.lock();
        if kept.expires_at_ms.is_none() {
            state.kept = Some((kept.expiry_s, None));
            self.keeper.mark(&session, &mut state);
        }
        for (filter, subscription) in kept.subscriptions {
            self.router.subscribe(
                &filter,
                &session,
                subscription.options,
                subscription.subscription_id,
            );
            state.filters.insert(filter, subscription);
        }
        for delivery in kept.queue {
            let message = Arc::new(revived(delivery.message, persistence));
            let qos = message.publish.qos;
            let (retain, subscription_ids) = (delivery.retain, delivery.subscription_ids);
            let entry = Delivery { message, qos, retain, subscription_ids };
            state.outbox.restore(delivery.position, entry);
        }
        self.agenda.reschedule(&session, &mut state);
    }
}

fn revived(kept: KeptMessage, persistence: &Persistence) -> Message {
    let expires_at = kept.expires_at_ms.map(|at_ms| instant(at_ms, persistence));
    Message { publish: kept.publish, expires_at }
}
