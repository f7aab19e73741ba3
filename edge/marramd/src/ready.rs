//! The ready file: for scripts and tests that start a device.

use std::path::Path;

use marram_nucleus::Nucleus;
use serde_json::json;

use crate::failure::Failure;

/// Writes the file atomically; whoever sees it may connect.
pub(crate) fn write(path: &Path, nucleus: &Nucleus) -> Result<(), Failure> {
    let ready = json!({
        "pid": std::process::id(),
        "ipc_socket": nucleus.ipc_socket(),
        "version": nucleus.version().to_string(),
    });
    let text = format!("{ready:#}\n");
    marram_os::file::write_atomically(path, text.as_bytes(), 0o644).map_err(Failure::Ready)
}
