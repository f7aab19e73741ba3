//! The user that components run as: it exists, the nucleus may become it, and it gets to its
//! working folders.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use marram_os::user::{self, RunAs};

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::local(
    "default-user",
    "the user of components exists, can be switched to, and reaches the root folder",
    look,
);

const KEY: &str = "runWithDefault.posixUser";

fn look(device: &Device) -> Finding {
    if let Err(skipped) = device.config() {
        return skipped;
    }
    let nucleus_uid = match device.nucleus_uid() {
        Ok(uid) => uid,
        Err(error) => {
            return Finding::skipped(format!("{}: {error}", device.paths.root().display()));
        }
    };
    let named = device.nucleus_text(&["runWithDefault", "posixUser"]);
    let Some(named) = named else { return nobody_named(nucleus_uid) };
    let user = match user::resolve(&named) {
        Ok(user) => user,
        Err(error) => {
            return Finding::failed(
                format!("{KEY} is `{named}`: {error}"),
                format!("create it (`useradd --system ggc_user`), or set {KEY} to one that exists"),
            );
        }
    };
    if nucleus_uid != 0 && user.uid != nucleus_uid {
        return Finding::failed(
            format!("{KEY} is `{named}`, and the nucleus of user {nucleus_uid} cannot become it"),
            format!(
                "run the nucleus as root, or remove {KEY}: components then run as its own user"
            ),
        );
    }
    if let Some(closed) = closed_to(&user, device.paths.root()) {
        return Finding::failed(
            format!("components run as {named}, who cannot pass through {}", closed.display()),
            format!("chmod o+x {}, or move the root folder elsewhere", closed.display()),
        );
    }
    Finding::ok(format!("components run as {named}"))
}

fn nobody_named(nucleus_uid: u32) -> Finding {
    if nucleus_uid != 0 {
        return Finding::ok("components run as the nucleus's own user");
    }
    Finding::warning(
        format!("{KEY} is not set: a component without a user of its own fails"),
        format!("set {KEY}, for example to `nobody`, or name a user in each deployment"),
    )
}

/// The first folder on the way that the user may not enter.
fn closed_to(user: &RunAs, root: &Path) -> Option<PathBuf> {
    let mut folders: Vec<&Path> = root.ancestors().collect();
    folders.reverse();
    let may_enter = |folder: &Path| {
        let Ok(metadata) = fs::metadata(folder) else { return true };
        let mode = metadata.permissions().mode();
        let shift = match () {
            () if user.uid == metadata.uid() => 6,
            () if user.gid == metadata.gid() || user.groups.contains(&metadata.gid()) => 3,
            () => 0,
        };
        user.uid == 0 || mode >> shift & 0o1 != 0
    };
    folders.into_iter().find(|folder| !may_enter(folder)).map(Path::to_owned)
}
