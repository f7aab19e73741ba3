//! `cargo xtask bench`: what the programs can do, beside a peer under the same load.
//!
//! A shared machine is never quiet, so a ratio to a peer of the same run says more than a figure,
//! and nothing here fails on one. Figures for `SPECIFICATION.md`.

mod device;
mod ipc;
mod mosquitto;
mod nucleus;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::run;
use crate::test::heading;

/// Measures.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure
    #[arg(value_enum)]
    subject: Subject,
    /// Measure for a third of the time
    #[arg(long)]
    quick: bool,
    /// Only this part of `ipc`: throughput, latency, requests, crowd
    #[arg(long, value_name = "PART", default_value = "all")]
    plan: String,
    /// Also write the figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Subject {
    /// The IPC of `marramd`; peers: mosquitto and a bare socketpair
    Ipc,
    /// Components on one device: how fast they start, restart and change
    Device,
}

/// One figure, as the load generator writes it.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    name: String,
    value: f64,
    unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<Peer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// Somebody else's figure of the same run.
#[derive(Debug, Serialize, Deserialize)]
struct Peer {
    name: String,
    value: f64,
}

impl Row {
    fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.to_owned(), value, unit: unit.to_owned(), peer: None, target: None }
    }

    fn target(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    fn peer(mut self, name: &str, value: f64) -> Self {
        self.peer = Some(Peer { name: name.to_owned(), value });
        self
    }
}

/// Builds, measures, prints; true, for a figure is no failure.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    build(&["--profile", "edge", "--package", "marramd"])?;
    let rows = match arguments.subject {
        Subject::Ipc => {
            build(&["--release", "--package", "marram-ipc-load"])?;
            heading("the IPC under load");
            let more = if arguments.quick { "--quick" } else { "" };
            ipc::measure(&arguments.plan, more)?
        }
        Subject::Device => {
            build(&["--release", "--package", "marram-recipe-time"])?;
            heading("components on a device");
            device::measure(arguments.quick)?
        }
    };
    for row in &rows {
        println!("{}", line(row));
    }
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(true)
}

/// Clients that publish, listen and are killed, for so long; an error if the server has grown.
pub(crate) fn soak_ipc(seconds: u64) -> Result<()> {
    build(&["--profile", "edge", "--package", "marramd"])?;
    build(&["--release", "--package", "marram-ipc-load"])?;
    heading(&format!("the IPC's ordinary life for {seconds} s"));
    for row in ipc::measure(ipc::SOAK, &format!("--soak-seconds {seconds}"))? {
        println!("{}", line(&row));
    }
    Ok(())
}

fn build(arguments: &[&str]) -> Result<()> {
    if !run::succeeds(run::cargo().args(["build", "--locked"]).args(arguments))? {
        bail!("the build failed");
    }
    Ok(())
}

fn line(row: &Row) -> String {
    let mut line = format!("{:<58} {:>10} {:<6}", row.name, figure(row.value), row.unit);
    if let Some(peer) = &row.peer {
        let ratio = row.value / peer.value;
        line += &format!("  {ratio:>6.2} × {} ({})", peer.name, figure(peer.value));
    }
    if let Some(target) = &row.target {
        line += &format!("  target {target}");
    }
    line
}

/// Three digits and no noise.
fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_ratio_and_its_target() {
        let row = Row::new("1→1", 150_000.0, "msg/s").peer("mosquitto", 100_000.0).target("≥ 1");
        let line = line(&row);
        assert!(line.contains("1.50 × mosquitto (100000)"), "{line}");
        assert!(line.ends_with("target ≥ 1"), "{line}");
    }
}
