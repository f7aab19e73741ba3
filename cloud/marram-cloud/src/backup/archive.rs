//! The archive: a zip file that ends with a manifest of all its other entries.
//!
//! ```text
//! store.jsonl    the store's rows            secrets.key    what its secrets are encrypted with
//! ca/            the authority               blobs/         buckets and their objects
//! manifest.json  format, when, whose, and each entry's length and SHA-256
//! ```
//!
//! Invariant: an archive that lacks a byte, or has another one, is refused before anything of it
//! is used.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The store's rows.
pub(crate) const STORE: &str = "store.jsonl";
/// The key to the store's secrets.
pub(crate) const KEY_FILE: &str = "secrets.key";
const MANIFEST: &str = "manifest.json";
/// The format that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// How much is copied at once.
const PIECE: usize = 128 * 1024;
/// A manifest of a million objects has less.
const MAX_MANIFEST: u64 = 256 * 1024 * 1024;

/// Whose back-up it is, and of when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) created_at_ms: i64,
    pub(crate) account_id: String,
    pub(crate) region: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    #[serde(flatten)]
    about: About,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteArchive {
    #[error("a file cannot be read or written")]
    Io(#[from] io::Error),
    #[error("the archive's form does not hold it")]
    Zip(#[from] ZipError),
    #[error("`{}` is no name for an archive", .0.display())]
    Name(PathBuf),
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadArchive {
    /// It cannot be opened or read, or what it holds not be written.
    #[error("it cannot be read, or what it holds not be written")]
    Io(#[from] io::Error),
    /// It is no archive, or cut off.
    #[error("it is not a whole archive of `marram cloud backup`")]
    Zip(#[from] ZipError),
    /// The manifest cannot be read.
    #[error("its manifest is damaged")]
    Manifest(#[source] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has format {0}, this program knows up to {FORMAT}: restore with a newer marram")]
    Newer(u32),
    /// An entry is not what the manifest says.
    #[error("its entry `{0}` is damaged, missing, or too much: take another back-up")]
    Entry(String),
}

/// Writes an archive of files and folders, each under its name, for its owner only.
pub(crate) fn write(
    path: &Path,
    about: About,
    sources: &[(String, PathBuf)],
) -> Result<(), WriteArchive> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let mut entries = BTreeMap::new();
    for (name, source) in sources {
        add(&mut zip, &mut entries, name, source)?;
    }
    let manifest = Manifest { format: FORMAT, about, entries };
    zip.start_file(MANIFEST, options(MANIFEST))?;
    serde_json::to_writer(&mut zip, &manifest).map_err(io::Error::from)?;
    let file = zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}

fn add(
    zip: &mut ZipWriter<BufWriter<File>>,
    entries: &mut BTreeMap<String, Entry>,
    name: &str,
    source: &Path,
) -> Result<(), WriteArchive> {
    if source.is_dir() {
        for entry in fs::read_dir(source)? {
            let path = entry?.path();
            let Some(last) = path.file_name().and_then(|last| last.to_str()) else {
                return Err(WriteArchive::Name(path));
            };
            add(zip, entries, &format!("{name}/{last}"), &path)?;
        }
        return Ok(());
    }
    zip.start_file(name, options(name))?;
    let entry = copy(&mut File::open(source)?, zip)?;
    entries.insert(name.to_owned(), entry);
    Ok(())
}

/// Artifacts are compressed already; the rest shrinks well.
fn options(name: &str) -> SimpleFileOptions {
    let method = match name.starts_with("blobs/") {
        true => CompressionMethod::Stored,
        false => CompressionMethod::Deflated,
    };
    SimpleFileOptions::default().compression_method(method).large_file(true).unix_permissions(0o600)
}

/// Checks the whole archive at `path` and puts what it holds into `folder`.
pub(crate) fn extract(path: &Path, folder: &Path) -> Result<About, ReadArchive> {
    let mut zip = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let manifest = manifest(&mut zip)?;
    let mut left = manifest.entries;
    for at in 0..zip.len() {
        let mut file = zip.by_index(at)?;
        let name = file.name()?.into_owned();
        if name == MANIFEST {
            continue;
        }
        let Some(expected) = left.remove(&name).filter(|_| is_safe(&name)) else {
            return Err(ReadArchive::Entry(name));
        };
        let to = folder.join(&name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        // One byte more than expected would show.
        let mut limited = (&mut file).take(expected.bytes.saturating_add(1));
        if copy(&mut limited, &mut out)? != expected {
            return Err(ReadArchive::Entry(name));
        }
        out.sync_all()?;
    }
    match left.into_keys().next() {
        Some(missing) => Err(ReadArchive::Entry(missing)),
        None => Ok(manifest.about),
    }
}

fn manifest(zip: &mut ZipArchive<BufReader<File>>) -> Result<Manifest, ReadArchive> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let mut text = Vec::new();
    zip.by_name(MANIFEST)?.take(MAX_MANIFEST).read_to_end(&mut text)?;
    let Format { format } = serde_json::from_slice(&text).map_err(ReadArchive::Manifest)?;
    if format > FORMAT {
        return Err(ReadArchive::Newer(format));
    }
    serde_json::from_slice(&text).map_err(ReadArchive::Manifest)
}

/// Relative, and never out of the folder.
fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<Entry> {
    let mut digest = Context::new(&SHA256);
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&piece[..read]);
        to.write_all(&piece[..read])?;
        bytes += read as u64;
    }
    let sha256 = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Entry { bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About { created_at_ms: 1, account_id: "1".into(), region: "r".into() }
    }

    #[test]
    fn what_was_written_is_extracted_and_a_changed_byte_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        fs::create_dir_all(source.join("deep")).unwrap();
        fs::write(source.join("deep/a"), vec![7; 300_000]).unwrap();
        let path = directory.path().join("archive");
        write(&path, about(), &[("blobs".to_owned(), source)]).unwrap();
        let out = directory.path().join("out");
        assert_eq!(extract(&path, &out).unwrap().account_id, "1");
        assert_eq!(fs::read(out.join("blobs/deep/a")).unwrap(), vec![7; 300_000]);

        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[100_000] ^= 1;
        for (number, bytes) in [&changed[..], &whole[..whole.len() - 1], b""].iter().enumerate() {
            fs::write(&path, bytes).unwrap();
            let out = directory.path().join(format!("out{number}"));
            assert!(extract(&path, &out).is_err(), "{number}");
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_not_safe() {
        for name in ["../a", "/a", "a/../../b", "", "./a"] {
            assert!(!is_safe(name), "{name}");
        }
        assert!(is_safe("blobs/buckets/a/content/b"));
    }
}
