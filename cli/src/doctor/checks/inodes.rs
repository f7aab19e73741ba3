//! Room for files: a disk may have bytes left and no file may be made.

use std::path::Path;

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::cloud::Cloud;
use crate::doctor::device::Device;

const ABOUT: &str = "room for more files (inodes)";

pub(super) const DEVICE: Check<Device> =
    Check::local("inodes", ABOUT, |device| look(device.paths.root()));

pub(super) const CLOUD: Check<Cloud> = Check::local("inodes", ABOUT, |cloud| match cloud.data() {
    Ok(data) => look(data),
    Err(skipped) => skipped,
});

/// Fewer are not enough for one unpacked archive, or for one deployment of small artifacts.
const FEW: u64 = 10_000;
const TOO_FEW: u64 = 100;

fn look(path: &Path) -> Finding {
    let room = match marram_os::disk::room(path) {
        Ok(room) => room,
        Err(error) => return Finding::skipped(format!("{}: {error}", path.display())),
    };
    if room.inodes == 0 {
        return Finding::ok("the file system makes as many as it has room for");
    }
    let seen = format!("{} of {} free", room.free_inodes, room.inodes);
    let remedy =
        format!("remove folders of many small files near {} (`du --inodes -x`)", path.display());
    match room.free_inodes {
        free if free < TOO_FEW => Finding::failed(seen, remedy),
        free if free < FEW => Finding::warning(seen, remedy),
        _ => Finding::ok(seen),
    }
}
