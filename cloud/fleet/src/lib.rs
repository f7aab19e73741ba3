//! The fleet: components, deployments, job executions, shadows, and what core devices report.
//!
//! One [`Fleet`] serves the control plane (its operations are `async fn(Request) ->
//! Result<Response, ApiError>`) and the device plane (jobs, shadows, status messages, component
//! resolution). Every change is one transaction, and what it makes known to devices is sent
//! through [`MessageSink`] only after that transaction committed, in the order of the commits:
//! a device that is told of a job can read it, and nothing it was told is lost by a crash.

mod client_devices;
mod client_token;
mod components;
mod core_devices;
mod deployments;
mod effective;
pub mod explain;
mod fleet;
pub mod job_execution;
mod jobs;
mod membership;
mod paging;
mod presence;
mod rollout;
mod service_role;
mod shadows;
mod status;
mod tags;
#[cfg(test)]
mod testing;
mod thing_groups;
mod unit;

pub use components::{ARTIFACT_BUCKET, ArtifactUrls};
pub use fleet::{Fleet, OpenFleet, Parts};
pub use presence::GetConnectionResponse;
pub use shadows::{ListNamedShadowsResponse, Origin, shadow_error};
pub use unit::MessageSink;
