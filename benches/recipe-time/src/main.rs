//! Prints the time in microseconds that a recipe of nearly the largest allowed size takes to
//! parse: the best of many, as on a device.
#![allow(clippy::print_stdout, reason = "a command for people")]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use marram_recipe::{Format, MAX_RECIPE_BYTES, Strictness, parse};

const RUNS: usize = 200;

fn main() -> Result<()> {
    let recipe = recipe();
    ensure!(recipe.len() > MAX_RECIPE_BYTES - 200, "only {} bytes", recipe.len());
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let began = Instant::now();
        let parsed = parse(recipe.as_bytes(), Format::Yaml, Strictness::Device)?;
        best = best.min(began.elapsed());
        drop(parsed);
    }
    println!("{:.1}", best.as_secs_f64() * 1e6);
    Ok(())
}

/// A recipe like those that people write, with as much configuration as fits.
fn recipe() -> String {
    let mut recipe = String::from(
        "RecipeFormatVersion: '2020-01-25'\nComponentName: com.example.Large\n\
         ComponentVersion: 1.0.0\nManifests:\n  - Platform:\n      os: linux\n    Lifecycle:\n      \
         run: |\n        echo {configuration:/key1/name}\n        exec sleep 1000\n\
         ComponentConfiguration:\n  DefaultConfiguration:\n",
    );
    for number in 0.. {
        let member = format!(
            "    key{number}:\n      name: \"sensor {number}\"\n      rates: [1, 2.5, {number}]\n"
        );
        if recipe.len() + member.len() > MAX_RECIPE_BYTES {
            break;
        }
        recipe += &member;
    }
    recipe
}
