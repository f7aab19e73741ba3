//! Device shadow documents: merge, delta, versions, limits.
//!
//! Pure functions from a stored shadow and a request's bytes to the next stored shadow and the
//! messages to send. Whoever stores shadows keeps what [`Update::stored`] or [`Deletion::stored`]
//! says, tombstones included: the version of a shadow is one counter that is never reset, so that
//! a device that missed a deletion notices (device-cloud protocol, section 10).

mod delta;
mod document;
mod merge;
mod reply;
mod request;

pub use document::{Document, Section, Stored};
pub use reply::{Deletion, Rejected, Update, delete, get, update};
pub use request::is_valid_name;

/// The most bytes that the compact JSON of `desired` and that of `reported` may have together.
pub const MAX_STATE_BYTES: usize = 8192;
