//! `marram recipe …`: recipes on the author's machine, without a cloud and without a device.

mod check;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check recipes as the cloud does when it creates a component: every problem with its line
    Check(check::Arguments),
    /// Show what a device would run: the manifest, lifecycle, artifacts and dependencies
    Show(show::Arguments),
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Check(arguments) => exit::of(check::run(arguments)),
        Command::Show(arguments) => exit::of(show::run(arguments)),
    }
}
