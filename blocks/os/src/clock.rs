//! The clock: the one place where the wall-clock time enters.
//!
//! Everything else takes a [`SharedClock`], so that tests and the simulator own the time. Timers
//! do not come from here: they use `tokio::time`, which tests can pause.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time.
pub trait Clock: Send + Sync + Debug {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// The time now in milliseconds since 1970-01-01T00:00:00Z; negative before that.
    fn now_ms(&self) -> i64 {
        millis_since_epoch(self.now())
    }
}

/// A clock that many owners hold.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The system clock as everybody takes it.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the time enters")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until it is told to move. Clones share the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that stands at `ms` milliseconds since the epoch.
    pub fn at_ms(ms: i64) -> Self {
        Self { ms: Arc::new(AtomicI64::new(ms)) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ms.fetch_add(by, Ordering::SeqCst);
    }

    /// Puts the clock at `ms` milliseconds since the epoch, forward or back.
    pub fn set_ms(&self, ms: i64) {
        self.ms.store(ms, Ordering::SeqCst);
    }

    /// This clock as everybody takes it; moving `self` moves what was handed out.
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        let ms = self.ms.load(Ordering::SeqCst);
        let distance = Duration::from_millis(ms.unsigned_abs());
        if ms < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }

    fn now_ms(&self) -> i64 {
        self.ms.load(Ordering::SeqCst)
    }
}

fn millis_since_epoch(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_what_was_handed_out() {
        let clock = ManualClock::at_ms(1_000);
        let shared = clock.shared();
        clock.advance(Duration::from_millis(500));
        assert_eq!(shared.now_ms(), 1_500);
        assert_eq!(millis_since_epoch(shared.now()), 1_500);
        clock.set_ms(-20);
        assert_eq!(millis_since_epoch(shared.now()), -20);
    }

    #[test]
    fn system_clock_is_after_2020() {
        assert!(SystemClock.now_ms() > 1_577_836_800_000);
    }
}
