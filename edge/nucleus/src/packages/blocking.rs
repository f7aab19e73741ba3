//! Work on the disk beside the async runtime, which ends soon after nobody waits for it any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use crate::simulation;

/// Whether anybody still waits for the work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    /// Nobody waits any more.
    pub(super) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends the work when nobody waits for it: to be asked once a piece.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
        }
        Ok(())
    }
}

struct CancelOnDrop(Cancelled);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs `work` on a thread for blocking work. When the future is dropped, `work` is told.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Cancelled) -> T + Send + 'static,
) -> T {
    let cancelled = Cancelled::default();
    let _guard = CancelOnDrop(cancelled.clone());
    match spawn(move || work(&cancelled)).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down and drops this future too.
        Err(_) => std::future::pending().await,
    }
}

/// Begins `work` on a thread for blocking work; on a simulated device it is over at once.
pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    if simulation::is_on_this_thread() {
        let result = work();
        return tokio::spawn(std::future::ready(result));
    }
    tokio::task::spawn_blocking(work)
}
