//! Why the store of blobs could not be opened, or refused an access.

use std::io;
use std::path::{Path, PathBuf};

use marram_os::file::WriteFile;

/// Why the directory cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenBlobs {
    /// A folder or file cannot be made or read.
    #[error("the artifact store cannot use `{}`: make it readable and writable", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A folder cannot be made durable.
    #[error("the artifact store cannot be prepared")]
    Write(#[from] WriteFile),
}

/// Why an operation on buckets or objects was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccessBlob {
    /// Not a name that a bucket may have.
    #[error(
        "`{0}` is no bucket name: use 3 to 63 of a-z, 0-9, `.` and `-`, letters or digits at both ends"
    )]
    InvalidBucketName(String),
    /// Not a key that an object may have.
    #[error("the key `{key}` is {length} bytes long or holds a NUL: use 1 to 1024 bytes")]
    InvalidKey {
        /// The start of the key.
        key: String,
        /// Its length in bytes.
        length: usize,
    },
    /// More user metadata than an object may have.
    #[error("the metadata is {size} bytes long: at most {limit} are kept")]
    MetadataTooLarge {
        /// Its length in bytes.
        size: usize,
        /// The most allowed.
        limit: usize,
    },
    /// No such bucket.
    #[error("the bucket `{0}` does not exist: create it first")]
    NoSuchBucket(String),
    /// The bucket is there already.
    #[error("the bucket `{0}` exists already and is yours")]
    BucketExists(String),
    /// A bucket that still holds objects cannot be deleted.
    #[error("the bucket `{0}` is not empty: delete its objects first")]
    BucketNotEmpty(String),
    /// No such object.
    #[error("the bucket `{bucket}` has no object `{key}`")]
    NoSuchKey {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// An object that must not exist does.
    #[error("the bucket `{bucket}` has an object `{key}` already")]
    KeyExists {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// No such multipart upload.
    #[error("the upload `{0}` does not exist: it was completed or aborted, or never begun")]
    NoSuchUpload(String),
    /// A part number outside of 1 to 10000.
    #[error("part number {0}: use 1 to 10000")]
    InvalidPartNumber(u32),
    /// A part that was not uploaded, or with another ETag.
    #[error("part {number} with the ETag `{etag}` was not uploaded")]
    InvalidPart {
        /// Its number.
        number: u16,
        /// The ETag that was asked for.
        etag: String,
    },
    /// The parts are not listed in rising order, or there is none.
    #[error("list at least one part, and part numbers in rising order")]
    InvalidPartOrder,
    /// A part other than the last is too small.
    #[error("part {number} has {size} bytes: all parts but the last need at least {least}")]
    PartTooSmall {
        /// Its number.
        number: u16,
        /// Its length in bytes.
        size: u64,
        /// The least allowed.
        least: u64,
    },
    /// More bytes than an object or part may have.
    #[error("the body is longer than {limit} bytes: use a multipart upload")]
    TooLarge {
        /// The most allowed.
        limit: u64,
    },
    /// The file system is full.
    #[error("no room for {needed} more bytes under `{}`: free some disk space", path.display())]
    DiskFull {
        /// The store's directory.
        path: PathBuf,
        /// How many bytes were to be written; 0 when unknown.
        needed: u64,
    },
    /// The file system failed.
    #[error("`{}` could not be read or written", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A metadata file does not hold what was written.
    #[error("`{}` is damaged: delete it and upload again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl AccessBlob {
    /// Names the file of an I/O error, and a full disk as such.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, needed: 0 }
            }
            _ => Self::Io { path, source },
        }
    }
}

impl From<WriteFile> for AccessBlob {
    fn from(error: WriteFile) -> Self {
        Self::at(&error.path)(error.source)
    }
}
