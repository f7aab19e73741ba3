//! The seam between the registry's groups and the fleet's queues.

use std::time::Duration;

use marram_fleet::Fleet;
use marram_registry::Change;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// How long after a change that could not be followed all queues are made right.
const RETRY: Duration = Duration::from_secs(5);

/// Follows the registry's changes until it is gone. A change that cannot be followed is made good
/// by looking at everything again; one that is lost because the process was killed, by the
/// fleet's next start.
pub(crate) async fn follow(fleet: Fleet, mut changes: broadcast::Receiver<Change>) {
    let mut has_missed = false;
    loop {
        let change = match has_missed {
            true => timeout(RETRY, changes.recv()).await.unwrap_or(Err(RecvError::Lagged(0))),
            false => changes.recv().await,
        };
        let done = match change {
            Err(RecvError::Closed) => return,
            Ok(Change::GroupDeleted { .. }) | Err(RecvError::Lagged(_)) => {
                fleet.reconcile_all().await
            }
            Ok(_) if has_missed => fleet.reconcile_all().await,
            Ok(Change::MemberAdded { group, thing }) => {
                fleet.membership_changed(&thing, Some(&group)).await
            }
            Ok(Change::MemberRemoved { thing, .. } | Change::ThingDeleted { thing }) => {
                fleet.membership_changed(&thing, None).await
            }
            Ok(Change::CertificateDisabled { .. }) => Ok(()),
        };
        has_missed = done.is_err();
        if let Err(error) = done {
            tracing::error!(
                %error,
                "queues of deployments do not follow a change of groups; trying again"
            );
        }
    }
}
