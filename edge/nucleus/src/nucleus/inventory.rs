//! What is on the device, for the fleet status.

use marram_model::Version;
use marram_model::component_state::{ComponentState, StatusCode};
use marram_model::fleet_status::{ComponentReport, ComponentStatusDetails};

use super::cloud_side::Device;
use crate::cloud::status_publisher::Inventory;
use crate::compose::services::dependencies;
use crate::resolve::NUCLEUS;
use crate::supervisor::status::ComponentStatus;

impl Inventory for Device {
    fn components(&self) -> Vec<ComponentReport> {
        let groups = self.state.groups();
        let roots = groups.roots();
        let arns = groups.config_arns(&dependencies(&self.config));
        let mut reports = vec![nucleus(&self.program.version)];
        for status in self.supervisor.status() {
            reports.push(ComponentReport {
                component_name: status.name.to_string(),
                version: Some(status.version.to_string()),
                fleet_config_arns: arns.get(&status.name).into_iter().flatten().cloned().collect(),
                component_status_details: details(&status),
                is_root: roots.contains(&status.name),
                status: reported(status.state).to_string(),
            });
        }
        reports
    }
}

fn nucleus(version: &Version) -> ComponentReport {
    ComponentReport {
        component_name: NUCLEUS.to_owned(),
        version: Some(version.to_string()),
        fleet_config_arns: Vec::new(),
        component_status_details: None,
        is_root: false,
        status: ComponentState::Running.to_string(),
    }
}

/// The cloud's list of states ends with FINISHED (A7.1).
fn reported(state: ComponentState) -> ComponentState {
    match state {
        ComponentState::Uninstalling | ComponentState::Uninstalled => ComponentState::Finished,
        state => state,
    }
}

/// Only a component that failed has something to explain.
fn details(status: &ComponentStatus) -> Option<ComponentStatusDetails> {
    let failed = matches!(status.state, ComponentState::Errored | ComponentState::Broken);
    (failed && status.code != StatusCode::None).then(|| ComponentStatusDetails {
        status_codes: vec![status.code.to_string()],
        status_reason: status.reason.clone(),
    })
}
