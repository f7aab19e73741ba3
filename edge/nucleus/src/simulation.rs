//! What a simulated device differs in from a real one.
//!
//! `tests/sim` runs the device's own deployments, configuration, journal and lifecycles on a disk, a
//! network, scripts and a clock of its own ([`SimulatedDevice`]). There, the same seed must give the
//! same history: blocking work is done at once instead of on another thread, and pauses are not
//! random.

use std::cell::Cell;

pub use crate::nucleus::{SimulatedDevice, SimulatedParts};

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
}

/// From now on, devices on this thread are simulated ones.
pub fn switch_on_this_thread() {
    IS_ON.set(true);
}

pub(crate) fn is_on_this_thread() -> bool {
    IS_ON.get()
}
