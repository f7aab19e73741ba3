//! The operations of `aws.greengrass.Cli`: what a developer does on the device itself (ipc 4.6).
//!
//! They are always there, without a cloud and without a deployed component. Whoever holds a token
//! of `cli_ipc_info/` is [`PRINCIPAL`] here; components need a policy.

mod components;
mod debug_password;
mod deployments;

use std::sync::Arc;

use marram_ipc::shapes;
use marram_ipc::{IpcError, Operation};
use marram_model::{ComponentName, Version};
use marram_os::clock::SharedClock;
use serde::Serialize;

use super::authorizer::{Authorizer, Service};
use crate::config::ConfigStore;
use crate::deployment::Deployments;
use crate::deployment::state::DeploymentState;
use crate::paths::NucleusPaths;
use crate::supervisor::Supervisor;

/// What holders of the tokens in `cli_ipc_info/` act as. Greengrass calls them
/// `greengrass-cli#user-<uid>`, which is no component's name.
pub(crate) const PRINCIPAL: &str = "aws.greengrass.Cli";

/// Resource of the operations that are about no single component or deployment.
const ALL: &str = "*";

/// What the operations act on.
#[derive(Debug, Clone)]
pub struct CliBackend {
    /// The components.
    pub supervisor: Supervisor,
    /// Their configuration.
    pub config: ConfigStore,
    /// Where local deployments go.
    pub deployments: Deployments,
    /// What is known of them.
    pub state: DeploymentState,
    /// Where the store is.
    pub paths: NucleusPaths,
    /// The version of the nucleus that runs.
    pub nucleus_version: Version,
    /// Dates deployments and passwords.
    pub clock: SharedClock,
}

/// One request of one principal.
#[derive(Debug)]
struct Call<'a> {
    backend: &'a CliBackend,
    authorizer: &'a Authorizer,
    principal: &'a ComponentName,
    operation: Operation,
}

/// Whether an operation is one of these.
pub(super) fn serves(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::GetComponentDetails
            | Operation::ListComponents
            | Operation::RestartComponent
            | Operation::StopComponent
            | Operation::CreateLocalDeployment
            | Operation::CancelLocalDeployment
            | Operation::GetLocalDeploymentStatus
            | Operation::ListLocalDeployments
            | Operation::CreateDebugPassword
    )
}

/// Answers one of the operations that [`serves`] names.
pub(super) async fn answer(
    backend: &Arc<CliBackend>,
    authorizer: &Authorizer,
    principal: &ComponentName,
    operation: Operation,
    payload: &[u8],
) -> Result<Vec<u8>, IpcError> {
    let call = Call { backend, authorizer, principal, operation };
    match operation {
        Operation::GetComponentDetails => call.details(&shapes::parse(operation, payload)?),
        Operation::ListComponents => call.list_components(),
        Operation::RestartComponent => call.restart(&shapes::parse(operation, payload)?),
        Operation::StopComponent => call.stop(&shapes::parse(operation, payload)?),
        Operation::CreateLocalDeployment => call.create(shapes::parse(operation, payload)?).await,
        Operation::CancelLocalDeployment => call.cancel(&shapes::parse(operation, payload)?).await,
        Operation::GetLocalDeploymentStatus => call.status(&shapes::parse(operation, payload)?),
        Operation::ListLocalDeployments => call.list_deployments(),
        Operation::CreateDebugPassword => call.create_debug_password().await,
        other => Err(IpcError::unsupported(other)),
    }
}

impl Call<'_> {
    fn authorize(&self, resource: &str) -> Result<(), IpcError> {
        self.authorizer.authorize(self.principal, Service::Cli, self.operation, resource)
    }
}

fn respond(response: &impl Serialize) -> Vec<u8> {
    shapes::payload(response)
}

/// The configuration could not be written.
fn not_kept(error: impl std::error::Error) -> IpcError {
    IpcError::service(format!("the device could not keep it: {error}"))
}
