//! `logs get`, `list-log-files`, `list-keywords`: reads log files, and needs no nucleus.

mod entry;
mod files;
mod filter;
mod get;
mod source;
mod window;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{Options, expand_home, root};
use crate::output::{self, Output};

/// Of the Greengrass log format.
const KEYWORDS: [&str; 6] = [
    "level=$str",
    "thread=$str",
    "loggerName=$str",
    "eventType=$str",
    "serviceName=$str",
    "error=$str",
];
const SYSLOG_KEYWORDS: [&str; 4] = ["priority=$int", "host=$str", "logger=$str", "class=$str"];

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search the logs, in the order of time
    Get(get::Arguments),
    /// List the log files
    ListLogFiles {
        /// A folder with log files; repeat for more; without it, the device's [short: -ld]
        #[arg(long = "log-dir", value_name = "FOLDER")]
        log_dir: Vec<PathBuf>,
    },
    /// List words to filter by
    ListKeywords {
        /// Those of syslog
        #[arg(short, long)]
        syslog: bool,
    },
}

pub(super) fn run(command: Command, options: &Options) -> Result<()> {
    match command {
        Command::Get(arguments) => get::run(&arguments, options),
        Command::ListLogFiles { log_dir } => list_log_files(&log_dir, options),
        Command::ListKeywords { syslog } => list_keywords(syslog, options.output),
    }
}

/// The folders that were named, or the device's own.
fn folders(named: &[PathBuf], options: &Options) -> Result<Vec<PathBuf>> {
    match named {
        [] => Ok(vec![root::root(options)?.join("logs")]),
        _ => Ok(named.iter().map(|folder| expand_home(folder)).collect()),
    }
}

fn list_log_files(named: &[PathBuf], options: &Options) -> Result<()> {
    let mut paths = Vec::new();
    for folder in folders(named, options)? {
        paths.extend(files::in_folder(&folder)?);
    }
    if options.output == Output::Json {
        return Ok(output::json(&json!(paths))?);
    }
    for path in &paths {
        output::line(&path.display().to_string())?;
    }
    match paths.len() {
        0 => output::line("No log file found.")?,
        count => output::line(&format!("Total {count} files found."))?,
    }
    Ok(())
}

fn list_keywords(syslog: bool, output: Output) -> Result<()> {
    let (title, words) = match syslog {
        true => ("Suggested keywords for syslog format:", &SYSLOG_KEYWORDS[..]),
        false => ("Suggested keywords for Greengrass log format:", &KEYWORDS[..]),
    };
    match output {
        Output::Json => output::json(&json!(words))?,
        Output::Text => output::line(&format!("{title}\n{}", words.join("\n")))?,
    }
    Ok(())
}
