//! Components: details, list, restart, stop.

use marram_ipc::IpcError;
use marram_ipc::shapes::{
    ComponentDetails, ComponentRequest, GetComponentDetailsResponse, ListComponentsResponse,
    RequestStatus, RestartComponentResponse, StopComponentResponse,
};
use marram_model::ComponentName;
use marram_model::component_state::{ComponentState, StatusCode};
use serde_json::Value;

use super::{ALL, Call, respond};
use crate::resolve::NUCLEUS;
use crate::supervisor::status::ComponentStatus;

impl Call<'_> {
    pub(super) fn details(&self, request: &ComponentRequest) -> Result<Vec<u8>, IpcError> {
        let component_details = self.known(request)?;
        self.authorize(&component_details.component_name)?;
        Ok(respond(&GetComponentDetailsResponse { component_details }))
    }

    pub(super) fn list_components(&self) -> Result<Vec<u8>, IpcError> {
        self.authorize(ALL)?;
        let statuses = self.backend.supervisor.status();
        let components =
            [self.nucleus()].into_iter().chain(statuses.iter().map(|status| self.shown(status)));
        Ok(respond(&ListComponentsResponse { components: components.collect() }))
    }

    pub(super) fn restart(&self, request: &ComponentRequest) -> Result<Vec<u8>, IpcError> {
        let name = self.known(request)?.component_name;
        self.authorize(&name)?;
        let message = self.refusal(&name, |name| self.backend.supervisor.restart(name).is_ok());
        let restart_status = status_of(message.as_ref());
        Ok(respond(&RestartComponentResponse { restart_status, message }))
    }

    pub(super) fn stop(&self, request: &ComponentRequest) -> Result<Vec<u8>, IpcError> {
        let name = self.known(request)?.component_name;
        self.authorize(&name)?;
        let message = self.refusal(&name, |name| self.backend.supervisor.stop(name).is_ok());
        let stop_status = status_of(message.as_ref());
        Ok(respond(&StopComponentResponse { stop_status, message }))
    }

    /// Hands a request to the supervisor; says why it was not taken.
    fn refusal(&self, name: &str, ask: impl Fn(&ComponentName) -> bool) -> Option<String> {
        if name == NUCLEUS {
            return Some(format!(
                "{NUCLEUS} is the program that answers you: restart its service instead"
            ));
        }
        let taken = name.parse().is_ok_and(|name| ask(&name));
        (!taken).then(|| format!("{name} was removed meanwhile"))
    }

    /// The component that a request names. Greengrass looks for it before it asks for permission.
    fn known(&self, request: &ComponentRequest) -> Result<ComponentDetails, IpcError> {
        let name = request.component_name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(IpcError::invalid_arguments("Component name cannot be empty"));
        }
        if name == NUCLEUS {
            return Ok(self.nucleus());
        }
        let status = self.backend.supervisor.status_of(name).ok_or_else(|| {
            IpcError::not_found(format!("Component with name {name} not found in Greengrass"))
                .with_resource("Component", name)
        })?;
        Ok(self.shown(&status))
    }

    fn shown(&self, status: &ComponentStatus) -> ComponentDetails {
        let is_wrong = status.code != StatusCode::None;
        ComponentDetails {
            component_name: status.name.to_string(),
            version: status.version.to_string(),
            state: status.state.to_string(),
            configuration: self.configuration(status.name.as_str()),
            status_reason: is_wrong.then(|| format!("{}: {}", status.code.as_str(), status.reason)),
            last_stderr: if is_wrong { status.last_stderr.clone() } else { Vec::new() },
        }
    }

    fn nucleus(&self) -> ComponentDetails {
        ComponentDetails {
            component_name: NUCLEUS.to_owned(),
            version: self.backend.nucleus_version.to_string(),
            state: ComponentState::Running.to_string(),
            configuration: self.configuration(NUCLEUS),
            status_reason: None,
            last_stderr: Vec::new(),
        }
    }

    fn configuration(&self, name: &str) -> Option<Value> {
        let stored = self.backend.config.get(&["services", name, "configuration"]);
        stored.filter(|value| value.as_object().is_some_and(|members| !members.is_empty()))
    }
}

fn status_of(refusal: Option<&String>) -> RequestStatus {
    if refusal.is_some() { RequestStatus::Failed } else { RequestStatus::Succeeded }
}
