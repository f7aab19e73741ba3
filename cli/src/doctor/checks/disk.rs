//! Room on the disk.

use std::path::Path;

use marram_nucleus::packages::PrepareSettings;

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::cloud::Cloud;
use crate::doctor::device::Device;

const ABOUT: &str = "room for artifacts, logs and the journal";

pub(super) const DEVICE: Check<Device> =
    Check::local("disk", ABOUT, |device| look(device.paths.root()));

pub(super) const CLOUD: Check<Cloud> = Check::local("disk", ABOUT, |cloud| match cloud.data() {
    Ok(data) => look(data),
    Err(skipped) => skipped,
});

/// Less is a warning, in bytes: a few artifacts and a day of logs.
const LITTLE: u64 = 256 * 1024 * 1024;

fn look(path: &Path) -> Finding {
    let room = match marram_os::disk::room(path) {
        Ok(room) => room,
        Err(error) => return Finding::skipped(format!("{}: {error}", path.display())),
    };
    let least = PrepareSettings::default().min_free_bytes;
    let seen = format!(
        "{} of {} free on the file system of {}",
        megabytes(room.free_bytes),
        megabytes(room.bytes),
        path.display()
    );
    let remedy =
        format!("remove what is not needed, or give {} a larger file system", path.display());
    if room.free_bytes < least {
        let seen = format!("{seen}: deployments are refused below {}", megabytes(least));
        return Finding::failed(seen, remedy);
    }
    if room.free_bytes < LITTLE {
        return Finding::warning(seen, remedy);
    }
    Finding::ok(seen)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
