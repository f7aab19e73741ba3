//! What is kept of a shadow.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::merge::{merge, metadata_of};

/// A shadow as it is kept, also after its deletion.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Counts updates and deletions; never reset.
    pub version: u64,
    /// `None` after a deletion.
    pub document: Option<Document>,
}

/// One of a shadow's two halves, with the times of its leaves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The values; never `null` anywhere outside arrays.
    pub state: Map<String, Value>,
    /// The same shape as `state`, each leaf `{"timestamp": seconds}`.
    pub metadata: Map<String, Value>,
}

/// A shadow's state. A section that would be empty is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What the device shall be.
    pub desired: Option<Section>,
    /// What the device says it is.
    pub reported: Option<Section>,
}

/// A change of one section.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SectionChange {
    /// The request does not speak of it.
    Keep,
    /// `null`: it goes away.
    Remove,
    /// Deep-merged into it.
    Merge(Map<String, Value>),
}

impl Document {
    /// The document after the changes, its new leaves stamped `now_s`.
    pub(crate) fn changed(
        &self,
        desired: &SectionChange,
        reported: &SectionChange,
        now_s: i64,
    ) -> Self {
        Self {
            desired: change(self.desired.as_ref(), desired, now_s),
            reported: change(self.reported.as_ref(), reported, now_s),
        }
    }

    /// Bytes of both sections' compact JSON; metadata does not count.
    pub(crate) fn state_bytes(&self) -> usize {
        [&self.desired, &self.reported]
            .into_iter()
            .flatten()
            .map(|section| compact_len(&section.state))
            .sum()
    }

    /// `{"desired": …, "reported": …}` of the states, absent ones left out.
    pub(crate) fn state(&self) -> Map<String, Value> {
        self.members(|section| &section.state)
    }

    /// `{"desired": …, "reported": …}` of the metadata, absent ones left out.
    pub(crate) fn metadata(&self) -> Map<String, Value> {
        self.members(|section| &section.metadata)
    }

    fn members(&self, of: fn(&Section) -> &Map<String, Value>) -> Map<String, Value> {
        [("desired", &self.desired), ("reported", &self.reported)]
            .into_iter()
            .filter_map(|(name, section)| {
                section.as_ref().map(|s| (name.to_owned(), Value::Object(of(s).clone())))
            })
            .collect()
    }
}

fn change(current: Option<&Section>, change: &SectionChange, now_s: i64) -> Option<Section> {
    let patch = match change {
        SectionChange::Keep => return current.cloned(),
        SectionChange::Remove => return None,
        SectionChange::Merge(patch) => patch,
    };
    let mut section = current.cloned().unwrap_or_default();
    merge(&mut section.state, &mut section.metadata, patch, now_s);
    (!section.state.is_empty()).then_some(section)
}

/// The metadata that an accepted update answers with: the request's own paths.
pub(crate) fn change_metadata(change: &SectionChange, now_s: i64) -> Option<Map<String, Value>> {
    match change {
        SectionChange::Merge(patch) => Some(metadata_of(patch, now_s)),
        SectionChange::Keep | SectionChange::Remove => None,
    }
}

fn compact_len(map: &Map<String, Value>) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail, and a map of JSON values always serializes.
    let _ = serde_json::to_writer(&mut counter, map);
    counter.0
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
