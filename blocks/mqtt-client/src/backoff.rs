//! Pauses between attempts to connect.

use std::time::Duration;

use crate::options::Backoff;

/// Grows with each failure; starts anew after a connection that lasted.
#[derive(Debug)]
pub(crate) struct Pauses {
    bounds: Backoff,
    next: Duration,
}

impl Pauses {
    pub(crate) fn new(bounds: Backoff) -> Self {
        Self { bounds, next: bounds.min }
    }

    /// The next pause; `random` decides on the jitter.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.bounds.max);
        // At least half: random / 2^64 of the other half is taken away.
        let part = random as f64 / u64::MAX as f64;
        full.mul_f64(1.0 - part / 2.0)
    }

    /// A connection ended after `lifetime`.
    ///
    /// A short one does not count as success: two devices with one client id cut each other off as
    /// soon as they are connected, and their pauses must grow.
    pub(crate) fn connection_lasted(&mut self, lifetime: Duration) {
        if lifetime >= self.next {
            self.next = self.bounds.min;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses() -> Pauses {
        let bounds = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(8) };
        Pauses::new(bounds)
    }

    #[test]
    fn doubles_up_to_the_maximum() {
        let mut pauses = pauses();
        let seconds: Vec<u64> = (0..5).map(|_| pauses.next(0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 8]);
    }

    #[test]
    fn jitter_takes_away_up_to_a_half() {
        assert_eq!(pauses().next(u64::MAX), Duration::from_millis(500));
    }

    #[test]
    fn only_a_connection_that_lasted_resets() {
        let mut pauses = pauses();
        pauses.next(0);
        pauses.connection_lasted(Duration::from_millis(10));
        assert_eq!(pauses.next(0), Duration::from_secs(2));
        pauses.connection_lasted(Duration::from_secs(60));
        assert_eq!(pauses.next(0), Duration::from_secs(1));
    }
}
