//! Whether a component may start, and stay up, as far as its dependencies go (A7.4).

use marram_model::component_state::ComponentState;

/// What a component's dependencies allow. In order: the worst of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readiness {
    /// It must not run.
    NotReady,
    /// One is on its way out without an error: what runs may go on, nothing starts.
    Leaving,
    /// It may start.
    Ready,
}

impl Readiness {
    /// What a HARD dependency in this state allows its dependers. A SOFT one allows everything.
    ///
    /// `stops_in_order` tells a stop that somebody asked for from one after an error. Java lets
    /// dependers start while their dependency stops; here they wait for what comes after.
    pub(crate) fn of_hard(state: ComponentState, stops_in_order: bool) -> Self {
        match state {
            ComponentState::Running | ComponentState::Finished | ComponentState::Stateless => {
                Self::Ready
            }
            ComponentState::Stopping if stops_in_order => Self::Leaving,
            _ => Self::NotReady,
        }
    }
}
