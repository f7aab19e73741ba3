//! `cargo xtask size`: what the programs weigh and how fast they start, measured now.
//!
//! Figures for `SPECIFICATION.md`. Times on a shared machine are noise, so each is the best of
//! several runs, and nothing here fails on one.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::interop::target_dir;
use crate::programs::{self, Cloud, Core, Scratch};
use crate::run;
use crate::test::heading;

/// How often a start is repeated; the best counts.
const RUNS: usize = 5;

/// One measured figure beside its target.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    target: &'static str,
}

/// Builds, measures, prints; true, for a figure is no failure.
pub(crate) fn run(json: Option<&Path>) -> Result<bool> {
    build()?;
    heading("sizes, memory and start times");
    let mut figures = sizes()?;
    figures.extend(running()?);
    for figure in &figures {
        println!(
            "{:<44} {:>9.2} {:<4} target {}",
            figure.name, figure.value, figure.unit, figure.target
        );
    }
    if let Some(path) = json {
        fs::write(path, serde_json::to_string_pretty(&figures)? + "\n")
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(true)
}

fn build() -> Result<()> {
    let builds: [&[&str]; 2] = [
        &["build", "--locked", "--profile", "edge", "--package", "marramd"],
        &["build", "--locked", "--release", "--package", "marram", "--package", "marram-cloud"],
    ];
    for arguments in builds {
        if !run::succeeds(run::cargo().args(arguments))? {
            bail!("the build failed");
        }
    }
    Ok(())
}

fn sizes() -> Result<Vec<Figure>> {
    let megabytes = |path: &str| -> Result<f64> {
        let path = target_dir().join(path);
        let bytes = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        Ok(f64::from(u32::try_from(bytes)?) / 1e6)
    };
    Ok(vec![
        Figure {
            name: "marramd, stripped",
            value: megabytes("edge/marramd")?,
            unit: "MB",
            target: "≤ 8 MB",
        },
        Figure {
            name: "marram-cloud, stripped",
            value: megabytes("release/marram-cloud")?,
            unit: "MB",
            target: "none set",
        },
    ])
}

fn running() -> Result<Vec<Figure>> {
    let scratch = Scratch::make("size")?;
    let cloud_start = best(RUNS, || {
        let started = Instant::now();
        let cloud = Cloud::start(&scratch.fresh("cloud")?)?;
        let elapsed = started.elapsed();
        cloud.stop()?;
        Ok(elapsed)
    })?;
    let cloud = Cloud::start(&scratch.fresh("cloud")?)?;
    let cloud_rss = settled(|| programs::rss_mb(cloud.id()))?;

    let root = scratch.fresh("core")?;
    programs::provision(&cloud, &root)?;
    let core_start = best(RUNS, || {
        let started = Instant::now();
        let core = Core::start(&root)?;
        let elapsed = started.elapsed();
        core.stop()?;
        Ok(elapsed)
    })?;
    let core = Core::start(&root)?;
    programs::until_healthy(&cloud)?;
    let core_pss = settled(|| programs::pss_mb(core.id()))?;
    core.stop()?;
    cloud.stop()?;
    let quickstart = best(3, programs::quickstart)?;

    let seconds = |name, value: Duration, target| Figure {
        name,
        value: value.as_secs_f64() * 1000.0,
        unit: "ms",
        target,
    };
    Ok(vec![
        Figure {
            name: "marramd, PSS, connected and idle",
            value: core_pss,
            unit: "MB",
            target: "≤ 6 MB",
        },
        seconds("marramd, start to IPC accepting", core_start, "≤ 20 ms"),
        Figure {
            name: "marram-cloud, RSS, idle, one device",
            value: cloud_rss,
            unit: "MB",
            target: "≤ 40 MB",
        },
        seconds("marram-cloud, cold start to ready", cloud_start, "≤ 200 ms"),
        seconds("quickstart --once, whole", quickstart, "≤ 5000 ms"),
    ])
}

pub(crate) fn best(runs: usize, mut measure: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        best = best.min(measure()?);
    }
    Ok(best)
}

/// Repeats a reading until it stays the same for a second; gives up, with the last, after ten.
pub(crate) fn settled(read: impl Fn() -> Result<f64>) -> Result<f64> {
    const SAMPLE: Duration = Duration::from_millis(100);
    let mut last = read()?;
    let mut same = 0;
    for _ in 0..100 {
        std::thread::sleep(SAMPLE);
        let now = read()?;
        same = if (now - last).abs() < 0.05 { same + 1 } else { 0 };
        last = now;
        if same == 10 {
            break;
        }
    }
    Ok(last)
}
