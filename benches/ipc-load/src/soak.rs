//! Hours of ordinary life in minutes: clients publish and listen, and are killed at random.
//!
//! A kill is what a killed process looks like to the server: the socket is closed at any point,
//! also in the middle of a frame. What must not grow is measured once a second: the server's
//! memory, its descriptors, its threads.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinSet, LocalSet};

use crate::process;
use crate::report::{Report, Row};
use crate::service::Service;
use crate::throughput::receive;
use crate::wire::Prepared;

const CLIENTS: usize = 50;
/// Messages that one client sends in its life, at most.
const LIFE: u64 = 2000;
const WINDOW: u64 = 16;
const SAMPLE: Duration = Duration::from_secs(1);
/// Until memory that clients need is not counted as growth; of a short soak, half of it.
const WARM_UP: usize = 10;
/// Growth that is none: what clients of one moment need more than those of another.
const SLACK_KB: u64 = 4000;
/// Threads that blocking work of the moment needs.
const SLACK_THREADS: usize = 8;

/// What the server holds at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    rss_kb: u64,
    descriptors: usize,
    threads: usize,
}

impl Sample {
    fn take(server: u32) -> Result<Self> {
        Ok(Self {
            rss_kb: process::rss_kb(server)?,
            descriptors: process::descriptors(server)?,
            threads: process::threads(server)?,
        })
    }
}

pub(crate) fn run(
    ipc: &Service,
    server: u32,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    let before = Sample::take(server)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lived = runtime.block_on(LocalSet::new().run_until(live(ipc, server, duration)))?;
    drop(runtime);
    let after = settled(server, before.descriptors)?;
    let megabytes = |kilobytes: u64| kilobytes as f64 / 1000.0;
    let counted = |name, value: usize, unit| Row::new(name, value as f64, unit);
    report.push(Row::new("soak, duration", duration.as_secs_f64(), "s"));
    report.push(Row::new("soak, messages published and answered", lived.messages as f64, ""));
    report.push(Row::new("soak, clients killed", lived.killed as f64, ""));
    report.push(Row::new("soak, of those in the middle of a frame", lived.cut as f64, ""));
    let warm = WARM_UP.min(lived.samples.len() / 2);
    let (first, last) = lived.samples.get(warm).zip(lived.samples.last()).context("no samples")?;
    let warm_up = format!("soak, RSS after {warm} s");
    report.push(Row::new(warm_up, megabytes(first.rss_kb), "MB"));
    report.push(Row::new("soak, RSS at the end", megabytes(last.rss_kb), "MB").target("flat"));
    let most = lived.samples.iter().map(|sample| sample.threads).max().unwrap_or(0);
    report.push(counted("soak, threads at most", most, ""));
    report.push(counted("soak, descriptors before", before.descriptors, ""));
    report.push(counted("soak, descriptors after", after.descriptors, "").target("as before"));
    report.push(Row::new("soak, RSS before", megabytes(before.rss_kb), "MB"));
    report.push(Row::new("soak, RSS after", megabytes(after.rss_kb), "MB"));
    let most_kb = first.rss_kb + first.rss_kb / 4 + SLACK_KB;
    ensure!(
        last.rss_kb <= most_kb,
        "the server had {} kB after {warm} s and {} kB at the end",
        first.rss_kb,
        last.rss_kb
    );
    ensure!(
        after.threads <= before.threads + SLACK_THREADS,
        "the server had {} threads before and has {} after",
        before.threads,
        after.threads
    );
    ensure!(
        after.descriptors <= before.descriptors,
        "the server had {} descriptors before and has {} after",
        before.descriptors,
        after.descriptors
    );
    Ok(())
}

/// What happened.
#[derive(Debug, Default)]
struct Lived {
    messages: u64,
    killed: u64,
    cut: u64,
    samples: Vec<Sample>,
}

/// One client's life.
#[derive(Debug, Clone, Copy)]
struct Life {
    messages: u64,
    cut: bool,
}

async fn live(ipc: &Service, server: u32, duration: Duration) -> Result<Lived> {
    let mut chance = Chance(u64::from(std::process::id()) | 1);
    let mut lived = Lived::default();
    let mut clients = JoinSet::new();
    let end = Instant::now() + duration;
    let mut sample = tokio::time::interval(SAMPLE);
    while Instant::now() < end {
        while clients.len() < CLIENTS {
            let topic = format!("load/soak/{}", chance.below(10));
            let (socket, wire) = ipc.subscriber(&[&topic])?.into_async()?;
            let (messages, cut) = (chance.below(LIFE), chance.below(2) == 0);
            clients.spawn_local(one_life(socket, wire, topic, Life { messages, cut }));
        }
        tokio::select! {
            Some(life) = clients.join_next() => {
                let life = life??;
                lived.messages += life.messages;
                lived.killed += 1;
                lived.cut += u64::from(life.cut);
            }
            _ = sample.tick() => lived.samples.push(Sample::take(server)?),
        }
    }
    Ok(lived)
}

/// Publishes and listens, and is gone without a word.
async fn one_life(
    mut socket: Box<dyn crate::service::Duplex>,
    mut wire: crate::wire::Wire,
    topic: String,
    life: Life,
) -> Result<Life> {
    let message = Prepared::binary(&topic, 256)?;
    let mut out = BytesMut::new();
    let (mut published, mut answered) = (0, 0);
    while answered < life.messages {
        while published < life.messages && published - answered < WINDOW {
            wire.publish(&message, &mut out);
            published += 1;
        }
        socket.write_all(&out).await?;
        out.clear();
        answered += receive(&mut socket, &mut wire).await?.answers;
    }
    if life.cut {
        wire.publish(&message, &mut out);
        socket.write_all(&out[..out.len() / 2]).await?;
    }
    Ok(life)
}

/// The server when it has noticed that all clients are gone.
fn settled(server: u32, descriptors: usize) -> Result<Sample> {
    for _ in 0..100 {
        let sample = Sample::take(server)?;
        if sample.descriptors <= descriptors {
            return Ok(sample);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Sample::take(server)
}

/// Marsaglia's xorshift: good enough to choose who dies.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
