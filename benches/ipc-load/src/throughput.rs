//! Messages per second, with a fixed number of messages in flight.
//!
//! In flight at the IPC is what was published and not yet answered, for each publisher; at MQTT,
//! whose QoS 0 has no answers, what was published and not yet delivered. The peer may also have
//! sixteen times as many in flight, and its better figure counts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::report::{Report, Row};
use crate::service::{Client, DEADLINE, Duplex, Service};
use crate::wire::{Prepared, Wire};

const TOPIC: &str = "load/throughput";
/// Messages of each publisher in flight.
const WINDOW: u64 = 64;
/// Not counted, at the beginning.
const WARM_UP: Duration = Duration::from_millis(300);
const READ_BYTES: usize = 64 * 1024;

/// Who talks to whom, and with what.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    publishers: u64,
    subscribers: u64,
    bytes: usize,
    is_json: bool,
    target: Option<&'static str>,
}

fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for bytes in [64, 1024, 65536] {
        for (publishers, subscribers) in [(1, 1), (1, 10), (10, 1), (100, 100)] {
            let target = (bytes == 1024 && (publishers, subscribers) == (1, 1))
                .then_some("≥ 100000 and ≥ mosquitto");
            scenarios.push(Scenario { publishers, subscribers, bytes, is_json: false, target });
        }
    }
    let (publishers, subscribers) = (1, 1);
    scenarios.push(Scenario { publishers, subscribers, bytes: 1024, is_json: true, target: None });
    scenarios
}

pub(crate) fn measure(
    ipc: &Service,
    mqtt: Option<&Service>,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    for scenario in scenarios() {
        let ours = delivered_per_second(ipc, scenario, WINDOW, duration)?;
        let peer = mqtt.map(|mqtt| best_of_peer(mqtt, scenario, duration)).transpose()?;
        let Scenario { publishers, subscribers, bytes, is_json, target } = scenario;
        let kind = if is_json { "JSON" } else { "binary" };
        let name = format!("{publishers}→{subscribers}, {bytes} B {kind}");
        let row = Row::new(name, ours, "msg/s").peer("mosquitto", peer);
        report.push(Row { target, ..row });
    }
    Ok(())
}

fn best_of_peer(mqtt: &Service, scenario: Scenario, duration: Duration) -> Result<f64> {
    let same = delivered_per_second(mqtt, scenario, WINDOW, duration)?;
    let more = delivered_per_second(mqtt, scenario, 16 * WINDOW, duration)?;
    Ok(same.max(more))
}

/// What all tasks of one run share.
#[derive(Debug)]
struct Run {
    /// Of all publishers together.
    window: u64,
    publishers: u64,
    fan_out: u64,
    published: Cell<u64>,
    delivered: Cell<u64>,
    progress: Notify,
    is_over: Cell<bool>,
}

impl Run {
    /// Messages that were published and have not reached everybody.
    fn undelivered(&self) -> u64 {
        self.published.get().saturating_sub(self.delivered.get() / self.fan_out)
    }
}

fn delivered_per_second(
    service: &Service,
    scenario: Scenario,
    window: u64,
    duration: Duration,
) -> Result<f64> {
    let message = match scenario.is_json {
        true => Prepared::json(TOPIC, scenario.bytes)?,
        false => Prepared::binary(TOPIC, scenario.bytes)?,
    };
    let message = Rc::new(message);
    let subscribers: Vec<Client> =
        (0..scenario.subscribers).map(|_| service.subscriber(&[TOPIC])).collect::<Result<_>>()?;
    let publishers: Vec<Client> =
        (0..scenario.publishers).map(|_| service.connect()).collect::<Result<_>>()?;
    let run = Rc::new(Run {
        window: window * scenario.publishers,
        publishers: scenario.publishers,
        fan_out: scenario.subscribers,
        published: Cell::new(0),
        delivered: Cell::new(0),
        progress: Notify::new(),
        is_over: Cell::new(false),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let mut running = tokio::task::JoinSet::new();
        for client in subscribers {
            let (socket, wire) = client.into_async()?;
            running.spawn_local(subscriber(run.clone(), socket, wire));
        }
        for client in publishers {
            let (socket, wire) = client.into_async()?;
            let is_answered = service.is_ipc();
            running.spawn_local(publisher(run.clone(), message.clone(), socket, wire, is_answered));
        }
        let clocked = count(&run, duration);
        let rate = tokio::select! {
            rate = clocked => rate,
            Some(ended) = running.join_next() => {
                ended??;
                bail!("a client ended before its time");
            }
        };
        run.is_over.set(true);
        Ok(rate)
    }))
}

/// Deliveries per second, in the best third of the time: the machine has other things to do.
async fn count(run: &Run, duration: Duration) -> f64 {
    tokio::time::sleep(WARM_UP).await;
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let (began, before) = (Instant::now(), run.delivered.get());
        tokio::time::sleep(duration / 3).await;
        let delivered = (run.delivered.get() - before) as f64;
        best = best.max(delivered / began.elapsed().as_secs_f64());
    }
    best
}

async fn subscriber(run: Rc<Run>, mut socket: Box<dyn Duplex>, mut wire: Wire) -> Result<()> {
    loop {
        let received = receive(&mut socket, &mut wire).await?;
        run.delivered.set(run.delivered.get() + received.messages);
        run.progress.notify_waiters();
    }
}

async fn publisher(
    run: Rc<Run>,
    message: Rc<Prepared>,
    mut socket: Box<dyn Duplex>,
    mut wire: Wire,
    is_answered: bool,
) -> Result<()> {
    let mut out = BytesMut::new();
    let mut unanswered = 0;
    while !run.is_over.get() {
        let room = match is_answered {
            true => run.window / run.publishers - unanswered,
            false => WINDOW.min(run.window.saturating_sub(run.undelivered())),
        };
        for _ in 0..room {
            wire.publish(&message, &mut out);
        }
        run.published.set(run.published.get() + room);
        unanswered += room;
        if !out.is_empty() {
            socket.write_all(&out).await?;
            out.clear();
        }
        if is_answered {
            unanswered -= receive(&mut socket, &mut wire).await?.answers;
        } else if run.undelivered() >= run.window {
            let progress = run.progress.notified();
            timeout(DEADLINE, progress).await.context("the broker lost messages")?;
        } else {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

pub(crate) async fn receive(
    socket: &mut Box<dyn Duplex>,
    wire: &mut Wire,
) -> Result<crate::wire::Received> {
    let input = wire.input();
    input.reserve(READ_BYTES);
    match timeout(DEADLINE, socket.read_buf(input)).await.context("nothing came")?? {
        0 => bail!("the server closed the connection"),
        _ => wire.receive(),
    }
}
