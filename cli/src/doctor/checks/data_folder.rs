//! The cloud's data directory: there, ours, and closed to others, since it holds keys.

use std::fs;

use marram_os::user;

use super::modes::{is_open_to_others, mode};
use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::cloud::Cloud;

pub(super) const CHECK: Check<Cloud> =
    Check::local("data", "the data directory is there and closed to others", look);

fn look(cloud: &Cloud) -> Finding {
    let data = match cloud.data() {
        Ok(data) => data,
        Err(skipped) => return skipped,
    };
    let shown = data.display();
    let entries = fs::metadata(data).and_then(|metadata| Ok((metadata, fs::read_dir(data)?)));
    let metadata = match entries {
        Ok((metadata, _)) => metadata,
        Err(error) => {
            let user = user::current().map_or_else(|_| "this user".to_owned(), |user| user.name);
            return Finding::failed(
                format!("{shown}: {error}"),
                format!(
                    "name the directory that the cloud was started with, which {user} may read"
                ),
            );
        }
    };
    if is_open_to_others(&metadata) {
        return Finding::warning(
            format!("{shown} has mode {:04o}: others may read keys and artifacts", mode(&metadata)),
            format!("chmod 700 {shown}"),
        );
    }
    Finding::ok(format!("{shown}, mode {:04o}", mode(&metadata)))
}
