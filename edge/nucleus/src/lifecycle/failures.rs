//! How often a component failed lately, by the state it failed in (A7.3).

use std::collections::BTreeMap;
use std::time::Duration;

use marram_model::component_state::ComponentState;

/// So many failures in one state, close enough together, break a component.
const LIMIT: usize = 3;

/// The failures in NEW, STARTING and RUNNING.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    times: BTreeMap<&'static str, Vec<Duration>>,
}

impl Failures {
    /// Counts a failure in `state` at `now`; says whether the component is broken by it. Failures
    /// in other states do not count.
    pub(super) fn record(
        &mut self,
        state: ComponentState,
        now: Duration,
        reset_time: Duration,
    ) -> bool {
        let Some(state) = counted(state) else { return false };
        let times = self.times.entry(state).or_default();
        if times.last().is_some_and(|last| now.saturating_sub(*last) >= reset_time) {
            times.clear();
        }
        times.push(now);
        times.len() >= LIMIT
    }

    /// The component got through `state`.
    pub(super) fn passed(&mut self, state: ComponentState) {
        counted(state).and_then(|state| self.times.remove(state));
    }

    /// It begins anew.
    pub(super) fn clear(&mut self) {
        self.times.clear();
    }
}

fn counted(state: ComponentState) -> Option<&'static str> {
    use ComponentState::{New, Running, Starting};
    matches!(state, New | Starting | Running).then(|| state.as_str())
}
