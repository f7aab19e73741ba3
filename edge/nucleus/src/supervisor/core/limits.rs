//! What the processes of components may use, and whether they may go on.

use std::os::fd::OwnedFd;

use marram_model::ComponentName;
use marram_model::component_state::ComponentState;
use marram_recipe::lifecycle::StepName;

use super::Core;
use crate::supervisor::entry::Entry;
use crate::supervisor::resources::{PauseComponent, ResumeComponent};
use crate::supervisor::settings;
use crate::supervisor::spec::ServiceKind;

impl Core {
    /// The way into the control group of a step's process. Only startup and run are limited.
    pub(super) fn admit(&mut self, name: &ComponentName, step: StepName) -> Vec<OwnedFd> {
        let default = settings::default_limits(&self.runner.config);
        let Some(entry) = self.components.get_mut(name) else { return Vec::new() };
        let is_main = matches!(step, StepName::Startup | StepName::Run);
        if !is_main || !is_generic(entry) {
            return Vec::new();
        }
        entry.resources.admit(entry.spec.run_with.system_resource_limits.or(default))
    }

    /// Gives what runs the limits that it shall have now.
    pub(super) fn apply_limits(&mut self) {
        let default = settings::default_limits(&self.runner.config);
        for entry in self.components.values_mut() {
            let is_up = matches!(
                entry.machine.status().state,
                ComponentState::Starting | ComponentState::Running
            );
            if is_up && is_generic(entry) {
                let limits = entry.spec.run_with.system_resource_limits.or(default);
                let jobs = &entry.jobs;
                let processes = || jobs.values().flat_map(|job| job.processes()).collect();
                entry.resources.change(limits, processes);
            }
        }
    }

    /// Begins to freeze a component.
    pub(in crate::supervisor) fn pause(&mut self, name: &str) -> Result<(), PauseComponent> {
        let entry = self.entry(name).ok_or(PauseComponent::Unknown)?;
        if !is_generic(entry) {
            return Err(PauseComponent::NotGeneric);
        }
        if entry.machine.status().state != ComponentState::Running {
            return Err(PauseComponent::NotRunning);
        }
        let jobs = &entry.jobs;
        let processes = || jobs.values().flat_map(|job| job.processes()).collect();
        Ok(entry.resources.freeze(processes)?)
    }

    /// Whether the freezing of a component is over; one that is gone has nothing to freeze.
    pub(in crate::supervisor) fn stands_still(&mut self, name: &str) -> bool {
        self.entry(name).is_none_or(|entry| entry.resources.stands_still())
    }

    /// Lets a paused component go on.
    pub(in crate::supervisor) fn resume(&mut self, name: &str) -> Result<(), ResumeComponent> {
        let entry = self.entry(name).ok_or(ResumeComponent::Unknown)?;
        if !is_generic(entry) {
            return Err(ResumeComponent::NotGeneric);
        }
        if !entry.resources.is_paused() {
            return Err(ResumeComponent::NotPaused);
        }
        Ok(entry.resources.resume()?)
    }

    /// Lets a component go on whose pausing failed.
    pub(in crate::supervisor) fn thaw(&mut self, name: &str) {
        if let Some(entry) = self.entry(name) {
            entry.resources.thaw();
        }
    }

    fn entry(&mut self, name: &str) -> Option<&mut Entry> {
        self.components.iter_mut().find(|(key, _)| key.as_str() == name).map(|(_, entry)| entry)
    }
}

fn is_generic(entry: &Entry) -> bool {
    matches!(entry.spec.kind, ServiceKind::Generic)
}
