//! `cargo xtask fuzz`: searches for inputs that break a target of `fuzz/`.
//!
//! The engine is libFuzzer, which needs the compiler's coverage counters. cargo-fuzz asks for a
//! nightly compiler because of the sanitizers; the counters alone are there on stable as a pass
//! of LLVM, and safe code has little use for the rest. The flags are given with `--target`, so
//! that they reach neither build scripts nor macros.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;
use crate::test::heading;

/// What libFuzzer reads of the program: which edges were taken how often, and what was compared.
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// One input may take so many seconds; a target takes microseconds to milliseconds.
const INPUT_DEADLINE_S: u32 = 10;
const MEMORY_MIB: u32 = 2048;
/// Bytes of one input; a recipe's limit is 16 KiB.
const MAX_INPUT: u32 = 16 * 1024;

/// Which targets, and how long for each.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this target (all, one after the other, if none is given)
    target: Option<String>,
    /// How long to search for each target
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
    /// Print the targets and end
    #[arg(long)]
    list: bool,
}

/// Fuzzes; true if nothing was found.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let mut targets = targets()?;
    if arguments.list {
        println!("{}", targets.join("\n"));
        return Ok(true);
    }
    if let Some(wanted) = &arguments.target {
        targets.retain(|target| target == wanted);
        if targets.is_empty() {
            bail!("no target is called `{wanted}`: see `cargo xtask fuzz --list`");
        }
    }
    let program = build()?;
    let mut all_passed = true;
    for target in &targets {
        heading(target);
        all_passed &= search(&program, target, arguments.seconds)?;
    }
    Ok(all_passed)
}

/// The kept inputs, a folder a target.
fn corpus() -> PathBuf {
    run::root().join("fuzz/corpus")
}

fn targets() -> Result<Vec<String>> {
    let folder = corpus();
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Where builds, new inputs and findings go: nothing of it is kept in the repository.
fn folder() -> PathBuf {
    run::root().join("target/fuzz")
}

fn build() -> Result<PathBuf> {
    let host = host()?;
    let mut build = run::cargo();
    build.args(["build", "--package", "marram-fuzz", "--features", "libfuzzer", "--locked"]);
    build
        .args(["--profile", "fuzz", "--target", &host, "--target-dir"])
        .arg(folder().join("build"));
    build.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    if !run::succeeds(&mut build)? {
        bail!("the fuzz targets could not be built: libFuzzer needs a C++ compiler");
    }
    Ok(folder().join("build").join(host).join("fuzz/marram-fuzz"))
}

/// The compiler's own target.
fn host() -> Result<String> {
    let output = run::output(Command::new("rustc").args(["--version", "--verbose"]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(ToOwned::to_owned).context("`rustc -vV` names no host")
}

fn search(program: &Path, target: &str, seconds: u32) -> Result<bool> {
    let (inputs, found) = (made("inputs", target)?, made("found", target)?);
    let seeds = corpus().join(target);
    let mut fuzzer = Command::new(program);
    fuzzer
        .env("MARRAM_FUZZ_TARGET", target)
        .arg(&inputs)
        .arg(seeds)
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_DEADLINE_S}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-max_len={MAX_INPUT}"))
        .arg("-print_final_stats=1")
        .stderr(Stdio::piped());
    // Files of targets that need some are made and removed millions of times.
    if Path::new("/dev/shm").is_dir() {
        fuzzer.env("TMPDIR", "/dev/shm");
    }
    let output = fuzzer.output().with_context(|| format!("starting {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{said}");
        println!(
            "{}: found something, kept in {}. Mend it, and add the input to fuzz/corpus/{0}.",
            target,
            found.display()
        );
        return Ok(false);
    }
    println!("{} inputs in {seconds} s, {} new ones kept", stat(&said, EXECUTED), stat(&said, NEW));
    Ok(true)
}

fn made(kind: &str, target: &str) -> Result<PathBuf> {
    let folder = folder().join(kind).join(target);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

const EXECUTED: &str = "stat::number_of_executed_units:";
const NEW: &str = "stat::new_units_added:";

/// One of the figures that libFuzzer ends with.
fn stat<'t>(said: &'t str, name: &str) -> &'t str {
    said.lines().find_map(|line| line.strip_prefix(name)).map_or("?", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_the_engine_says() {
        let said = "Done 5 runs\nstat::number_of_executed_units: 131072\n\
                    stat::new_units_added:          27\n";
        assert_eq!((stat(said, EXECUTED), stat(said, NEW)), ("131072", "27"));
        assert_eq!(stat("", NEW), "?");
    }
}
