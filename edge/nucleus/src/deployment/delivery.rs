//! Tells the cloud how deployments stand, in order, until it has heard.
//!
//! What is to be told is kept in the configuration ([`DeploymentState`]), so neither a lost
//! connection nor a restart loses it. One task tells; it goes on at each connection, at each new
//! status, and, when the cloud is there but does not answer, after a pause.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::state::DeploymentState;
use crate::cloud::{CloudLink, Delivery, DeploymentStatusUpdate, Undelivered};
use crate::packages::source::BoxFuture;

/// How soon a status is told again to a cloud that is connected but did not take it.
const PAUSE: Duration = Duration::from_secs(10);

/// Who tells the cloud: [`CloudLink`] does.
pub trait StatusSink: Send + Sync {
    /// Tells it, and waits for the answer. Must end by itself when nothing comes.
    fn report<'a>(
        &'a self,
        update: &'a DeploymentStatusUpdate,
    ) -> BoxFuture<'a, Result<Delivery, Undelivered>>;

    /// Whether the cloud is there.
    fn connection(&self) -> watch::Receiver<bool>;
}

impl StatusSink for CloudLink {
    fn report<'a>(
        &'a self,
        update: &'a DeploymentStatusUpdate,
    ) -> BoxFuture<'a, Result<Delivery, Undelivered>> {
        Box::pin(Self::report(self, update))
    }

    fn connection(&self) -> watch::Receiver<bool> {
        Self::connection(self)
    }
}

/// Runs until it is dropped. `added` is notified when there is something new to tell.
pub(crate) async fn run(state: DeploymentState, link: Arc<dyn StatusSink>, added: Arc<Notify>) {
    let mut connection = link.connection();
    loop {
        if !tell_all(&state, &*link).await {
            let is_there = *connection.borrow_and_update();
            tokio::select! {
                biased;
                _ = connection.changed() => {}
                () = tokio::time::sleep(PAUSE), if is_there => {}
            }
            continue;
        }
        added.notified().await;
    }
}

/// Tells everything, oldest first; false if the cloud did not take one of them.
async fn tell_all(state: &DeploymentState, link: &dyn StatusSink) -> bool {
    for update in state.outcomes() {
        let deployment = update.source.key();
        match link.report(&update).await {
            Ok(Delivery::DroppedByCloud { reason }) => {
                tracing::warn!(deployment, reason, "the cloud does not want this status");
            }
            Ok(Delivery::Delivered | Delivery::NotTold) => {}
            Err(error) => {
                tracing::info!(deployment, %error, "the status is told again later");
                return false;
            }
        }
        if let Err(error) = state.remove_outcome(&update).await {
            tracing::error!(deployment, %error, "a told status could not be forgotten");
            return false;
        }
    }
    true
}
