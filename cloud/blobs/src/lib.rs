//! Artifacts: buckets and objects in a directory, and the S3-compatible endpoint over them.
//!
//! [`Blobs`] keeps every object as one immutable content file and one metadata file that names
//! it. Writing is staging, syncing and renaming; the rename of the metadata file is the moment an
//! object exists. So a kill or a power cut leaves either the old object or the new one, and at
//! most some unreferenced files that the next start sweeps away. [`s3`] speaks S3's protocol and
//! streams: no object is ever whole in memory.

mod blobs;
mod content;
mod error;
mod index;
mod layout;
mod names;
mod object;
pub mod s3;
mod staging;

pub use blobs::{Blobs, Limits, Upload};
pub use content::{Content, ContentBody};
pub use error::{AccessBlob, OpenBlobs};
pub use index::{ListQuery, Page};
pub use object::{Attributes, Object, Part, StoredChecksum};
pub use staging::{Staged, Staging};
