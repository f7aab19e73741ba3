//! The nucleus: whether one runs on this root folder, and which process it is.

use std::fs;
use std::time::Duration;

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> =
    Check::local("nucleus", "a nucleus runs on this root folder", look);

fn look(device: &Device) -> Finding {
    let process = match device.nucleus_process() {
        Ok(process) => process,
        Err(error) => return Finding::skipped(format!("the lock cannot be looked at: {error}")),
    };
    match process {
        Some(process) => Finding::ok(running(process, device)),
        None if device.is_running() => {
            Finding::ok("runs where its process is not seen, in another container perhaps")
        }
        None => Finding::warning(
            "none runs",
            format!("start it: marramd --root {}", device.paths.root().display()),
        ),
    }
}

/// Its name, id and age.
fn running(process: u32, device: &Device) -> String {
    let folder = format!("/proc/{process}");
    let name = fs::read_to_string(format!("{folder}/comm")).unwrap_or_default();
    let started = fs::metadata(&folder).and_then(|metadata| metadata.modified());
    let age = started.ok().and_then(|at| device.clock.now().duration_since(at).ok());
    let age = age.unwrap_or(Duration::ZERO).as_secs();
    format!("process {process} ({}), for {age} s", name.trim())
}
