//! The seam between the registry's groups and the fleet's queues.

use marram_fleet::Fleet;
use marram_registry::Change;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Follows the registry's changes until it is gone. A change that is lost here, because the
/// process was killed, is made good by the fleet's next start.
pub(crate) async fn follow(fleet: Fleet, mut changes: broadcast::Receiver<Change>) {
    loop {
        let done = match changes.recv().await {
            Ok(Change::MemberAdded { group, thing }) => {
                fleet.membership_changed(&thing, Some(&group)).await
            }
            Ok(Change::MemberRemoved { thing, .. } | Change::ThingDeleted { thing }) => {
                fleet.membership_changed(&thing, None).await
            }
            Ok(Change::GroupDeleted { .. }) | Err(RecvError::Lagged(_)) => {
                fleet.reconcile_all().await
            }
            Ok(Change::CertificateDisabled { .. }) => Ok(()),
            Err(RecvError::Closed) => return,
        };
        if let Err(error) = done {
            tracing::error!(%error, "queues of deployments do not follow a change of groups");
        }
    }
}
