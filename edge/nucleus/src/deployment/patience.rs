//! How long components may put an update off.
//!
//! Pure. Java asks again for ever, so one component with a mistake holds up every deployment of its
//! device; here the whole deferral has a limit (ADR 0014), and what was waited is kept with the
//! deployment, so that a restart does not begin anew.

use std::time::Duration;

/// The limit unless the configuration says otherwise: components that update only at week-ends
/// must find one in it.
pub(crate) const DEFAULT_LIMIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most that the configuration may say.
pub(crate) const MAX_LIMIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What is left of the time that components may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    limit: Duration,
    spent: Duration,
}

/// What follows from a round of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nobody minds.
    GoAhead,
    /// Ask again after this time.
    AskAgainAfter(Duration),
    /// Somebody minds for longer than is allowed.
    GiveUp,
}

impl Patience {
    pub(crate) fn new(limit: Duration, spent: Duration) -> Self {
        Self { limit: limit.min(MAX_LIMIT), spent }
    }

    /// The most that the next round of questions may take.
    pub(crate) fn round(&self, timeout: Duration) -> Duration {
        timeout.min(self.limit)
    }

    /// So much time has passed.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.spent = self.spent.saturating_add(time);
    }

    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// After a round in which `longest` was the longest that anybody asked for; zero if nobody
    /// puts the update off. The last wait is cut to the limit, and a last round follows it.
    pub(crate) fn after_round(&self, longest: Duration) -> Next {
        if longest.is_zero() {
            return Next::GoAhead;
        }
        match self.limit.saturating_sub(self.spent) {
            Duration::ZERO => Next::GiveUp,
            left => Next::AskAgainAfter(longest.min(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn who_minds_nothing_is_not_waited_for_even_past_the_limit() {
        assert_eq!(Patience::new(seconds(5), seconds(9)).after_round(seconds(0)), Next::GoAhead);
    }

    #[test]
    fn deferring_for_ever_ends_at_the_limit_with_a_last_question() {
        let mut patience = Patience::new(seconds(10), seconds(0));
        let mut rounds = 0;
        while let Next::AskAgainAfter(wait) = patience.after_round(seconds(4)) {
            patience.spend(wait);
            rounds += 1;
        }
        assert_eq!((rounds, patience.spent()), (3, seconds(10)), "4 + 4 + 2");
        assert_eq!(patience.after_round(seconds(4)), Next::GiveUp);
    }

    #[test]
    fn one_endless_deferral_is_cut_to_the_limit() {
        let patience = Patience::new(seconds(10), seconds(3));
        assert_eq!(patience.after_round(Duration::MAX), Next::AskAgainAfter(seconds(7)));
    }

    #[test]
    fn the_limit_has_a_limit() {
        assert_eq!(Patience::new(Duration::MAX, seconds(0)).limit(), MAX_LIMIT);
    }
}
