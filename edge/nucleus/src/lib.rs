//! The nucleus: configuration, lifecycles, deployments, packages, IPC and the cloud link of one
//! core device.
//!
//! Every core in here (resolver, lifecycle, deployment) is a pure state machine; the shells around
//! them own the clock, the files and the sockets. See `ARCHITECTURE.md`, "The device".

pub mod alternatives;
pub mod cloud;
pub mod component;
pub mod compose;
pub mod config;
pub mod deployment;
pub mod ipc;
mod lifecycle;
mod nucleus;
pub mod packages;
pub mod paths;
pub mod resolve;
pub mod simulation;
pub mod supervisor;

pub use nucleus::{NUCLEUS_VERSION, Nucleus, NucleusSettings, Program, Restart, StartNucleus};
