//! How components go: dependers before their dependencies, each stopped in order.

use std::collections::BTreeSet;

use marram_model::ComponentName;
use tokio::sync::oneshot;

use super::Core;
use crate::lifecycle::{Event, KillScope, Request};
use crate::supervisor::entry::Closing;
use crate::supervisor::process;
use crate::supervisor::status::StateChange;

impl Core {
    /// Stops and removes everything, and takes nothing more.
    pub(in crate::supervisor) fn stop_all(&mut self) -> oneshot::Receiver<()> {
        self.is_stopping = true;
        self.halt()
    }

    /// Stops and removes everything; what is applied afterwards starts anew.
    pub(in crate::supervisor) fn halt(&mut self) -> oneshot::Receiver<()> {
        self.close(self.components.keys().cloned().collect())
    }

    /// Stops, uninstalls and removes components; the receiver is told when all are gone.
    pub(in crate::supervisor) fn remove(
        &mut self,
        names: BTreeSet<ComponentName>,
    ) -> oneshot::Receiver<()> {
        for name in &names {
            if let Some(entry) = self.components.get_mut(name) {
                entry.uninstalls = true;
            }
        }
        self.close(names)
    }

    fn close(&mut self, names: BTreeSet<ComponentName>) -> oneshot::Receiver<()> {
        let (reply, gone) = oneshot::channel();
        for name in &names {
            if let Some(entry) = self.components.get_mut(name) {
                entry.closing.get_or_insert(Closing::WaitsForDependers);
            }
        }
        self.removals.push((names, reply));
        self.advance_closing();
        gone
    }

    /// Takes every component that is on its way out as far as it can go now.
    pub(super) fn advance_closing(&mut self) {
        while let Some((name, next)) = self.next_closing() {
            match next {
                Closing::WaitsForDependers | Closing::Stops => {
                    self.set_closing(&name, Closing::Stops);
                    let is_final = self.components.get(&name).is_some_and(|e| e.uninstalls);
                    let request = if is_final { Request::Uninstall } else { Request::Stop };
                    // Comes back here, one turn deeper for each component at most.
                    self.feed(name, Event::Request(request));
                }
                Closing::Ends => self.end_leftovers(&name),
            }
        }
        self.answer_removals();
    }

    /// A component that can go on, and where to.
    fn next_closing(&self) -> Option<(ComponentName, Closing)> {
        self.components.iter().find_map(|(name, entry)| match entry.closing? {
            Closing::WaitsForDependers => {
                let closes = |depender: &ComponentName| {
                    self.components.get(depender).is_some_and(|entry| entry.closing.is_some())
                };
                let waits = self.dependers(name).iter().any(closes);
                (!waits).then(|| (name.clone(), Closing::Stops))
            }
            Closing::Stops => entry.machine.is_stopped().then(|| (name.clone(), Closing::Ends)),
            Closing::Ends => None,
        })
    }

    fn set_closing(&mut self, name: &ComponentName, closing: Closing) {
        if let Some(entry) = self.components.get_mut(name) {
            entry.closing = Some(closing);
        }
    }

    /// Ends what a stopped component may have left, for example what its install step started.
    fn end_leftovers(&mut self, name: &ComponentName) {
        self.set_closing(name, Closing::Ends);
        let Some(entry) = self.components.get_mut(name) else { return };
        let (jobs, guest) = entry.take_jobs(KillScope::All);
        let groups = entry.resources.take(KillScope::All);
        if jobs.is_empty() && guest.is_none() && groups.is_empty() {
            return self.drop_component(name);
        }
        let Some(events) = self.events_of(name) else { return };
        self.tasks.spawn(async move {
            process::end(jobs, guest, groups).await;
            events.send_end();
        });
    }

    /// Nothing of the component is left: it is forgotten, and its token is worthless.
    pub(super) fn drop_component(&mut self, name: &ComponentName) {
        let Some(entry) = self.components.remove(name) else { return };
        self.revoke_token(name);
        self.last_mark.0 += 1;
        self.board.announce(StateChange {
            name: name.clone(),
            version: entry.spec.version,
            from: entry.announced,
            to: None,
            code: entry.machine.status().code,
            reason: entry.machine.status().reason.clone(),
            at: self.last_mark,
        });
        self.board.remove(name);
    }

    fn answer_removals(&mut self) {
        let components = &self.components;
        let is_done = |names: &BTreeSet<ComponentName>| {
            // One that was applied again meanwhile is no longer to be removed.
            names.iter().all(|name| components.get(name).is_none_or(|e| e.closing.is_none()))
        };
        let done = self.removals.extract_if(.., |(names, _)| is_done(names));
        for (_, reply) in done {
            let _ = reply.send(());
        }
    }

    /// Kills everything at once.
    pub(in crate::supervisor) fn kill_all(&mut self) {
        let names: Vec<ComponentName> = self.components.keys().cloned().collect();
        for name in names {
            if let Some(entry) = self.components.get_mut(&name) {
                let (jobs, guest) = entry.take_jobs(KillScope::All);
                let groups = entry.resources.take(KillScope::All);
                jobs.into_iter().for_each(|job| job.kill());
                for group in groups {
                    // One whose processes are still dying is taken over at the next start.
                    let _ = group.remove();
                }
                drop(guest);
            }
            self.drop_component(&name);
        }
        // What is being ended right now: dropping it kills it.
        self.tasks.abort_all();
        self.answer_removals();
    }
}
