//! `marram cloud …`: the fleet service, from running it to its back-ups.

mod backup;
mod restore;

use std::process::ExitCode;

use clap::Subcommand;

use crate::exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the cloud until SIGTERM; the same as the program `marram-cloud`
    Run(marram_cloud::Arguments),
    /// Write a running cloud's database, artifacts, CA and keys into one file, all of one moment.
    /// Whoever has the file has every secret of the cloud
    Backup(backup::Arguments),
    /// Make a cloud from such a file, where none runs; it may change between SQLite and PostgreSQL
    Restore(restore::Arguments),
}

pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Run(arguments) => marram_cloud::run(arguments),
        Command::Backup(arguments) => exit::of(backup::run(&arguments)),
        Command::Restore(arguments) => exit::of(restore::run(&arguments)),
    }
}
