//! Names, ARNs, versions and ranges, deployment documents, statuses and error codes of AWS IoT
//! Greengrass V2.
//!
//! The vocabulary that device and cloud share: every type here is something that one of them
//! writes and the other reads. Nothing does I/O or knows the time.

pub mod arn;
pub mod component_state;
pub mod data_plane;
pub mod deployment;
pub mod error_code;
pub mod fleet_status;
pub mod jobs;
pub mod name;
pub mod requirement;
pub mod shadow_topics;
pub mod status;
mod text;
pub mod version;

pub use name::ComponentName;
pub use requirement::Requirement;
pub use version::Version;
