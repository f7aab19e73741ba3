//! The socket that components connect to.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::net::UnixListener;

use super::StartIpc;

/// Components run as any user, so the socket is open to all; tokens decide (ipc 1).
const MODE: u32 = 0o666;
/// `sun_path` of the system without the final zero.
const MAX_PATH_BYTES: usize = 107;

/// Listens at `path`. A file that a dead server left there is replaced.
pub(super) fn listen(path: &Path) -> Result<UnixListener, StartIpc> {
    let at = || path.to_owned();
    if path.as_os_str().len() > MAX_PATH_BYTES {
        return Err(StartIpc::PathTooLong { path: at(), limit: MAX_PATH_BYTES });
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| StartIpc::Folder { path: at(), source })?;
    }
    remove_stale(path)?;
    let listener =
        UnixListener::bind(path).map_err(|source| StartIpc::Listen { path: at(), source })?;
    fs::set_permissions(path, Permissions::from_mode(MODE))
        .map_err(|source| StartIpc::Permissions { path: at(), source })?;
    Ok(listener)
}

/// Removes the socket of a server that does not answer.
fn remove_stale(path: &Path) -> Result<(), StartIpc> {
    let at = || path.to_owned();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(StartIpc::Stale { path: at(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(StartIpc::NotASocket { path: at() });
        }
        Ok(_) => {}
    }
    if UnixStream::connect(path).is_ok() {
        return Err(StartIpc::InUse { path: at() });
    }
    remove(path).map_err(|source| StartIpc::Stale { path: at(), source })
}

/// Removes the socket; it is no error if it is gone.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
