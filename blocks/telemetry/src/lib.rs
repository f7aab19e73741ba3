//! Tracing set-up and size-bounded log files.
//!
//! A device's disk is small and nobody looks after it, so every log has a bound: on the file that
//! is written and on all the files that were written before it (Greengrass's `fileSizeKB` and
//! `totalLogsSizeKB`). Rotated files are named as Greengrass names them, because LogManager and
//! `greengrass-cli logs` find them by that name.

mod chain;
mod component_log;
mod rotation;
mod tracing_setup;

pub use chain::Chain;
pub use component_log::{ComponentLog, LineLevel};
pub use rotation::{Limits, OpenLog, SizeRotatingWriter};
pub use tracing_setup::{InitTelemetry, Target, Telemetry, init};
