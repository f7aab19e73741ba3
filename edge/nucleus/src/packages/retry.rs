//! How often and how soon something is tried again.

use std::time::Duration;

use uuid::Uuid;

use crate::simulation;

/// Long enough for a server that restarts.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How often and how soon a download or a call to the cloud is tried again.
///
/// Waiting for ever is Greengrass's rule for networks that come and go; what bounds it is the
/// deadline of the deployment's step, and that every wait ends when it is cancelled. Greengrass
/// pauses for a minute from the first failure on; here the first pauses are short, because most
/// failures are a server that restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest pause.
    pub interval: Duration,
    /// Downloads whose digest is wrong before it counts as final.
    pub digest_attempts: u32,
    /// Attempts that fail for the network's sake before it counts as final; `None` for no limit.
    pub network_attempts: Option<u32>,
}

impl Default for RetryPolicy {
    /// Greengrass's: one minute, ten wrong digests, no limit for the network.
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), digest_attempts: 10, network_attempts: None }
    }
}

impl RetryPolicy {
    /// Waits after that many failures in a row: a second after the first, doubled with each more
    /// up to the interval, and shortened at random by up to half, because devices that lost the
    /// same server must not return at the same moment.
    pub(crate) async fn pause(&self, failures: u32) {
        let longest = self.longest_pause(failures);
        let random = match simulation::is_on_this_thread() {
            // The same seed must give the same history.
            true => u64::MAX / 2,
            false => Uuid::new_v4().as_u64_pair().1,
        };
        let share = random as f64 / u64::MAX as f64;
        tokio::time::sleep(longest / 2 + (longest / 2).mul_f64(share)).await;
    }

    fn longest_pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        FIRST_PAUSE.saturating_mul(doubled).min(self.interval)
    }

    /// True if `failures` for the network's sake are enough.
    pub(crate) fn gives_up_after(&self, failures: u32) -> bool {
        self.network_attempts.is_some_and(|limit| failures >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_interval() {
        let policy = RetryPolicy::default();
        let seconds = |failures| policy.longest_pause(failures).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 1000].map(seconds), [1, 2, 4, 32, 60, 60]);
        let short = RetryPolicy { interval: Duration::from_millis(2), ..policy };
        assert_eq!(short.longest_pause(1), Duration::from_millis(2));
    }
}
