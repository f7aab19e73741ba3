//! What people ask of single components, beside all deployments.

use marram_model::ComponentName;
use marram_model::component_state::ComponentState;

use super::Supervisor;
use super::status::UnknownComponent;
use crate::lifecycle::{Event, Request};

impl Supervisor {
    /// Stops a component and starts it again; one that is BROKEN is installed again, which is the
    /// only way out of that state. Does not wait for it.
    pub fn restart(&self, name: &ComponentName) -> Result<(), UnknownComponent> {
        let is_broken = self
            .status_of(name.as_str())
            .is_some_and(|status| status.state == ComponentState::Broken);
        self.ask(name, if is_broken { Request::Reinstall } else { Request::Restart })
    }

    /// Stops a component; it stays stopped until it is restarted, a deployment changes it, or the
    /// nucleus starts again. Does not wait for it.
    pub fn stop(&self, name: &ComponentName) -> Result<(), UnknownComponent> {
        self.ask(name, Request::Stop)
    }

    fn ask(&self, name: &ComponentName, request: Request) -> Result<(), UnknownComponent> {
        let mut core = self.shared.core();
        if !core.contains(name) {
            return Err(UnknownComponent(name.clone()));
        }
        core.feed(name.clone(), Event::Request(request));
        Ok(())
    }
}
