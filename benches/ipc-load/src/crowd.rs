//! A thousand clients at the same time, each subscribed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;

use crate::process;
use crate::report::{Report, Row};
use crate::service::{Client, Service};
use crate::wire::Prepared;

const CLIENTS: usize = 1000;
const EVERYBODY: &str = "load/everybody";

pub(crate) fn measure(
    ipc: &Service,
    server: Option<u32>,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    let memory = || server.map(process::rss_kb).transpose();
    let before = memory()?;
    let began = Instant::now();
    let mut clients = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let own = format!("load/client/{number}");
        let client = ipc.subscriber(&[&own, EVERYBODY]);
        clients.push(client.with_context(|| format!("client {} of {CLIENTS}", number + 1))?);
    }
    let connecting = began.elapsed();
    let after = memory()?;
    let row = Row::new("clients connected and subscribed twice", clients.len() as f64, "clients");
    report.push(row.target("≥ 1000"));
    let rate = CLIENTS as f64 / connecting.as_secs_f64();
    report.push(Row::new("connections with two subscriptions each", rate, "/s"));
    if let (Some(before), Some(after)) = (before, after) {
        let each = after.saturating_sub(before) as f64 / CLIENTS as f64;
        report.push(Row::new("memory of one connected client, two subscriptions", each, "kB"));
    }
    let rate = everybody_hears(ipc, &mut clients, duration)?;
    report.push(Row::new("1→1000, 64 B binary", rate, "msg/s"));
    Ok(())
}

/// Publishes to all clients, one message after the other; deliveries per second.
fn everybody_hears(ipc: &Service, clients: &mut [Client], duration: Duration) -> Result<f64> {
    let message = Prepared::binary(EVERYBODY, 64)?;
    let mut publisher = ipc.connect()?;
    let began = Instant::now();
    let mut delivered = 0;
    while began.elapsed() < duration {
        let mut out = BytesMut::new();
        publisher.wire.publish(&message, &mut out);
        publisher.send(&out)?;
        while publisher.receive()?.answers == 0 {}
        for client in clients.iter_mut() {
            let messages = client.receive()?.messages;
            ensure!(messages == 1, "a client got {messages} messages instead of 1");
            delivered += messages;
        }
    }
    Ok(delivered as f64 / began.elapsed().as_secs_f64())
}
