//! Runs the components: the shell around the lifecycle machines.

pub mod environment;
mod spec;
mod status;
pub mod tokens;

pub use spec::{ServiceKind, ServiceSet, ServiceSpec};
pub use status::{ComponentStatus, Mark, ReportedState, Settled, StateChange, UnknownComponent};
