//! Which database the user chose: an argument, a file, or the environment.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use marram_store::{Database, ParsePostgresUrl};

/// Read where neither argument is given.
const VARIABLE: &str = "MARRAM_STORE";

/// A database's URL as given; not shown, for it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

/// Anything goes here: clap would repeat a wrong value with its password.
impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl")
    }
}

/// Why the choice is none.
#[derive(Debug, thiserror::Error)]
pub enum ChooseStore {
    /// The URL cannot be read.
    #[error("{place}")]
    Url {
        /// The argument, file or variable with it.
        place: String,
        /// What is wrong.
        #[source]
        source: ParsePostgresUrl,
    },
    /// The file cannot be read.
    #[error("--store-file {}: cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// The chosen database; none is SQLite in the data directory.
///
/// # Errors
/// The URL cannot be read, or the file with it.
pub fn choose(
    url: Option<&StoreUrl>,
    file: Option<&Path>,
) -> Result<Option<Database>, ChooseStore> {
    let (place, text) = match (url, file) {
        (Some(StoreUrl(text)), _) => ("--store".to_owned(), text.clone()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ChooseStore::File { path: path.to_owned(), source })?;
            (format!("--store-file {}", path.display()), text)
        }
        (None, None) => match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => (VARIABLE.to_owned(), text),
            _ => return Ok(None),
        },
    };
    let url = text.parse().map_err(|source| ChooseStore::Url { place, source })?;
    Ok(Some(Database::Postgres(url)))
}
