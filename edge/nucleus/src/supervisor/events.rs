//! The way back from running work to whoever waits for it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use marram_model::ComponentName;
use tokio::sync::oneshot;

use super::Shared;
use crate::component::Running;
use crate::lifecycle::{Event, RunId, StepEvent};

/// Tells what happened to the work of one instance of a component.
#[derive(Debug, Clone)]
pub(super) struct Events {
    pub(super) component: ComponentName,
    /// Tells this instance from a later one of the same name.
    pub(super) instance: u64,
    pub(super) listener: Listener,
}

/// Who is told.
#[derive(Debug, Clone)]
pub(super) enum Listener {
    /// The component's machine. Does not keep the supervisor alive: once that is gone, nobody
    /// needs to know.
    Machine(Weak<Shared>),
    /// Whoever runs a single step outside all machines, of its end.
    Once(Arc<Mutex<Option<oneshot::Sender<StepEvent>>>>),
}

impl Listener {
    /// A listener of a single step, and where it hears of the end.
    pub(super) fn once() -> (Self, oneshot::Receiver<StepEvent>) {
        let (sender, receiver) = oneshot::channel();
        (Self::Once(Arc::new(Mutex::new(Some(sender)))), receiver)
    }
}

impl Events {
    /// Something happened.
    pub(super) fn send(&self, event: Event) {
        match (&self.listener, event) {
            (Listener::Machine(shared), event) => {
                if let Some(shared) = shared.upgrade() {
                    shared.core().take_event(&self.component, self.instance, event);
                }
            }
            (Listener::Once(sender), Event::Step(_, event)) => {
                let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(sender) = sender {
                    // Nobody waits any more: the step was given up.
                    let _ = sender.send(event);
                }
            }
            (Listener::Once(_), _) => {}
        }
    }

    /// A guest runs; it is the supervisor's from now on.
    pub(super) fn send_guest(&self, run: RunId, guest: Box<dyn Running>) {
        if let Some(shared) = self.machine() {
            shared.core().take_guest(&self.component, self.instance, run, guest);
        }
    }

    /// Nothing is left of a component that is being removed.
    pub(super) fn send_end(&self) {
        if let Some(shared) = self.machine() {
            shared.core().take_end(&self.component, self.instance);
        }
    }

    fn machine(&self) -> Option<Arc<Shared>> {
        match &self.listener {
            Listener::Machine(shared) => shared.upgrade(),
            Listener::Once(_) => None,
        }
    }
}
