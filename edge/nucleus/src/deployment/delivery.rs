//! Tells the cloud how deployments stand, in order, until it has heard.
//!
//! What is to be told is kept in the configuration ([`DeploymentState`]), so neither a lost
//! connection nor a restart loses it. One task tells; it goes on at each connection, at each new
//! status, and, when the cloud is there but does not answer, after a pause.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::state::DeploymentState;
use crate::cloud::{CloudLink, Delivery};

/// How soon a status is told again to a cloud that is connected but did not take it.
const PAUSE: Duration = Duration::from_secs(10);

/// Runs until it is dropped. `added` is notified when there is something new to tell.
pub(crate) async fn run(state: DeploymentState, link: CloudLink, added: Arc<Notify>) {
    let mut connection = link.connection();
    loop {
        if !tell_all(&state, &link).await {
            tokio::select! {
                _ = connection.changed() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            continue;
        }
        added.notified().await;
    }
}

/// Tells everything, oldest first; false if the cloud did not take one of them.
async fn tell_all(state: &DeploymentState, link: &CloudLink) -> bool {
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
