//! `marram doctor`: looks at all that a device or a cloud needs, and says what to do about what is
//! wrong.
//!
//! It only looks: no lock is taken, nothing is written, a running program is not disturbed. Each
//! check is a file of its own below `checks/`, has a deadline, and gives one [`Finding`].

mod check;
mod checks;
mod cloud;
mod device;
mod examine;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::exit::{self, BadInput};
use crate::output::Output;
use check::Check;
use cloud::Cloud;
use device::Device;
use report::{Examined, Report};

pub(crate) use check::{Finding, Status};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes:  0 nothing failed (warnings may be there), 1 a check failed, \
                        64 bad arguments\n\
                        Examples:    marram doctor --root /greengrass/v2\n\
                        \x20            marram doctor --only mqtt --only clock --output json\n\
                        \x20            marram doctor --cloud --data DIR --ready-file F")]
pub(crate) struct Arguments {
    /// The device's root folder [default: /greengrass/v2 as root, else
    /// ~/.local/share/marram/core]
    #[arg(long, value_name = "DIR", conflicts_with = "cloud")]
    root: Option<PathBuf>,
    /// Look at a cloud instead of a device; name it with --data, --ready-file or both
    #[arg(long)]
    cloud: bool,
    /// The cloud's data directory
    #[arg(long, value_name = "DIR", requires = "cloud")]
    data: Option<PathBuf>,
    /// The file that the cloud wrote when it was ready
    #[arg(long, value_name = "F", requires = "cloud")]
    ready_file: Option<PathBuf>,
    /// A port that the cloud is to listen on: is it free? May be repeated
    #[arg(long = "port", value_name = "PORT", requires = "cloud")]
    ports: Vec<u16>,
    /// Only this check; may be repeated
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Print the checks and end
    #[arg(long)]
    list: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match examine(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if crate::output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => exit::of(Err(error)),
    }
}

/// Examines what is meant; false if a check failed.
fn examine(arguments: &Arguments) -> Result<bool> {
    if arguments.cloud {
        let checks = chosen(checks::CLOUD, &arguments.only)?;
        if arguments.list {
            return list(&checks, arguments.output);
        }
        let cloud = Cloud::open(arguments)?;
        let subject = cloud.subject();
        return finish(&checks, cloud, subject, arguments.output);
    }
    let checks = chosen(checks::DEVICE, &arguments.only)?;
    if arguments.list {
        return list(&checks, arguments.output);
    }
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None => marramd::default_root()
            .ok_or_else(|| BadInput("HOME is not set: name the device with --root".to_owned()))?,
    };
    let root = std::path::absolute(&root).with_context(|| format!("--root {}", root.display()))?;
    let subject = format!("the core device in {}", root.display());
    finish(&checks, Device::open(&root), subject, arguments.output)
}

/// The checks that were asked for, in their own order.
fn chosen<T>(all: &'static [Check<T>], only: &[String]) -> Result<Vec<&'static Check<T>>> {
    if let Some(unknown) = only.iter().find(|id| !all.iter().any(|check| check.id == **id)) {
        let known: Vec<&str> = all.iter().map(|check| check.id).collect();
        let text = format!("--only {unknown}: no such check; there are {}", known.join(", "));
        return Err(BadInput(text).into());
    }
    let is_wanted = |check: &&Check<T>| only.is_empty() || only.iter().any(|id| *id == check.id);
    Ok(all.iter().filter(is_wanted).collect())
}

fn list<T>(checks: &[&Check<T>], output: Output) -> Result<bool> {
    report::list(checks, output)?;
    Ok(true)
}

fn finish<T: Send + Sync + 'static>(
    checks: &[&'static Check<T>],
    subject: T,
    name: String,
    output: Output,
) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the asynchronous runtime")?;
    let examined: Vec<Examined> = runtime.block_on(examine::all(checks, Arc::new(subject)));
    // A file system that hangs must not hold us: its check has been given up.
    runtime.shutdown_background();
    let report = Report { subject: name, examined };
    report.print(output)?;
    Ok(report.count(Status::Failed) == 0)
}

#[cfg(test)]
mod tests;
