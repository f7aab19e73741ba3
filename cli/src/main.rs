//! `marram`: one executable for people, for devices and clouds alike.
#![allow(clippy::print_stdout, reason = "a command for people: data goes to stdout")]

mod aws;
mod cloud;
mod config;
mod core;
mod doctor;
mod env;
mod exit;
mod local;
mod output;
mod progress;
mod provision;
mod quickstart;
mod recipe;
mod table;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs Greengrass without AWS: a cloud, its devices, and everything between them.
#[derive(Debug, Parser)]
#[command(
    name = "marram",
    version,
    after_help = "Start here:  marram quickstart\n\
                  Exit codes:  0 done, 1 failed, 64 bad arguments or configuration, \
                  69 a port or a service is not available"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From nothing to a running component: a cloud, a core device and a deployment
    Quickstart(quickstart::Arguments),
    /// The fleet service
    #[command(subcommand)]
    Cloud(cloud::Command),
    /// Core devices
    Core(core::Arguments),
    /// Recipes: check them, and see what a device would run
    #[command(subcommand)]
    Recipe(recipe::Command),
    /// Look for what is wrong with a device or a cloud, and say what to do about it
    Doctor(doctor::Arguments),
    /// Print shell exports that make plain `aws …` commands work: eval "$(marram env --ready-file F)"
    Env(env::Arguments),
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if local::is_called(words.first()) {
        return local::main(words);
    }
    let arguments = match Arguments::try_parse_from(local::long_names(words)) {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    match arguments.command {
        Command::Quickstart(arguments) => exit::of(quickstart::run(&arguments)),
        Command::Cloud(command) => cloud::run(command),
        Command::Core(arguments) => core::run(arguments),
        Command::Recipe(command) => recipe::run(&command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Env(arguments) => exit::of(env::run(&arguments)),
    }
}
