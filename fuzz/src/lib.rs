//! Fuzz targets: one for each place that reads bytes from outside.
//!
//! A target is a plain function over bytes, so that the kept corpus is replayed by an ordinary
//! test and only the search for new inputs needs an engine. It holds an invariant and not only
//! "does not panic": what was read is written and read again, two ways to the same answer are
//! compared, bounds are asserted. See `docs/reference/fuzzing.md`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a finding is a panic")]

mod access_control;
mod archive;
mod config_file;
mod deployment;
mod device_messages;
mod iot_policy;
mod ipc_client;
mod ipc_component;
mod ipc_frames;
mod ipc_nucleus;
mod ipc_operations;
mod journal;
mod lines;
mod mqtt_client;
mod mqtt_packets;
mod mqtt_server;
mod recipe;
mod requirement;
mod s3_bodies;
mod shadow;
mod sigv4;
mod topic_filters;

/// One place to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name on the command line and of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics where the code is wrong.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target("access_control", access_control::run),
    target("archive", archive::run),
    target("config_file", config_file::run),
    target("deployment", deployment::run),
    target("device_messages", device_messages::run),
    target("iot_policy", iot_policy::run),
    target("ipc_component", ipc_component::run),
    target("ipc_frames", ipc_frames::run),
    target("ipc_nucleus", ipc_nucleus::run),
    target("ipc_operations", ipc_operations::run),
    target("journal", journal::run),
    target("mqtt_client", mqtt_client::run),
    target("mqtt_packets", mqtt_packets::run),
    target("mqtt_server", mqtt_server::run),
    target("recipe", recipe::run),
    target("requirement", requirement::run),
    target("s3_bodies", s3_bodies::run),
    target("shadow", shadow::run),
    target("sigv4", sigv4::run),
    target("topic_filters", topic_filters::run),
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
