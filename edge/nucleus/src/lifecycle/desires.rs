//! The states that a component shall reach, one after the other (A7.2).

use std::collections::VecDeque;

/// A state to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Desire {
    /// NEW: install again.
    New,
    /// INSTALLED: stopped, ready to start.
    Installed,
    /// RUNNING, or FINISHED when that is where running leads.
    Running,
    /// FINISHED: stopped.
    Finished,
    /// UNINSTALLED: nothing of it is to be left.
    Uninstalled,
}

/// The queue. A pending reinstall is never lost: other requests only change what comes after it.
/// Nothing but a reinstall leads back from a pending uninstall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Desires {
    queue: VecDeque<Desire>,
}

impl Desires {
    /// The next state to reach.
    pub(super) fn head(&self) -> Option<Desire> {
        self.queue.front().copied()
    }

    /// The next state is reached.
    pub(super) fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Drops `reached` from the head, as often as it is there.
    pub(super) fn drop_reached(&mut self, reached: Desire) {
        while self.head() == Some(reached) {
            self.pop();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What a BROKEN component may still do: a pending reinstall, or an uninstall.
    pub(super) fn break_down(&mut self) {
        if self.uninstalls() {
            self.queue = VecDeque::from([Desire::Uninstalled]);
        } else if !self.reinstalls() {
            self.queue.clear();
        }
    }

    pub(super) fn start(&mut self) {
        if self.uninstalls() {
            return;
        }
        match self.queue.back_mut() {
            Some(last) if *last == Desire::Finished => *last = Desire::Running,
            Some(Desire::Running) => {}
            _ => self.queue.push_back(Desire::Running),
        }
    }

    pub(super) fn stop(&mut self) {
        self.set(None, Desire::Finished);
    }

    pub(super) fn restart(&mut self) {
        self.set(Some(Desire::Installed), Desire::Running);
    }

    pub(super) fn reinstall(&mut self) {
        self.queue = VecDeque::from([Desire::New, Desire::Running]);
    }

    pub(super) fn uninstall(&mut self) {
        self.queue = VecDeque::from([Desire::Finished, Desire::Uninstalled]);
    }

    fn uninstalls(&self) -> bool {
        self.queue.contains(&Desire::Uninstalled)
    }

    fn reinstalls(&self) -> bool {
        self.queue.contains(&Desire::New)
    }

    fn set(&mut self, first: Option<Desire>, last: Desire) {
        if self.uninstalls() {
            return;
        }
        let first = if self.reinstalls() { Some(Desire::New) } else { first };
        self.queue = first.into_iter().chain([last]).collect();
    }
}

#[cfg(test)]
mod tests {
    use Desire::{Finished, Installed, New, Running, Uninstalled};

    use super::*;

    fn after(requests: &[fn(&mut Desires)]) -> Vec<Desire> {
        let mut desires = Desires::default();
        requests.iter().for_each(|request| request(&mut desires));
        desires.queue.into()
    }

    #[test]
    fn a7_2_requests_alone() {
        assert_eq!(after(&[Desires::start]), [Running]);
        assert_eq!(after(&[Desires::stop]), [Finished]);
        assert_eq!(after(&[Desires::restart]), [Installed, Running]);
        assert_eq!(after(&[Desires::reinstall]), [New, Running]);
        assert_eq!(after(&[Desires::uninstall]), [Finished, Uninstalled]);
    }

    #[test]
    fn a7_2_only_a_reinstall_leads_back_from_an_uninstall() {
        for request in [Desires::start, Desires::stop, Desires::restart] {
            assert_eq!(after(&[Desires::uninstall, request]), [Finished, Uninstalled]);
        }
        assert_eq!(after(&[Desires::uninstall, Desires::reinstall]), [New, Running]);
        assert_eq!(after(&[Desires::uninstall, Desires::break_down]), [Uninstalled]);
    }

    #[test]
    fn a7_2_pending_reinstall_is_never_lost() {
        assert_eq!(after(&[Desires::reinstall, Desires::restart]), [New, Running]);
        assert_eq!(after(&[Desires::reinstall, Desires::stop]), [New, Finished]);
        assert_eq!(after(&[Desires::reinstall, Desires::stop, Desires::start]), [New, Running]);
    }

    #[test]
    fn a7_2_start_replaces_a_trailing_finished() {
        assert_eq!(after(&[Desires::stop, Desires::start]), [Running]);
        assert_eq!(after(&[Desires::start, Desires::start]), [Running]);
    }
}
