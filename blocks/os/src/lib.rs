//! Processes and their trees, control groups, users, disk space, durable files, the clock.
//!
//! The one crate with `unsafe`: what the operating system offers only as raw calls is wrapped here,
//! and nothing above needs to know how.

pub mod cgroup;
pub mod clock;
pub mod disk;
pub mod file;
pub mod lock;
pub mod memory;
pub mod notify;
pub mod ownership;
pub mod process;
pub mod signal;
pub mod storage;
pub mod user;
