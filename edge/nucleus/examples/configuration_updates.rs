//! How many durable configuration updates a second the store takes: some tasks on one thread, each
//! with one update on its way at a time. Usage: `FOLDER [TASKS] [SECONDS]`; the folder should be
//! on the disk that is to be measured.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use marram_nucleus::config::{ComponentUpdate, ConfigStore};
use marram_nucleus::paths::NucleusPaths;
use marram_os::clock::{SharedClock, SystemClock};
use serde_json::{Map, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

const NAME: &str = "com.example.Bench";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("name a folder")?);
    let tasks: usize = arguments.next().map_or(Ok(64), |tasks| tasks.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(5.0), |seconds| seconds.parse())?;
    let clock: SharedClock = SystemClock::shared();
    let store = ConfigStore::open(&NucleusPaths::new(&folder), None, clock.clone())?;
    store.merge(&["services", NAME, "configuration"], &json!({}), clock.now_ms())?;
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let mut running = JoinSet::new();
    for task in 0..tasks {
        running.spawn(update_until(store.clone(), clock.clone(), format!("key{task}"), end));
    }
    let mut updates = 0;
    while let Some(done) = running.join_next().await {
        updates += done??;
    }
    let elapsed = began.elapsed().as_secs_f64();
    println!("{updates} updates in {elapsed:.2} s: {:.0}/s", f64::from(updates) / elapsed);
    Ok(())
}

/// How many updates of its own key a task makes, one after the other.
async fn update_until(
    store: ConfigStore,
    clock: SharedClock,
    key: String,
    end: Instant,
) -> Result<u32> {
    let mut count = 0;
    while Instant::now() < end {
        count += 1;
        let value = Map::from_iter([(key.clone(), json!(count))]);
        let now = clock.now_ms();
        let update =
            ComponentUpdate { component: NAME, key_path: &[], value: &value, timestamp: now, now };
        store.begin_update_from_component(&update).await?.ended().await?;
    }
    Ok(count)
}
