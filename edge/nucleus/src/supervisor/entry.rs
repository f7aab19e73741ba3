//! One component as the supervisor keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use marram_model::component_state::ComponentState;
use marram_os::cgroup::Cgroups;
use marram_recipe::lifecycle::Lifecycle;

use super::output::ComponentOutput;
use super::process::{Job, Task};
use super::resources::Resources;
use super::spec::{ServiceKind, ServiceSpec};
use super::status::{ComponentStatus, Mark};
use crate::component::Running;
use crate::lifecycle::{Definition, KillScope, Machine, RunId, Work};

/// One component with everything that runs for it.
pub(super) struct Entry {
    pub(super) spec: ServiceSpec,
    pub(super) machine: Machine,
    /// Tells it from an earlier component of the same name.
    pub(super) instance: u64,
    pub(super) token: String,
    pub(super) output: ComponentOutput,
    pub(super) jobs: BTreeMap<RunId, Job>,
    pub(super) guest: Option<Box<dyn Running>>,
    /// The deadline that its machine waits for.
    pub(super) timer: Option<Task>,
    /// The state that was last announced.
    pub(super) announced: Option<ComponentState>,
    pub(super) changed: Mark,
    pub(super) closing: Option<Closing>,
    /// Whether it is gone for good when it is closed.
    pub(super) uninstalls: bool,
    pub(super) resources: Resources,
    /// Whether its folders belong to its user since it was installed or stopped.
    pub(super) is_prepared: bool,
}

/// How far the end of a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// Components that depend on it end first.
    WaitsForDependers,
    /// It was asked to stop, and to clean up if it is gone for good.
    Stops,
    /// What it left behind is being ended.
    Ends,
}

impl Entry {
    /// A component in NEW.
    pub(super) fn new(
        spec: ServiceSpec,
        instance: u64,
        output: ComponentOutput,
        cgroups: Cgroups,
    ) -> Self {
        Self {
            machine: Machine::new(definition_of(&spec)),
            resources: Resources::new(spec.name.clone(), cgroups),
            spec,
            instance,
            token: String::new(),
            output,
            jobs: BTreeMap::new(),
            guest: None,
            timer: None,
            announced: None,
            changed: Mark::default(),
            closing: None,
            uninstalls: false,
            is_prepared: false,
        }
    }

    /// Takes out what runs, to be ended.
    pub(super) fn take_jobs(&mut self, scope: KillScope) -> (Vec<Job>, Option<Box<dyn Running>>) {
        match scope {
            KillScope::All => {
                let jobs = std::mem::take(&mut self.jobs).into_values().collect();
                (jobs, self.guest.take())
            }
            KillScope::Run(run) => (self.jobs.remove(&run).into_iter().collect(), None),
        }
    }

    /// Its status, without the lines of stderr.
    pub(super) fn status(&self) -> ComponentStatus {
        let status = self.machine.status();
        ComponentStatus {
            name: self.spec.name.clone(),
            version: self.spec.version.clone(),
            state: status.state,
            code: status.code,
            reason: status.reason.clone(),
            is_native: matches!(self.spec.kind, ServiceKind::Native(_)),
            last_stderr: Vec::new(),
            is_settled: self.machine.is_settled(),
            changed: self.changed,
        }
    }
}

/// What the machine needs of a specification.
pub(super) fn definition_of(spec: &ServiceSpec) -> Arc<Definition> {
    let work = match &spec.kind {
        ServiceKind::Generic => Work::Scripts(Lifecycle::parse(&spec.lifecycle)),
        ServiceKind::Native(guest) => Work::Native(Arc::clone(guest)),
    };
    Arc::new(Definition { version: spec.version.clone(), run_with: spec.run_with.clone(), work })
}
