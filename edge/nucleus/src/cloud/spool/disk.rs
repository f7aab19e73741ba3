//! The spool's messages on the disk (`mqtt.spooler.storageType: Disk`), so that they outlive the
//! nucleus.
//!
//! Additions and removals are handed over in order and written by one task, as many at once as
//! have gathered meanwhile: one sync for all of them. A component is answered when its message is
//! synced.
//!
//! After a failed write messages wait in memory only. The folder is tried again every
//! [`RETRY_PAUSE`], and then holds again what waits, no more and no less.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use marram_mqtt::{Publish, PublishProperties, QoS};
use marram_seglog::{OpenJournal, Queue, WriteJournal};
use marram_telemetry::Chain;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::Spooled;

/// Between two attempts to use a folder again that could not be written.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Why the folder is not in use again.
#[derive(Debug, thiserror::Error)]
enum UseAgain {
    #[error("the spool's folder could not be opened")]
    Open(#[from] OpenJournal),
    #[error("the spool's folder could not be written")]
    Write(#[from] WriteJournal),
}

/// What the writer has still to do. The spool bounds what can be added, and with it this.
#[derive(Debug)]
enum Change {
    Add(Box<Spooled>, oneshot::Sender<()>),
    Remove(u64),
}

/// The way to the disk; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    changes: Arc<Mutex<Vec<Change>>>,
    changed: Arc<Notify>,
}

/// What [`Disk::open`] gives: the way, the task's part, and the messages that wait from before.
pub(crate) struct OpenedDisk {
    pub(crate) disk: Disk,
    pub(crate) queue: Queue,
    pub(crate) kept: Vec<Spooled>,
}

impl Disk {
    /// Opens the folder. A message in it that cannot be read is left out and logged.
    pub(crate) fn open(folder: &Path) -> Result<OpenedDisk, OpenJournal> {
        let (mut queue, items) = Queue::open(folder)?;
        let mut kept = Vec::new();
        for item in items {
            match decode(item.id, &item.payload) {
                Some(spooled) => kept.push(spooled),
                None => {
                    error!(id = item.id, "a spooled message cannot be read and is left out");
                    if let Err(error) = queue.remove(item.id) {
                        warn!(error = %Chain(&error), "it is left out again at the next start");
                    }
                }
            }
        }
        let disk = Self { changes: Arc::default(), changed: Arc::default() };
        Ok(OpenedDisk { disk, queue, kept })
    }

    /// Keeps a message; the receiver hears when it is safe, or that it cannot be kept.
    pub(crate) fn add(&self, spooled: Spooled) -> oneshot::Receiver<()> {
        let (safe, heard) = oneshot::channel();
        self.lock().push(Change::Add(Box::new(spooled), safe));
        self.changed.notify_one();
        heard
    }

    /// Forgets messages.
    pub(crate) fn remove(&self, ids: impl IntoIterator<Item = u64>) {
        self.lock().extend(ids.into_iter().map(Change::Remove));
        self.changed.notify_one();
    }

    /// Writes what is handed over until it is dropped. `waiting` gives all messages that are to be
    /// kept, for when the folder is used again.
    pub(crate) async fn write(
        self,
        folder: PathBuf,
        mut queue: Queue,
        waiting: impl Fn() -> Vec<Spooled>,
    ) {
        loop {
            self.changed.notified().await;
            let changes = std::mem::take(&mut *self.lock());
            let written = tokio::task::spawn_blocking(move || {
                let written = carry_out(&mut queue, changes);
                (queue, written)
            });
            let Ok((back, written)) = written.await else { return };
            queue = match written {
                Ok(()) => back,
                Err(error) => {
                    warn!(
                        error = %Chain(&error),
                        "the spool's folder cannot be written: messages wait in memory only"
                    );
                    drop(back);
                    self.until_used_again(&folder, &waiting).await
                }
            };
        }
    }

