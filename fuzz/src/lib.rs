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
mod iot_policy;
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
    /// What it reads, for `cargo xtask fuzz --list`.
    pub about: &'static str,
    /// Panics where the code is wrong.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, about: &'static str, run: fn(&[u8])) -> Target {
    Target { name, about, run }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target("access_control", "accessControl of a component", access_control::run),
    target("archive", "ZIP artifacts, unpacked to a folder", archive::run),
    target("config_file", "the nucleus's config.yaml", config_file::run),
    target("deployment", "deployment documents, jobs, statuses and ARNs", deployment::run),
    target("iot_policy", "IoT policy documents and their decisions", iot_policy::run),
    target("ipc_frames", "event-stream frames and both connection machines", ipc_frames::run),
    target("ipc_nucleus", "requests to a whole running nucleus", ipc_nucleus::run),
    target("ipc_operations", "each IPC operation's JSON", ipc_operations::run),
    target("journal", "the device's journal after cuts and damage", journal::run),
    target("mqtt_client", "the client's session machine", mqtt_client::run),
    target("mqtt_packets", "MQTT 3.1.1 and 5 packets", mqtt_packets::run),
    target("mqtt_server", "the server's connection machine and outbox", mqtt_server::run),
    target("recipe", "recipes, from parsing to interpolation", recipe::run),
    target("requirement", "versions and version requirements", requirement::run),
    target("s3_bodies", "S3 XML, aws-chunked bodies and query strings", s3_bodies::run),
    target("shadow", "shadow updates, reads and deletions", shadow::run),
    target("sigv4", "signed requests", sigv4::run),
    target("topic_filters", "topic filters and the subscription tree", topic_filters::run),
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
