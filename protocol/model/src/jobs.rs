//! The IoT jobs API over MQTT: topics and messages (device-cloud protocol, section 3).
//!
//! Times are whole seconds since the epoch. A reply carries `clientToken` only if the request
//! did: nucleus-lite drops a reply with a token that it did not send.

mod message;
mod topic;

pub use message::*;
pub use topic::*;

/// The namespace of deployment jobs: invisible on the topics of ordinary jobs.
pub const DEPLOYMENT_NAMESPACE: &str = "aws-gg-deployment";

/// The name that stands for the first pending job.
pub const NEXT: &str = "$next";
