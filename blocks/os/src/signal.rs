//! Being asked to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody asks this process to end; returns the signal's name.
///
/// From the first call on, SIGTERM and SIGINT no longer end the process by themselves.
pub async fn termination() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
