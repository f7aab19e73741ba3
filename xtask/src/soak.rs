//! `cargo xtask soak`: ordinary life for long, and what must not grow by it.

use anyhow::Result;

use crate::bench;

/// Loads for a while.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to load
    #[arg(value_enum)]
    subject: Subject,
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..=3600))]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Subject {
    /// The IPC of `marramd`: clients publish, listen and are killed at random
    Ipc,
}

/// Builds, loads and prints the figures; an error if the server has grown.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match arguments.subject {
        Subject::Ipc => bench::soak_ipc(arguments.seconds)?,
    }
    Ok(true)
}
