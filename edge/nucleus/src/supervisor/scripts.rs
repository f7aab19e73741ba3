//! Scripts that nobody runs: what the simulation of a device has in the place of processes.

use std::fmt::Debug;
use std::time::Duration;

use marram_model::{ComponentName, Version};
use marram_os::process::Exit;

use crate::packages::source::BoxFuture;

/// Plays the scripts of components.
pub trait Scripts: Send + Sync + Debug {
    /// Starts one. Its process counts as running until `exit` is there, or as long as it takes to
    /// end it.
    fn play(&self, call: ScriptCall) -> Played;
}

/// A script that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCall {
    /// Whose.
    pub component: ComponentName,
    /// Of which version.
    pub version: Version,
    /// The lifecycle step, for example `install`.
    pub step: &'static str,
    /// The script, placeholders filled in.
    pub script: String,
}

/// A script that is played.
#[expect(missing_debug_implementations, reason = "a future has none")]
pub struct Played {
    /// Its end.
    pub exit: BoxFuture<'static, Exit>,
    /// How long it takes to obey when it is ended.
    pub obeys_after: Duration,
}
