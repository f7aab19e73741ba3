//! `marramd`: the core device's runtime.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The core device's runtime: installs, runs and updates components.
#[derive(Debug, Parser)]
#[command(
    name = "marramd",
    version,
    after_help = "Exit codes:  0 stopped in good order, 1 failed, 64 bad arguments or \
                  configuration, 69 the root is in use, 100 start it again, 101 restart the \
                  device, which a bootstrap step asked for\n\
                  A device is made with:  marram core provision --help"
)]
#[command(args_conflicts_with_subcommands = true)]
struct Program {
    #[command(flatten)]
    arguments: marramd::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lay a device's root folder out, put this program into it, and make it a service
    Install(marramd::install::Arguments),
}

fn main() -> ExitCode {
    match Program::try_parse() {
        Ok(Program { command: Some(Command::Install(arguments)), .. }) => {
            marramd::install::run(&arguments)
        }
        Ok(program) => marramd::run(program.arguments),
        Err(error) => {
            let is_error = error.use_stderr();
            // A closed pipe is the reader's choice, not our failure.
            let _ = error.print();
            if is_error { ExitCode::from(64) } else { ExitCode::SUCCESS }
        }
    }
}
