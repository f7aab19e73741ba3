//! `marram-ipc-load`: what a nucleus's IPC can take, beside an MQTT broker under the same load.
//!
//! It is a component: `cargo xtask bench ipc` deploys it, so that its token and its permissions
//! are those that any component gets, through the environment that any component has. It speaks
//! the wire and knows nothing of the server, and so measures any server of that wire.
//!
//! Throughput is measured by one thread with a fixed number of messages in flight; latency by
//! blocking sockets, at fixed times that do not wait for answers, so that a stall of the server
//! counts for every message that it delays (no coordinated omission).
#![allow(clippy::print_stdout, reason = "a command for people")]

mod crowd;
mod latency;
mod process;
mod report;
mod requests;
mod service;
mod soak;
mod throughput;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use report::Report;
use service::Service;

/// Measures a nucleus's IPC from a component's place.
#[derive(Debug, Parser)]
#[command(
    name = "marram-ipc-load",
    after_help = "The socket and the token come from the environment that a nucleus gives its \
                  components, so make this a component's run step; its accessControl must allow \
                  PublishToTopic and SubscribeToTopic on `load/*`."
)]
struct Arguments {
    /// What to measure
    #[arg(long, value_enum, default_value = "all")]
    plan: Plan,
    /// Measure for a third of the time
    #[arg(long)]
    quick: bool,
    /// The peer: an MQTT broker that lets anybody in
    #[arg(long, value_name = "ADDRESS")]
    mqtt: Option<SocketAddr>,
    /// Process id of the server, for its memory and its descriptors
    #[arg(long, value_name = "PID")]
    server: Option<u32>,
    /// How long the soak takes
    #[arg(long, value_name = "N", default_value_t = 600)]
    soak_seconds: u64,
    /// Write the report, as JSON, to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Plan {
    /// Everything but the soak
    All,
    /// Messages per second
    Throughput,
    /// How long messages take
    Latency,
    /// GetConfiguration and UpdateConfiguration per second
    Requests,
    /// A thousand clients
    Crowd,
    /// Clients that come and are killed, for a long time
    Soak,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::default();
    let code = match run(&arguments, &mut report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.fail(&error);
            ExitCode::FAILURE
        }
    };
    match report.write(arguments.out.as_deref()) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("marram-ipc-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let ipc = Service::ipc_of_this_component()?;
    let mqtt = arguments.mqtt.map(Service::mqtt);
    let mqtt = mqtt.as_ref();
    let seconds = Duration::from_secs(if arguments.quick { 1 } else { 3 });
    let wants = |plan| arguments.plan == plan || arguments.plan == Plan::All;
    if wants(Plan::Latency) {
        latency::measure(&ipc, mqtt, seconds, report).context("latency")?;
    }
    if wants(Plan::Throughput) {
        throughput::measure(&ipc, mqtt, seconds, report).context("throughput")?;
    }
    if wants(Plan::Requests) {
        requests::measure(&ipc, seconds, report).context("requests")?;
    }
    if wants(Plan::Crowd) {
        crowd::measure(&ipc, arguments.server, seconds, report).context("a thousand clients")?;
    }
    if arguments.plan == Plan::Soak {
        let server = arguments.server.context("a soak needs --server")?;
        let duration = Duration::from_secs(arguments.soak_seconds);
        soak::run(&ipc, server, duration, report).context("soak")?;
    }
    Ok(())
}
