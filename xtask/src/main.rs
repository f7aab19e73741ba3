//! The workspace's own commands: everything a contributor or CI runs, in one place.
//!
//! `cargo xtask test` is what `.ci/run` calls; it does its own set-up, so that a fresh clone on a
//! fresh machine gives the same result as the tenth run.
#![allow(clippy::print_stdout, reason = "a command for people")]

mod bench;
mod conformance;
mod fuzz;
mod interop;
mod layers;
mod postgres;
mod programs;
mod routes;
mod run;
mod sim;
mod size;
mod soak;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Marram's workspace commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All set-up and all checks; ends with `N passed, N failed, N skipped`
    Test {
        /// Run one part only
        #[arg(long, value_enum)]
        only: Option<test::Part>,
    },
    /// Dependency directions, file sizes, lints inherited, no forbidden crate in `marramd`, every
    /// test that a conformance page names
    Layers,
    /// Run a program with a PostgreSQL server of its own, in MARRAM_TEST_STORE
    Postgres {
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<std::ffi::OsString>,
    },
    /// Search for inputs that break a fuzz target; found ones and new ones stay in target/fuzz
    Fuzz(fuzz::Arguments),
    /// Measure beside a peer in the same run, and beside the promises of SPECIFICATION.md
    Bench(bench::Arguments),
    /// Deployments under power cuts, full disks, lost networks and hanging scripts, by seeds
    Sim(sim::Arguments),
    /// Ordinary life for long: fails if the server's memory, descriptors or threads grow by it
    Soak(soak::Arguments),
    /// Executable sizes, idle memory and start times, measured now
    Size {
        /// Also write the figures to this file as JSON
        #[arg(long)]
        json: Option<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test { only } => test::run(only),
        Command::Layers => layers::run(),
        Command::Postgres { program } => postgres::run(&program),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Size { json } => size::run(json.as_deref()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
