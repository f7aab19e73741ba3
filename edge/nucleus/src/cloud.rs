//! The device's side of its cloud: MQTT with jobs, the deployment shadow and fleet status, and the
//! HTTPS data plane (device-cloud protocol).
//!
//! What is decided is decided by pure machines (jobs, shadow, fleet status); [`link`] gives them
//! the connection. A device whose configuration names no cloud has none of this
//! ([`CloudSettings::from_config`](settings::CloudSettings::from_config)).

mod artifacts;
pub mod data_plane;
pub mod fleet_status;
mod jobs;
pub mod link;
pub mod report;
mod requests;
pub mod settings;
mod shadow;
mod spool;
pub mod status_publisher;

pub use data_plane::DataPlane;
pub use link::{CloudLink, LinkEvent, LinkParts, mqtt_options};
pub use report::{Delivery, DeploymentStatusUpdate, Undelivered};
pub use settings::{CloudSettings, ReadIdentity};
