//! PauseComponent and ResumeComponent (ipc 4.5).

use std::fmt;
use std::pin::Pin;

use marram_ipc::shapes::{self, PauseComponentRequest};
use marram_ipc::{IpcError, Operation};
use marram_model::ComponentName;

use super::authorizer::{Authorizer, Service};

/// What comes of a wish to pause or resume.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), PauseRefused>> + Send + 'a>>;

/// Pauses and resumes components.
pub trait Pausing: fmt::Debug + Send + Sync + 'static {
    /// Lets all processes of a component stand still.
    fn pause<'a>(&'a self, component: &'a str) -> Outcome<'a>;
    /// Lets them go on.
    fn resume<'a>(&'a self, component: &'a str) -> Outcome<'a>;
}

/// Why a component is not paused, or not resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PauseRefused {
    /// The nucleus does not run it.
    #[error("no such component runs on this device")]
    Unknown,
    /// It has no processes of its own.
    #[error("the component runs inside the nucleus")]
    NotGeneric,
    /// To pause: it is not RUNNING. To resume: it is not paused.
    #[error("the component is not in the state for this")]
    WrongState,
    /// The operating system refused.
    #[error("{0}")]
    Failed(String),
}

/// Answers PauseComponent and ResumeComponent.
pub(super) async fn answer(
    pausing: &dyn Pausing,
    authorizer: &Authorizer,
    asking: &ComponentName,
    operation: Operation,
    payload: &[u8],
) -> Result<(), IpcError> {
    let request: PauseComponentRequest = shapes::parse(operation, payload)?;
    let Some(target) = request.component_name.filter(|name| !name.is_empty()) else {
        return Err(IpcError::invalid_arguments("Component name is required."));
    };
    authorizer.authorize(asking, Service::Lifecycle, operation, &target)?;
    let pauses = operation == Operation::PauseComponent;
    let outcome = if pauses { pausing.pause(&target).await } else { pausing.resume(&target).await };
    let [verb, done, state] =
        if pauses { ["pause", "paused", "running"] } else { ["resume", "resumed", "paused"] };
    outcome.map_err(|refused| match refused {
        PauseRefused::Unknown => {
            IpcError::not_found(format!("Component {target} is not found on this device"))
        }
        PauseRefused::NotGeneric => {
            IpcError::invalid_arguments(format!("Only generic components can be {done}."))
        }
        PauseRefused::WrongState => {
            IpcError::invalid_arguments(format!("Component {target} is not {state}"))
        }
        PauseRefused::Failed(reason) => {
            IpcError::service(format!("Failed to {verb} component {target} due to : {reason}"))
        }
    })
}
