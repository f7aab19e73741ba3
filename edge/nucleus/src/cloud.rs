//! The device's side of its cloud: MQTT with jobs, the deployment shadow and fleet status, and the
//! HTTPS data plane (device-cloud protocol).

pub mod data_plane;
pub mod fleet_status;
mod jobs;
pub mod settings;
mod shadow;
