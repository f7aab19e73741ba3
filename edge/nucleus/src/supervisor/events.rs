//! The way back from running work to the component's machine.

use std::sync::Weak;

use marram_model::ComponentName;

use super::Shared;
use crate::component::Running;
use crate::lifecycle::{Event, RunId};

/// Tells the machine of one instance of a component what happened. Does not keep the supervisor
/// alive: once that is gone, nobody needs to know.
#[derive(Debug, Clone)]
pub(super) struct Events {
    pub(super) component: ComponentName,
    /// Tells this instance from a later one of the same name.
    pub(super) instance: u64,
    pub(super) shared: Weak<Shared>,
}

impl Events {
    /// Something happened.
    pub(super) fn send(&self, event: Event) {
        if let Some(shared) = self.shared.upgrade() {
            shared.core().take_event(&self.component, self.instance, event);
        }
    }

    /// A guest runs; it is the supervisor's from now on.
    pub(super) fn send_guest(&self, run: RunId, guest: Box<dyn Running>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.core().take_guest(&self.component, self.instance, run, guest);
        }
    }

    /// Nothing is left of a component that is being removed.
    pub(super) fn send_end(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.core().take_end(&self.component, self.instance);
        }
    }
}
