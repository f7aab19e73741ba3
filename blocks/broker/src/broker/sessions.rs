//! Sessions over time: opened, taken over, resumed, left, ended.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marram_mqtt::ReasonCode;
use marram_mqtt::packet::{Connect, Will};
use marram_mqtt::session::outbox::{Message, Outbox};

use super::{Inner, now};
use crate::handler::{Action, Handler, SessionInfo};
use crate::session::{Link, PendingWill, Session, State};

impl<H: Handler> Inner<H> {
    /// Gives `info`'s connection its session; an older connection of the client is cut.
    ///
    /// The flag tells whether an older session goes on.
    pub(crate) fn open_session(
        &self,
        info: &Arc<SessionInfo<H::Identity>>,
        link: &Arc<Link>,
        connect: &Connect,
    ) -> (Arc<Session<H::Identity>>, bool) {
        let expiry_s = connect.session_expiry_s.min(self.settings.connection.max_session_expiry_s);
        let receive_maximum =
            connect.receive_maximum.unwrap_or(NonZeroU16::MAX).min(self.settings.max_in_flight);
        let mut registry = self.sessions.lock();
        if let Some(session) = registry.get(&info.client_id) {
            let mut state = session.lock();
            if let Some(old) = state.link.take() {
                old.cut(ReasonCode::SESSION_TAKEN_OVER);
                state.outbox.detach();
            }
            if !connect.clean_start && state.expiry_s > 0 {
                state.expiry_s = expiry_s;
                self.resume(&session, &mut state, info, link, receive_maximum);
                drop(state);
                return (session, true);
            }
            let now = now();
            for will in &mut state.wills {
                will.due = now;
            }
            self.end_session(&session, &mut state);
            drop(state);
            registry.remove(&session);
        }
        let session =
            registry.insert(Arc::clone(info), Arc::clone(link), expiry_s, receive_maximum);
        self.keeper.mark(&session, &mut session.lock());
        (session, false)
    }

    fn resume(
        &self,
        session: &Arc<Session<H::Identity>>,
        state: &mut State<H::Identity>,
        info: &Arc<SessionInfo<H::Identity>>,
        link: &Arc<Link>,
        receive_maximum: NonZeroU16,
    ) {
        let now = now();
        state.info = Some(Arc::clone(info));
        state.link = Some(Arc::clone(link));
        state.expires_at = None;
        // MQTT 5 §3.1.3.2.2: coming back in time cancels the delayed will.
        state.wills.retain(|will| will.due <= now);
        // What the old identity was allowed to receive, the new one may not be.
        state.outbox.retain_waiting(|delivery| self.may_receive(info, &delivery.message));
        state.outbox.attach(receive_maximum);
        self.keeper.mark(session, state);
        self.agenda.reschedule(session, state);
    }

    fn may_receive(&self, info: &SessionInfo<H::Identity>, message: &Message) -> bool {
        let action = Action::Receive { topic: &message.publish.topic };
        self.handler.authorize(&info.identity, &info.client_id, action)
    }

    /// Takes the session out of the tree; the caller takes it out of the registry.
    fn end_session(&self, session: &Arc<Session<H::Identity>>, state: &mut State<H::Identity>) {
        state.ended = true;
        state.expires_at = None;
        state.outbox = Outbox::default();
        for filter in std::mem::take(&mut state.filters).into_keys() {
            self.router.unsubscribe(&filter, session);
        }
        self.keeper.mark(session, state);
        self.agenda.reschedule(session, state);
    }

    /// The connection `link` is over: keeps or ends the session, puts the will on the agenda.
    pub(crate) fn close_connection(
        &self,
        session: &Arc<Session<H::Identity>>,
        link: &Arc<Link>,
        info: &Arc<SessionInfo<H::Identity>>,
        session_expiry_s: u32,
        will: Option<Will>,
    ) {
        let now = now();
        let expiry = Duration::from_secs(u64::from(session_expiry_s));
        let mut registry = self.sessions.lock();
        let mut state = session.lock();
        let was_current = state.is_current(link);
        if let Some(will) = will {
            let delay = Duration::from_secs(u64::from(will.delay_s)).min(expiry);
            let goes_on_elsewhere = !was_current && !state.ended;
            if delay.is_zero() || !goes_on_elsewhere {
                let due = if state.ended { now } else { now + delay };
                let info = Arc::clone(info);
                state.wills.push(PendingWill { due, publish: will.publish, info });
            }
        }
        if was_current {
            state.link = None;
            state.outbox.detach();
            if expiry.is_zero() {
                self.end_session(session, &mut state);
                registry.remove(session);
            } else {
                state.expiry_s = session_expiry_s;
                state.expires_at = Some(now + expiry);
                self.keeper.mark(session, &mut state);
            }
        }
        self.agenda.reschedule(session, &mut state);
    }

    /// Ends the session if its time is over, and returns the wills that are due.
    pub(crate) fn look_after(
        &self,
        session: &Arc<Session<H::Identity>>,
        now: Instant,
    ) -> Vec<PendingWill<H::Identity>> {
        let mut registry = self.sessions.lock();
        let mut state = session.lock();
        // The agenda has just given this entry out.
        state.agenda = None;
        if state.expires_at.is_some_and(|at| at <= now) {
            self.end_session(session, &mut state);
            registry.remove(session);
        }
        let due = state.wills.extract_if(.., |will| will.due <= now).collect();
        self.agenda.reschedule(session, &mut state);
        due
    }
}
