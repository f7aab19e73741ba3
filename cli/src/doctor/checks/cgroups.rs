//! Control groups: limits and pausing need them, everything else does not.

use marram_os::cgroup::{Cgroups, Purpose};
use marram_os::user;
use marram_telemetry::Chain;

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::local(
    "cgroups",
    "control groups for systemResourceLimits and for pausing components",
    look,
);

fn look(device: &Device) -> Finding {
    let is_root = device.nucleus_uid().is_ok_and(|uid| uid == 0);
    if is_root && !user::is_root() {
        return Finding::skipped("the nucleus runs as root: only root can see what it may do");
    }
    let cgroups = Cgroups::detect();
    for (purpose, what) in
        [(Purpose::Limits, "run without limits"), (Purpose::Freezing, "cannot be paused")]
    {
        if let Err(error) = cgroups.check(purpose) {
            return Finding::warning(
                format!("components {what}: {}", Chain(&error)),
                "run the nucleus as root on a system (or in a container) with a writable \
                 /sys/fs/cgroup",
            );
        }
    }
    Finding::ok("components can be limited and paused")
}
