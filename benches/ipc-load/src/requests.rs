//! Requests per second of the configuration.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::BytesMut;
use marram_ipc::Operation;
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinSet, LocalSet};

use crate::report::{Report, Row};
use crate::service::{Duplex, Service};
use crate::throughput::receive;
use crate::wire::Wire;

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    name: &'static str,
    operation: Operation,
    clients: u64,
    /// Requests of each client that are not answered yet.
    window: u64,
    target: Option<&'static str>,
}

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "GetConfiguration, 1 client, 64 in flight",
        operation: Operation::GetConfiguration,
        clients: 1,
        window: 64,
        target: Some("≥ 100000"),
    },
    Scenario {
        name: "GetConfiguration, 64 clients, 1 in flight each",
        operation: Operation::GetConfiguration,
        clients: 64,
        window: 1,
        target: None,
    },
    Scenario {
        name: "durable UpdateConfiguration, 1 client, 64 in flight",
        operation: Operation::UpdateConfiguration,
        clients: 1,
        window: 64,
        target: None,
    },
    Scenario {
        name: "durable UpdateConfiguration, 64 clients, 16 in flight each",
        operation: Operation::UpdateConfiguration,
        clients: 64,
        window: 16,
        target: Some("≥ 20000"),
    },
];

pub(crate) fn measure(ipc: &Service, duration: Duration, report: &mut Report) -> Result<()> {
    for scenario in SCENARIOS {
        let rate = answered_per_second(ipc, scenario, duration).context(scenario.name)?;
        let row = Row::new(scenario.name, rate, "/s");
        report.push(Row { target: scenario.target, ..row });
    }
    Ok(())
}

fn answered_per_second(ipc: &Service, scenario: Scenario, duration: Duration) -> Result<f64> {
    let clients: Vec<_> = (0..scenario.clients).map(|_| ipc.connect()).collect::<Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    let end = began + duration;
    runtime.block_on(LocalSet::new().run_until(async {
        let mut asking = JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            let (socket, wire) = client.into_async()?;
            asking.spawn_local(ask(socket, wire, scenario, number, end));
        }
        let mut answered = 0;
        while let Some(client) = asking.join_next().await {
            answered += client??;
        }
        Ok(answered as f64 / began.elapsed().as_secs_f64())
    }))
}

/// Keeps requests in flight until `end`; how many were answered.
async fn ask(
    mut socket: Box<dyn Duplex>,
    mut wire: Wire,
    scenario: Scenario,
    client: usize,
    end: Instant,
) -> Result<u64> {
    let mut out = BytesMut::new();
    let (mut asked, mut answered) = (0, 0);
    loop {
        let is_over = Instant::now() >= end;
        while !is_over && asked - answered < scenario.window {
            asked += 1;
            wire.request(scenario.operation, &payload(scenario.operation, client, asked), &mut out);
        }
        if asked == answered {
            return Ok(answered);
        }
        socket.write_all(&out).await?;
        out.clear();
        answered += receive(&mut socket, &mut wire).await?.answers;
    }
}

fn payload(operation: Operation, client: usize, number: u64) -> Vec<u8> {
    match operation {
        // A zero timestamp means now. Every value is another one, so that there is one to keep.
        Operation::UpdateConfiguration => format!(
            r#"{{"keyPath":["c{client}"],"timestamp":0.0,"valueToMerge":{{"written":{number}}}}}"#
        )
        .into_bytes(),
        _ => br#"{"keyPath":["read"]}"#.to_vec(),
    }
}
