//! `marramd`: the core device's runtime.

use std::process::ExitCode;

use clap::Parser;

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
struct Program {
    #[command(flatten)]
    arguments: marramd::Arguments,
}

fn main() -> ExitCode {
    match Program::try_parse() {
        Ok(program) => marramd::run(program.arguments),
        Err(error) => {
            let is_error = error.use_stderr();
            // A closed pipe is the reader's choice, not our failure.
            let _ = error.print();
            if is_error { ExitCode::from(64) } else { ExitCode::SUCCESS }
        }
    }
}
