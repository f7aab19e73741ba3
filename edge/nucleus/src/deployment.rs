//! Deployments: taken in from the cloud, run one at a time, reported until the cloud has heard.
//!
//! The parts, from the inside out: [`machine`] decides which step comes next, [`queue`] who is
//! next, [`groups`] which group brought what; all three are pure. [`engine`] runs them, and
//! [`current`] is what survives a restart.

pub mod bootstrap;
pub mod current;
pub(crate) mod delivery;
pub mod engine;
pub mod groups;
pub(crate) mod local;
pub(crate) mod local_status;
pub mod machine;
pub(crate) mod membership;
mod patience;
pub(crate) mod queue;
pub mod request;
pub mod state;
pub(crate) mod steps;

pub use delivery::StatusSink;
pub use engine::Deployments;
pub use membership::{FleetData, MembershipSource};
pub use request::{Request, Source};
pub use steps::large::{ConfigurationSource, FetchConfiguration};
