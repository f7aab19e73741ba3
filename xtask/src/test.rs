//! `cargo xtask test`: set-up, then every check, then one line over all of it.

use std::process::Stdio;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::postgres::{self, Server};
use crate::{interop, layers, run, sim};

/// A part of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Format, clippy, layers
    Lint,
    /// The Rust tests
    Rust,
    /// The AWS CLI, boto3 and the Device SDK against the built programs
    Interop,
}

/// The crates whose tests run on PostgreSQL too: the store's own suite and all that uses it.
const STORE_USERS: &[&str] = &[
    "--package=marram-store",
    "--package=marram-registry",
    "--package=marram-fleet",
    "--package=marram-api",
    "--package=marram-gateway",
];

/// How many checks passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    fn of(ok: bool) -> Self {
        Self { passed: u64::from(ok), failed: u64::from(!ok), skipped: 0 }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs the parts asked for; true if nothing failed.
pub(crate) fn run(only: Option<Part>) -> Result<bool> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut tally = Tally::default();
    if wanted(Part::Lint) {
        tally.add(lint()?);
    }
    if wanted(Part::Rust) || wanted(Part::Interop) {
        let server = database_server(&mut tally);
        if wanted(Part::Rust) {
            tally.add(rust_tests(server.as_ref())?);
            heading("simulation");
            tally.add(Tally::of(sim::run_for_test()?));
        }
        if wanted(Part::Interop) {
            tally.add(interop::run(server.as_ref())?);
        }
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(tally.failed == 0)
}

fn lint() -> Result<Tally> {
    let mut tally = Tally::default();
    heading("format");
    tally.add(Tally::of(run::succeeds(run::cargo().args(["fmt", "--all", "--check"]))?));
    heading("clippy");
    let mut clippy = run::cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet"]);
    clippy.args(["--", "--deny", "warnings"]);
    tally.add(Tally::of(run::succeeds(&mut clippy)?));
    heading("layers");
    tally.add(Tally::of(layers::run()?));
    Ok(tally)
}

/// The PostgreSQL server of both parts; none is a check skipped, with the reason printed.
fn database_server(tally: &mut Tally) -> Option<Server> {
    heading("PostgreSQL");
    match Server::start() {
        Ok(server) => {
            println!("started for the tests, on a port of its own");
            Some(server)
        }
        Err(reason) => {
            println!("skipped: all tests on PostgreSQL: {reason:#}");
            tally.add(Tally { skipped: 1, ..Tally::default() });
            None
        }
    }
}

fn rust_tests(server: Option<&Server>) -> Result<Tally> {
    heading("Rust tests");
    let nextest = run::output(run::cargo().args(["nextest", "--version"]))
        .is_ok_and(|output| output.status.success());
    if !nextest {
        println!("cargo-nextest is not installed: running `cargo test` instead");
    }
    let mut tally = rust_tests_of(nextest, &["--workspace"], None)?;
    if let Some(server) = server {
        heading("Rust tests of what uses the store, on PostgreSQL");
        tally.add(rust_tests_of(nextest, STORE_USERS, Some(server))?);
    }
    Ok(tally)
}

/// One run over some packages; with a server, on that, and with the tests that need one.
fn rust_tests_of(nextest: bool, packages: &[&str], server: Option<&Server>) -> Result<Tally> {
    let mut command = run::cargo();
    if nextest {
        command.args(["nextest", "run", "--locked", "--no-fail-fast"]).args(packages);
        command.args(["--status-level", "fail", "--final-status-level", "slow"]);
    } else {
        command.args(["test", "--locked", "--no-fail-fast", "--quiet"]).args(packages);
    }
    if let Some(server) = server {
        command.env(postgres::VARIABLE, server.url());
        if nextest {
            command.args(["--run-ignored", "all"]);
        }
    }
    if !nextest {
        // nextest gives each test its own process; without it they take turns, because some take
        // the exits of other processes' children, which is a whole process's business.
        command.args(["--", "--test-threads=1"]);
        command.args(server.map(|_| "--include-ignored"));
    }
    let output = command
        .stderr(if nextest { Stdio::piped() } else { Stdio::inherit() })
        .stdout(Stdio::piped())
        .output()
        .context("starting the Rust tests")?;
    let text = String::from_utf8_lossy(if nextest { &output.stderr } else { &output.stdout });
    print!("{text}");
    let mut tally = if nextest { nextest_tally(&text) } else { cargo_test_tally(&text) };
    // A test program that does not build, or dies, is counted by no test of its own.
    if !output.status.success() && tally.failed == 0 {
        tally.add(Tally::FAILED);
    }
    Ok(tally)
}

/// Reads nextest's `Summary [ 1.2s] 10 tests run: 8 passed (1 slow), 2 failed, 3 skipped`.
fn nextest_tally(text: &str) -> Tally {
    let summary = text.lines().rev().find(|line| line.trim_start().starts_with("Summary ["));
    let mut tally = Tally::default();
    for part in
        summary.and_then(|line| line.split_once("run:")).map_or("", |(_, rest)| rest).split(',')
    {
        let mut words = part.split_whitespace();
        let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else { continue };
        match words.next() {
            Some("passed") => tally.passed += count,
            Some("skipped") => tally.skipped += count,
            Some("failed" | "timed") => tally.failed += count,
            _ => {}
        }
    }
    tally
}

/// Adds up libtest's `test result: ok. 3 passed; 0 failed; 1 ignored; …` lines.
fn cargo_test_tally(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        for part in line.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.next() {
                Some("passed") => tally.passed += count,
                Some("failed") => tally.failed += count,
                Some("ignored") => tally.skipped += count,
                _ => {}
            }
        }
    }
    tally
}

pub(crate) fn heading(title: &str) {
    println!("\n== {title}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_summary_is_counted() {
        let text = "noise\n     Summary [   1.5s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 4 skipped\n";
        assert_eq!(nextest_tally(text), Tally { passed: 9, failed: 3, skipped: 4 });
    }

    #[test]
    fn libtest_results_are_added_up() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured\n";
        assert_eq!(cargo_test_tally(text), Tally { passed: 4, failed: 2, skipped: 1 });
    }
}
