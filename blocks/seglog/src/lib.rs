//! What must not be forgotten, in checksummed append-only files: a [`Journal`] keeps a state, a
//! [`Queue`] keeps items until they are removed.
//!
//! A [`Journal`] is a folder with one snapshot and one log. State is the snapshot with the log's
//! records applied in order. The invariant, whatever instruction the power is cut at: after
//! opening, the records are a prefix of those appended since the snapshot, and contain all that
//! were appended before the last [`Journal::sync`] that returned.
//!
//! A snapshot carries a generation, and only the log of the same generation belongs to it. So the
//! rename that puts a new snapshot in place also, in the same instant, empties the log. What a
//! snapshot replaced is kept until the next one, and it is made again from that when it is damaged;
//! damage is told to the owner ([`Damage`]), never passed over.

mod health;
mod journal;
mod queue;
mod record;

pub use journal::{Cost, Damage, Journal, OpenJournal, Recovered, WriteJournal};
pub use queue::{Queue, QueuedItem};
pub use record::MAX_RECORD_BYTES;
