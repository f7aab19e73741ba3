//! The root folder: there, a folder, writable by the nucleus and by nobody else.

use std::fs;
use std::os::unix::fs::MetadataExt;

use marram_os::user;

use super::modes::mode;
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> =
    Check::local("root", "the root folder is there, and only its owner may write in it", look);

fn look(device: &Device) -> Finding {
    let root = device.paths.root();
    let shown = root.display();
    let metadata = match fs::metadata(root) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Finding::failed(
                format!("{shown}: {error}"),
                "name the device's root folder with --root, or make a device with `marram core \
                 provision`",
            );
        }
    };
    if !metadata.is_dir() {
        return Finding::failed(
            format!("{shown} is no folder"),
            "name the device's root folder with --root",
        );
    }
    let mode = mode(&metadata);
    if mode & 0o022 != 0 {
        return Finding::failed(
            format!("{shown} has mode {mode:04o}: others may replace the device's files"),
            format!("chmod go-w {shown}"),
        );
    }
    let owner = metadata.uid();
    match user::current() {
        Ok(current) if current.uid != owner && current.uid != 0 => Finding::warning(
            format!("{shown} belongs to user {owner}, and this runs as {}", current.name),
            format!(
                "run this as the nucleus's user, for example `sudo -u '#{owner}' marram doctor`"
            ),
        ),
        _ => Finding::ok(format!("{shown}, mode {mode:04o}, of user {owner}")),
    }
}
