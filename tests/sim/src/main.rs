//! Plays seeds on all cores and prints the first histories in which a promise is broken.
#![allow(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use marram_sim::{History, Sabotage, play};

/// Failing seeds that are printed in full.
const SHOWN: usize = 3;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to play
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    seeds: u64,
    /// The first seed, or the only one, whose whole history is printed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where to begin
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let history = play(seed, Sabotage::None)?;
        println!("{history}");
        return Ok(exit(history.broken.is_none()));
    }
    let began = Instant::now();
    let (broken, cuts) = play_all(arguments.from, arguments.seeds)?;
    let seconds = began.elapsed().as_secs_f64();
    for history in broken.iter().take(SHOWN) {
        println!("{history}");
    }
    let failing: Vec<u64> = broken.iter().map(|history| history.seed).collect();
    let rate = arguments.seeds as f64 / seconds;
    println!("{} seeds in {seconds:.1} s, {rate:.0}/s, {cuts} power cuts", arguments.seeds);
    if !failing.is_empty() {
        println!("{} failed: {failing:?}; replay one with --seed", failing.len());
    }
    Ok(exit(failing.is_empty()))
}

fn exit(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play_all(from: u64, seeds: u64) -> Result<(Vec<History>, u64)> {
    let next = AtomicU64::new(from);
    let cuts = AtomicU64::new(0);
    let broken = Mutex::new(Vec::new());
    let worker = || -> Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                return Ok(());
            }
            let history = play(seed, Sabotage::None)?;
            cuts.fetch_add(u64::from(history.cuts), Ordering::Relaxed);
            if history.broken.is_some() {
                broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(history);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => anyhow::bail!("a thread has panicked"),
        })
    })?;
    let mut broken = broken.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    broken.sort_by_key(|history: &History| history.seed);
    Ok((broken, cuts.into_inner()))
}
