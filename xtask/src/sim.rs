//! `cargo xtask sim`: the deterministic fault simulation of a device (`tests/sim`).

use anyhow::Result;

use crate::run;

/// What `cargo xtask test` plays, with the build that the tests have made already: one with
/// optimisation would take longer than it saves.
const SEEDS_OF_TEST: u64 = 1_000;

/// Plays seeds on all cores.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    seeds: u64,
    /// Play this one only, and print its whole history
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The first of the seeds
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
}

/// Builds it with optimisation and plays; true if every promise held in every history.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let mut command = program(&["--release"]);
    match arguments.seed {
        Some(seed) => command.arg(format!("--seed={seed}")),
        None => command
            .arg(format!("--seeds={}", arguments.seeds))
            .arg(format!("--from={}", arguments.from)),
    };
    run::succeeds(&mut command)
}

/// As part of all checks.
pub(crate) fn run_for_test() -> Result<bool> {
    run::succeeds(program(&[]).arg(format!("--seeds={SEEDS_OF_TEST}")))
}

fn program(options: &[&str]) -> std::process::Command {
    let mut command = run::cargo();
    command.args(["run", "--locked", "--quiet", "--package=marram-sim"]).args(options).arg("--");
    command
}
