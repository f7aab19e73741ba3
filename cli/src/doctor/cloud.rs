//! The cloud that is looked at: its data directory, and where it said that it serves.

use std::path::PathBuf;

use anyhow::Result;
use marram_cloud::Ready;

use super::Arguments;
use super::check::Finding;
use crate::env::read_ready;
use crate::exit::BadInput;

/// What all checks of a cloud share.
#[derive(Debug)]
pub(super) struct Cloud {
    data: Option<PathBuf>,
    ready: Option<Ready>,
    /// Ports that must be free, or ours.
    pub(super) ports: Vec<u16>,
}

impl Cloud {
    pub(super) fn open(arguments: &Arguments) -> Result<Self> {
        let ready = arguments.ready_file.as_deref().map(read_ready).transpose()?;
        if ready.is_none() && arguments.data.is_none() {
            let text = "--cloud: name the cloud with --data DIR, --ready-file F or both";
            return Err(BadInput(text.to_owned()).into());
        }
        // `DIR/ca/root-ca.pem` is where a cloud keeps its authority.
        let beside = |ready: &Ready| Some(ready.ca_file.parent()?.parent()?.to_owned());
        let data = arguments.data.clone().or_else(|| ready.as_ref().and_then(beside));
        Ok(Self { data, ready, ports: arguments.ports.clone() })
    }

    /// Which one it is, for people.
    pub(super) fn subject(&self) -> String {
        match (&self.data, &self.ready) {
            (Some(data), None) => format!("the cloud in {}", data.display()),
            (Some(data), Some(ready)) => {
                format!("the cloud in {} at {}", data.display(), ready.endpoint_url)
            }
            (None, ready) => {
                let url = ready.as_ref().map_or("", |ready| ready.endpoint_url.as_str());
                format!("the cloud at {url}")
            }
        }
    }

    /// The data directory, or why a check that needs it has nothing to look at.
    pub(super) fn data(&self) -> Result<&PathBuf, Finding> {
        self.data
            .as_ref()
            .ok_or_else(|| Finding::skipped("its data directory is not known: --data"))
    }

    /// Where it serves, or why nobody is asked.
    pub(super) fn ready(&self) -> Result<&Ready, Finding> {
        let why = "where it serves is not known: start it with --ready-file F and name F here";
        self.ready.as_ref().ok_or_else(|| Finding::skipped(why))
    }
}
