//! Messages that were given up, as files for people: why, and what they were.
//!
//! At most [`MAX_FILES`] are kept, the newest; so a component that sends nonsense for years fills
//! no disk.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_os::file::{WriteFile, create_dir_all_mode, write_atomically};
use serde_json::json;

use super::Spooled;

const MAX_FILES: usize = 100;
/// Of a longer payload only the beginning is kept.
const MAX_PAYLOAD: usize = 16 * 1024;

/// Why a message could not be parked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParkMessage {
    /// The file cannot be written.
    #[error("a message that was given up could not be kept for people")]
    Write(#[from] WriteFile),
    /// The folder cannot be looked through.
    #[error("{} could not be cleaned", folder.display())]
    Clean {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// Writes the message with its reason to a file in the folder; gives the file.
pub(crate) fn park(folder: &Path, spooled: &Spooled, reason: &str) -> Result<PathBuf, ParkMessage> {
    create_dir_all_mode(folder, 0o700)?;
    let message = &spooled.message;
    let shown = &message.payload[..message.payload.len().min(MAX_PAYLOAD)];
    let document = json!({
        "topic": &*message.topic,
        "reason": reason,
        "qos": if message.qos == marram_mqtt::QoS::AtMostOnce { 0 } else { 1 },
        "acceptedMs": spooled.accepted_ms,
        "retries": spooled.retries,
        "payloadBytes": message.payload.len(),
        "payloadBase64": STANDARD.encode(shown),
    });
    let path = folder.join(format!("{:020}-{}.json", spooled.accepted_ms, spooled.id));
    write_atomically(&path, document.to_string().as_bytes(), 0o600)?;
    clean(folder).map_err(|source| ParkMessage::Clean { folder: folder.to_owned(), source })?;
    Ok(path)
}

/// The names begin with a time of equal length, so the oldest are the first.
fn clean(folder: &Path) -> io::Result<()> {
    let mut files = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.sort_unstable();
    let surplus = files.len().saturating_sub(MAX_FILES);
    files.iter().take(surplus).try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use marram_mqtt::Publish;

    use super::*;

    #[test]
    fn the_newest_hundred_are_kept_with_their_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = |id: u32| folder.path().join(format!("{:020}-{id}.json", 1000 + id));
        for id in 0..105_u32 {
            let message = Publish::new("a/b", vec![b'x'; MAX_PAYLOAD + 1]);
            let accepted_ms = 1000 + i64::from(id);
            let spooled = Spooled { id: id.into(), message, accepted_ms, retries: 0 };
            park(folder.path(), &spooled, "not authorized").unwrap();
        }
        let count = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(count, MAX_FILES);
        let newest = std::fs::read(file(104)).unwrap();
        let newest: serde_json::Value = serde_json::from_slice(&newest).unwrap();
        assert_eq!(newest["reason"], "not authorized");
        assert_eq!(newest["payloadBytes"], MAX_PAYLOAD + 1);
        assert!(!file(4).exists() && file(5).exists());
    }
}
