//! What happens to sessions when nothing happens: delayed wills are published, old sessions end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::broker::Inner;
use crate::handler::Handler;
use crate::session::{Session, State};

/// Sessions by the instant they are due, and by number where instants are equal.
type Entries<I> = BTreeMap<(Instant, u64), Arc<Session<I>>>;

/// The sessions to look at, each at most once, by time.
#[derive(Debug)]
pub(crate) struct Agenda<I> {
    entries: Mutex<Entries<I>>,
    changed: Notify,
}

impl<I> Agenda<I> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::default(), changed: Notify::new() }
    }

    /// Moves `session` to the place where its state is due next, or takes it off the agenda.
    pub(crate) fn reschedule(&self, session: &Arc<Session<I>>, state: &mut State<I>) {
        let due = state.due();
        if due == state.agenda {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = state.agenda {
            entries.remove(&(old, session.number));
        }
        if let Some(due) = due {
            entries.insert((due, session.number), Arc::clone(session));
        }
        state.agenda = due;
        let is_first = entries.keys().next().map(|(at, _)| *at) == due;
        drop(entries);
        if is_first {
            self.changed.notify_one();
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.keys().next().map(|(at, _)| *at)
    }

    fn pop_due(&self, now: Instant) -> Option<Arc<Session<I>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let first = entries.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

/// Works off the agenda until the broker is gone.
pub(crate) async fn run<H: Handler>(agenda: Arc<Agenda<H::Identity>>, broker: Weak<Inner<H>>) {
    loop {
        match agenda.next_due() {
            Some(due) => {
                tokio::select! {
                    () = sleep_until(due.into()) => {}
                    () = agenda.changed.notified() => {}
                }
            }
            None => agenda.changed.notified().await,
        }
        let Some(broker) = broker.upgrade() else { return };
        let now = crate::broker::now();
        while let Some(session) = agenda.pop_due(now) {
            for will in broker.look_after(&session, now) {
                broker.publish_will(will).await;
            }
        }
    }
}
