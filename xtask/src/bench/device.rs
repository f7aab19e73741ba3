//! `cargo xtask bench device`: how fast components start, restart and change on one device.
//!
//! Times are of shell components; what a shell itself needs is measured in the same run.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use marram_ipc::Operation;
use serde_json::{Value, json};

use super::Row;
use super::nucleus::Device;
use crate::interop::target_dir;
use crate::programs::{self, Scratch};
use crate::run;
use crate::size::{best, settled};

/// Components of the chain.
const COMPONENTS: usize = 100;
const VERSION: &str = "1.0.0";
/// What each component of the chain does before it is RUNNING.
const STARTUP: &str = "sleep 0.02";
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn measure(quick: bool) -> Result<Vec<Row>> {
    let repeats = if quick { 3 } else { 10 };
    let scratch = Scratch::make("bench")?;
    let mut rows = vec![recipe_time()?];
    rows.extend(chain(&scratch, repeats)?);
    rows.extend(one_component(&scratch, repeats)?);
    rows.push(start(&scratch, repeats)?);
    Ok(rows)
}

fn milliseconds(name: &str, value: Duration) -> Row {
    Row::new(name, value.as_secs_f64() * 1000.0, "ms")
}

fn recipe_time() -> Result<Row> {
    let program = target_dir().join("release/marram-recipe-time");
    let output = run::output(&mut Command::new(program))?;
    let microseconds = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(Row::new("parse of a recipe of 16 KB, YAML", microseconds, "µs"))
}

/// A hundred components, each of which needs the one before.
fn chain(scratch: &Scratch, repeats: usize) -> Result<Vec<Row>> {
    let mut device = Device::start(scratch)?;
    let before = settled(|| programs::pss_mb(device.core.id()))?;
    for number in 0..COMPONENTS {
        device.recipe(&link(number), VERSION, link_recipe(number))?;
    }
    let last = link(COMPONENTS - 1);
    let id = device.deploy(&last, VERSION)?;
    device.until_deployed(&id).with_context(|| device.log())?;
    let after = settled(|| programs::pss_mb(device.core.id()))?;
    let own = own_times()?;
    let mut starts = Vec::new();
    for _ in 0..repeats.min(3) {
        let (restarted, began) = device.restart()?;
        device = restarted;
        device.until_running(&last, VERSION).with_context(|| device.log())?;
        starts.push(began.elapsed());
    }
    device.core.stop()?;
    let start = starts.into_iter().min().context("no start was measured")?;
    let each = (after - before) * 1000.0 / COMPONENTS as f64;
    Ok(vec![
        Row::new("empty runtime without a cloud, idle, PSS", before, "MB"),
        milliseconds("100 components in a chain, start of the runtime to last RUNNING", start)
            .peer("their scripts one after the other", own.as_secs_f64() * 1000.0),
        Row::new("memory of the runtime for one running component, PSS", each, "kB"),
    ])
}

fn link(number: usize) -> String {
    format!("com.example.Link{number}")
}

fn link_recipe(number: usize) -> Value {
    let lifecycle = json!({"startup": STARTUP});
    let mut recipe = json!({"Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": lifecycle}]});
    if number > 0 {
        recipe["ComponentDependencies"] =
            json!({link(number - 1): {"VersionRequirement": VERSION, "DependencyType": "HARD"}});
    }
    recipe
}

/// How long the chain's scripts take when a shell runs one after the other.
fn own_times() -> Result<Duration> {
    best(3, || {
        let began = Instant::now();
        for _ in 0..COMPONENTS {
            run::succeeds(Command::new("sh").args(["-c", STARTUP]))?;
        }
        Ok(began.elapsed())
    })
}

/// A component that changes, and one that depends on it.
fn one_component(scratch: &Scratch, repeats: usize) -> Result<Vec<Row>> {
    const BASE: &str = "com.example.Base";
    const USER: &str = "com.example.User";
    let marks = scratch.fresh("marks")?.join("user");
    let mut device = Device::start(scratch)?;
    let user_run = format!("echo >> {}; exec sleep 1000", marks.display());
    device.recipe(USER, VERSION, json!({
        "ComponentDependencies": {BASE: {"VersionRequirement": ">=0.0.0", "DependencyType": "HARD"}},
        "Manifests": [{"Lifecycle": {"run": user_run}}],
    }))?;
    let base = |note: usize| {
        json!({"Manifests": [{"Lifecycle": {
        "run": format!("echo {note}; exec sleep 1000")}}]})
    };
    device.recipe(BASE, VERSION, base(0))?;
    let id = device.deploy(USER, VERSION)?;
    device.until_deployed(&id).with_context(|| device.log())?;

    let restart = best(repeats, || {
        let seen = starts(&marks);
        let began = Instant::now();
        let request = json!({"componentName": BASE});
        device.client.call(Operation::RestartComponent, &request)?;
        until("the dependent component has started again", || starts(&marks) > seen)?;
        Ok(began.elapsed())
    })?;
    let mut number = 0;
    let change = best(repeats, || {
        number += 1;
        let version = format!("1.0.{number}");
        device.recipe(BASE, &version, base(number))?;
        let began = Instant::now();
        let id = device.deploy(BASE, &version)?;
        device.until_running(BASE, &version)?;
        let elapsed = began.elapsed();
        device.until_deployed(&id)?;
        Ok(elapsed)
    })?;
    device.core.stop()?;
    Ok(vec![
        milliseconds("restart of a component to start of its dependent", restart),
        milliseconds("local deployment, request to changed component RUNNING", change)
            .target("< 300 ms"),
    ])
}

/// How often a component has marked a start.
fn starts(marks: &Path) -> usize {
    fs::read(marks).map_or(0, |bytes| bytes.len())
}

fn until(what: &str, mut check: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !check() {
        if Instant::now() > deadline {
            bail!("not after {} s: {what}", DEADLINE.as_secs());
        }
        thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}

/// An empty device without a cloud.
fn start(scratch: &Scratch, repeats: usize) -> Result<Row> {
    let mut device = Device::start(scratch)?;
    let mut best = Duration::MAX;
    for _ in 0..repeats {
        let (restarted, began) = device.restart()?;
        device = restarted;
        best = best.min(began.elapsed());
    }
    device.core.stop()?;
    Ok(milliseconds("start of an empty runtime to an IPC client's CONNECT_ACK", best))
}
