//! The folder of an export: paths that stay in it, and texts that belong to no cloud.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use marram_cloud::Ready;
use serde_json::{Value, json};

use crate::aws::encoded;
use crate::exit::BadInput;

/// The file that says what the folder is.
pub(crate) const ABOUT: &str = "export.json";
/// The only format so far.
const FORMAT: i64 = 1;

const REGION: &str = "${marram:region}";
const ACCOUNT: &str = "${marram:account}";

/// A folder to write to or read from.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    region: String,
    account: String,
}

/// A name as one segment of a path: never empty, never hidden, never upwards.
pub(crate) fn segment(name: &str) -> String {
    let encoded = encoded(name);
    match encoded.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        // Nothing else has a slash in it.
        None if encoded.is_empty() => "%2F".to_owned(),
        None => encoded,
    }
}

impl Folder {
    pub(crate) fn new(root: &Path, ready: &Ready) -> Self {
        let Ready { region, account_id, .. } = ready;
        Self { root: root.to_owned(), region: region.clone(), account: account_id.clone() }
    }

    /// Says what the folder is.
    pub(crate) fn write_about(&self) -> Result<()> {
        self.write_json(ABOUT, &json!({ "format": FORMAT }))
    }

    /// Checks what the folder is.
    pub(crate) fn check_about(&self) -> Result<()> {
        let missing = || {
            let root = self.root.display();
            BadInput(format!("{root}: has no {ABOUT}: name a folder that an export wrote"))
        };
        let text = self.read_text(ABOUT).map_err(|error| match error.downcast_ref() {
            Some(io) if std::io::Error::kind(io) == ErrorKind::NotFound => missing().into(),
            _ => error,
        })?;
        let mut fields = super::fields::Fields::parse(ABOUT, &text)?;
        match fields.optional_number("format")? {
            Some(FORMAT) => fields.end(),
            other => {
                let other = other.map_or_else(|| "missing".to_owned(), |n| n.to_string());
                let what = format!("is {other}: this marram reads format {FORMAT}");
                Err(fields.wrong("format", what))
            }
        }
    }

    /// Writes an item, with variables for the cloud's own account and region.
    pub(crate) fn write_json(&self, path: &str, item: &Value) -> Result<()> {
        let text = serde_json::to_string_pretty(item)?;
        if text.contains("${marram:") {
            let remedy = "such a text would be taken for the cloud's account or region: change it";
            return Err(BadInput(format!("{path}: holds `${{marram:`: {remedy}")).into());
        }
        let text = text
            .replace(
                &format!(":{}:{}:", self.region, self.account),
                &format!(":{REGION}:{ACCOUNT}:"),
            )
            .replace(&format!("::{}:", self.account), &format!("::{ACCOUNT}:"));
        self.write(path, format!("{text}\n").as_bytes())
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(path);
        let writing = || format!("writing {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(writing)?;
        }
        fs::write(&path, bytes).with_context(writing)
    }

    /// A file's text, with the cloud's account and region in the place of the variables.
    pub(crate) fn read_local(&self, path: &str) -> Result<String> {
        let text = self.read_text(path)?;
        Ok(text.replace(REGION, &self.region).replace(ACCOUNT, &self.account))
    }

    pub(crate) fn read_text(&self, path: &str) -> Result<String> {
        String::from_utf8(self.read(path)?)
            .map_err(|_| BadInput(format!("{path}: is not UTF-8: save it as UTF-8")).into())
    }

    /// A file's bytes. Nothing on the way to it may be a link: it could lead out of the folder.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let mut whole = self.root.clone();
        for part in path.split('/') {
            whole.push(part);
            let about = fs::symlink_metadata(&whole);
            let about = about.with_context(|| format!("reading {}", whole.display()))?;
            if about.is_symlink() {
                let remedy = "replace it by the file itself";
                return Err(BadInput(format!("{path}: `{part}` is a link: {remedy}")).into());
            }
        }
        fs::read(&whole).with_context(|| format!("reading {}", whole.display()))
    }

    /// The names in a folder, in order; none if it is missing.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>> {
        let whole = self.root.join(path);
        let reading = || format!("reading {}", whole.display());
        let entries = match fs::read_dir(&whole) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(reading),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.with_context(reading)?.file_name();
            let name = name.into_string().map_err(|name| {
                BadInput(format!("{path}/{}: is no UTF-8 name: rename it", name.display()))
            })?;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for (name, expected) in [
            ("a:b", "a%3Ab"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("../../etc", "%2E.%2F..%2Fetc"),
            ("", "%2F"),
            ("com.example.A", "com.example.A"),
        ] {
            assert_eq!(segment(name), expected);
        }
    }
}
