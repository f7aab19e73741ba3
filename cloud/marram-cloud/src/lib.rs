//! The fleet service: arguments and composition only.
//!
//! A library, so that `marram cloud run` is the same program as `marram-cloud`, and so that
//! `marram quickstart` and tests run a whole cloud in their own process ([`Cloud::start`]).
//!
//! Everything lies in one data directory, which one process uses at a time: `cloud.db` (what is
//! known, unless a PostgreSQL database has it), `blobs/` (artifacts and S3 objects), `ca/` (the authority of devices and of our own
//! ports) and `secrets.key`. A cloud that was killed at any instant carries on from it.

mod arguments;
mod backup;
mod cloud;
mod ephemeral;
mod failure;
mod membership;
mod presence;
mod ready;
mod schedule;
mod store;
mod topics;

use std::process::ExitCode;

pub use arguments::{Arguments, ClockKind};
pub use backup::archive::ReadArchive;
pub use backup::restore::{RestoreCloud, Restored, restore};
pub use cloud::{Cloud, Port, Settings, StartCloud};
pub use ready::Ready;
pub use store::{ChooseStore, StoreUrl, choose as choose_store};

use failure::Failure;
use marram_telemetry::Target;

/// Enough for the connections of both device ports and for what the store and blobs need besides;
/// service managers start programs with 1,024.
const DESCRIPTORS: u64 = 250_000;

/// Runs the cloud until SIGTERM or SIGINT.
pub fn run(arguments: Arguments) -> ExitCode {
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(arguments)),
        Err(error) => Err(Failure::Runtime(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let stop = tokio::spawn(marram_os::signal::termination());
    marram_telemetry::init(&arguments.log_level, Target::Stderr)?;
    marram_os::process::allow_descriptors(DESCRIPTORS).map_err(Failure::Runtime)?;
    // Held to the end: the folder goes after all that is in it was closed.
    let (settings, _ephemeral) = arguments.settings()?;
    let cloud = Cloud::start(settings).await?;
    if let Some(path) = &arguments.ready_file {
        cloud.ready().write(path).map_err(Failure::ReadyFile)?;
    }
    let signal = stop.await;
    tracing::info!(?signal, "stopping");
    cloud.stop().await;
    Ok(())
}