    /// Tries until the folder holds what waits. What is handed over meanwhile is only heard.
    async fn until_used_again(&self, folder: &Path, waiting: &impl Fn() -> Vec<Spooled>) -> Queue {
        let mut pause = std::pin::pin!(sleep(RETRY_PAUSE));
        loop {
            tokio::select! {
                () = pause.as_mut() => pause.set(sleep(RETRY_PAUSE)),
                // In memory; the component is answered.
                () = self.changed.notified() => {
                    self.lock().clear();
                    continue;
                }
            }
            // Before the messages: a change that comes in between is in them, or comes again.
            self.lock().clear();
            let (folder, waiting) = (folder.to_owned(), waiting());
            match tokio::task::spawn_blocking(move || use_again(&folder, &waiting)).await {
                Ok(Ok(queue)) => {
                    info!("the spool's folder can be written again");
                    return queue;
                }
                Ok(Err(error)) => tracing::debug!(error = %Chain(&error), "not yet"),
                Err(error) => warn!(%error, "trying the spool's folder again ended badly"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn carry_out(queue: &mut Queue, changes: Vec<Change>) -> Result<(), WriteJournal> {
    let mut added = Vec::new();
    for change in changes {
        match change {
            Change::Add(spooled, safe) => {
                // One that came while the folder was opened again may be there already.
                if !queue.contains(spooled.id) {
                    queue.add(spooled.id, &encode(&spooled))?;
                }
                added.push(safe);
            }
            Change::Remove(id) => queue.remove(id)?,
        }
    }
    match added.is_empty() {
        true => queue.flush()?,
        false => queue.sync()?,
    }
    for safe in added {
        // The component has gone: nobody waits for the answer.
        let _ = safe.send(());
    }
    Ok(())
}

/// Opens the folder and makes its content what waits.
fn use_again(folder: &Path, waiting: &[Spooled]) -> Result<Queue, UseAgain> {
    let (mut queue, items) = Queue::open(folder)?;
    let ids: BTreeSet<u64> = waiting.iter().map(|spooled| spooled.id).collect();
    for item in items.iter().filter(|item| !ids.contains(&item.id)) {
        queue.remove(item.id)?;
    }
    for spooled in waiting {
        if !queue.contains(spooled.id) {
            queue.add(spooled.id, &encode(spooled))?;
        }
    }
    queue.sync()?;
    Ok(queue)
}

/// All of a message but its payload.
#[derive(Serialize, Deserialize)]
struct Head {
    topic: String,
    qos: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retain: bool,
    accepted_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    payload_format_utf8: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_expiry_s: Option<u32>,
}

/// The head as JSON, a zero byte, which JSON never has, and the payload.
fn encode(spooled: &Spooled) -> Vec<u8> {
    let Publish { topic, payload, qos, retain, properties } = &spooled.message;
    let head = Head {
        topic: topic.to_string(),
        qos: u8::from(*qos == QoS::AtLeastOnce),
        retain: *retain,
        accepted_ms: spooled.accepted_ms,
        response_topic: properties.response_topic.as_ref().map(ToString::to_string),
        correlation_data: properties.correlation_data.as_ref().map(|data| data.to_vec()),
        user_properties: properties
            .user_properties
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        content_type: properties.content_type.as_ref().map(ToString::to_string),
        payload_format_utf8: properties.payload_format_utf8,
        message_expiry_s: properties.message_expiry_s,
    };
    // A struct of texts and numbers always has JSON.
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.push(0);
    bytes.extend_from_slice(payload);
    bytes
}

fn decode(id: u64, bytes: &[u8]) -> Option<Spooled> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
    let properties = PublishProperties {
        response_topic: head.response_topic.map(Into::into),
        correlation_data: head.correlation_data.map(Bytes::from),
        user_properties: head
            .user_properties
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        content_type: head.content_type.map(Into::into),
        payload_format_utf8: head.payload_format_utf8,
        message_expiry_s: head.message_expiry_s,
    };
    let message = Publish {
        topic: head.topic.into(),
        payload: Bytes::copy_from_slice(&bytes[end + 1..]),
        qos: if head.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce },
        retain: head.retain,
        properties,
    };
    Some(Spooled { id, message, accepted_ms: head.accepted_ms, retries: 0 })
}

#[cfg(test)]
mod tests;
