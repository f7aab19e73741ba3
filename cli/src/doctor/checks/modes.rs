//! What the checks of files say about owners and permission bits.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use marram_os::user;

/// Permission bits, as `chmod` takes them.
pub(super) fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

/// Whether others than the owner may read or write.
pub(super) fn is_open_to_others(metadata: &Metadata) -> bool {
    mode(metadata) & 0o077 != 0
}

/// The remedy where a file could not be read.
pub(super) fn let_read(path: &Path) -> String {
    let user = user::current().map_or_else(|_| "this user".to_owned(), |user| user.name);
    format!(
        "check that {} is there and that {user} may read it, or run this as the user who owns it",
        path.display()
    )
}
