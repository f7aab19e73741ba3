//! Deployments that wait their turn: one at a time, in the order of their first offer.
//!
//! Rules of recipes and deployments B2, with its recommendations: a deployment is known by its
//! key, an offer of a known one changes nothing, all shadow deployments share one slot (the newer
//! replaces the older in its place), and a cancel hits the deployment that it names and no other.

use std::collections::VecDeque;

use super::request::{Request, Source};

/// More waiting deployments than any device has groups; the oldest offers are kept.
const CAPACITY: usize = 64;

/// The waiting deployments.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Request>,
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits.
    Queued,
    /// It took the place of an older shadow deployment.
    Replaced,
    /// It waits already, or runs.
    Known,
    /// No room: the cloud offers it again at the next connection.
    Full,
}

impl Queue {
    /// Takes a deployment in; `current` is the one that runs.
    pub(crate) fn offer(&mut self, request: Request, current: Option<&Request>) -> Offered {
        let known = |other: &Request| other.source.key() == request.source.key();
        if current.is_some_and(known) || self.waiting.iter().any(known) {
            return Offered::Known;
        }
        let is_shadow = |request: &Request| matches!(request.source, Source::Shadow { .. });
        if is_shadow(&request)
            && let Some(place) = self.waiting.iter_mut().find(|waiting| is_shadow(waiting))
        {
            *place = request;
            return Offered::Replaced;
        }
        if self.waiting.len() >= CAPACITY {
            return Offered::Full;
        }
        self.waiting.push_back(request);
        Offered::Queued
    }

    /// The next one to run.
    pub(crate) fn take(&mut self) -> Option<Request> {
        self.waiting.pop_front()
    }

    /// Drops a waiting deployment; the caller reports it as cancelled.
    pub(crate) fn cancel(&mut self, key: &str) -> Option<Request> {
        let at = self.waiting.iter().position(|request| request.source.key() == key)?;
        self.waiting.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> Request {
        Request::new(Source::Job { job_id: id.to_owned() }, "{}", 1)
    }

    fn shadow(arn: &str) -> Request {
        Request::new(Source::Shadow { configuration_arn: arn.to_owned() }, "{}", 1)
    }

    fn keys(mut queue: Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.take()).map(|r| r.source.key().to_owned()).collect()
    }

    #[test]
    fn first_come_first_served_and_known_ones_once() {
        let mut queue = Queue::default();
        assert_eq!(queue.offer(job("a"), None), Offered::Queued);
        assert_eq!(queue.offer(job("b"), Some(&job("c"))), Offered::Queued);
        assert_eq!(queue.offer(job("a"), None), Offered::Known);
        assert_eq!(queue.offer(job("c"), Some(&job("c"))), Offered::Known);
        assert_eq!(keys(queue), ["a", "b"]);
    }

    #[test]
    fn engine_two_shadow_updates_while_a_job_runs_leave_the_newer() {
        let mut queue = Queue::default();
        queue.offer(shadow("arn:1"), Some(&job("j")));
        queue.offer(job("k"), Some(&job("j")));
        assert_eq!(queue.offer(shadow("arn:2"), Some(&job("j"))), Offered::Replaced);
        assert_eq!(keys(queue), ["arn:2", "k"]);
    }

    #[test]
    fn cancel_hits_only_what_it_names() {
        let mut queue = Queue::default();
        queue.offer(job("a"), None);
        queue.offer(job("b"), None);
        assert!(queue.cancel("x").is_none());
        assert_eq!(queue.cancel("a").map(|r| r.source.key().to_owned()), Some("a".to_owned()));
        assert_eq!(keys(queue), ["b"]);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = Queue::default();
        for n in 0..CAPACITY {
            assert_eq!(queue.offer(job(&n.to_string()), None), Offered::Queued);
        }
        assert_eq!(queue.offer(job("one more"), None), Offered::Full);
    }
}
