//! How often and how soon something is tried again.

use std::time::Duration;

use uuid::Uuid;

/// How often and how soon a download or a call to the cloud is tried again.
///
/// Waiting for ever is Greengrass's rule for networks that come and go; what bounds it is the
/// deadline of the deployment's step, and that every wait ends when it is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest pause; the shortest is half of it.
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
    /// Waits between half the interval and the interval: devices that lost the same server must
    /// not return at the same moment.
    pub(crate) async fn pause(&self) {
        let half = self.interval / 2;
        let (_, random) = Uuid::new_v4().as_u64_pair();
        let share = random as f64 / u64::MAX as f64;
        tokio::time::sleep(half + half.mul_f64(share)).await;
    }

    /// True if `failures` for the network's sake are enough.
    pub(crate) fn gives_up_after(&self, failures: u32) -> bool {
        self.network_attempts.is_some_and(|limit| failures >= limit)
    }
}
