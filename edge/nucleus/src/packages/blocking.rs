//! Work on the disk beside the async runtime, which ends soon after nobody waits for it any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether anybody still waits for the work.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
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
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread for blocking work. When the future is dropped, `work` is told.
pub(super) async fn run<T, E>(
    work: impl FnOnce(&Cancelled) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    let cancelled = Cancelled::default();
    let _guard = CancelOnDrop(cancelled.clone());
    match tokio::task::spawn_blocking(move || work(&cancelled)).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error).into()),
    }
}
