//! What was measured, for people and for `cargo xtask bench`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// Rows, and why there are no more.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The peer's figure of the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<Peer>,
    /// What is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<&'static str>,
}

/// Somebody else's figure.
#[derive(Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

impl Report {
    pub(crate) fn fail(&mut self, error: &anyhow::Error) {
        self.error = Some(format!("{error:#}"));
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Writes the report so that whoever sees the file sees all of it.
    pub(crate) fn write(&self, out: Option<&Path>) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let Some(path) = out else {
            print!("{text}");
            return Ok(());
        };
        let whole = path.with_extension("part");
        fs::write(&whole, text).with_context(|| format!("writing {}", whole.display()))?;
        fs::rename(&whole, path).with_context(|| format!("writing {}", path.display()))
    }
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, peer: None, target: None }
    }

    pub(crate) fn peer(mut self, name: &'static str, value: Option<f64>) -> Self {
        self.peer = value.map(|value| Peer { name, value });
        self
    }

    pub(crate) fn target(mut self, target: &'static str) -> Self {
        self.target = Some(target);
        self
    }
}
