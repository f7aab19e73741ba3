//! `marram-cloud`: the fleet service.

use std::process::ExitCode;

use clap::Parser;

/// The fleet service: Greengrass and IoT Core for your devices, in one process.
#[derive(Debug, Parser)]
#[command(
    name = "marram-cloud",
    version,
    after_help = "Exit codes:  0 stopped in good order, 1 failed, 64 bad arguments or \
                  configuration, 69 a port or the data directory is in use\n\
                  Then:  eval \"$(marram env --ready-file F)\"; aws greengrassv2 list-core-devices"
)]
struct Program {
    #[command(flatten)]
    arguments: marram_cloud::Arguments,
}

fn main() -> ExitCode {
    match Program::try_parse() {
        Ok(program) => marram_cloud::run(program.arguments),
        Err(error) => {
            let is_error = error.use_stderr();
            // A closed pipe is the reader's choice, not our failure.
            let _ = error.print();
            if is_error { ExitCode::from(64) } else { ExitCode::SUCCESS }
        }
    }
}
