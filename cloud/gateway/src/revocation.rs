//! Cutting the connections of certificates that may no longer be used.

use std::sync::Arc;

use marram_broker::{Broker, DisconnectReason, Handler};
use marram_registry::{Change, DeviceIdentity};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use crate::device::Caller;

/// Follows the registry's changes until it is gone, and `connected_late`, which is notified when
/// a connection came to be after its certificate was disabled.
pub(crate) async fn cut_revoked<H>(
    broker: Broker<H>,
    mut changes: broadcast::Receiver<Change>,
    connected_late: Arc<Notify>,
) where
    H: Handler<Identity = Caller>,
{
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = connected_late.notified() => {
                cut(&broker, |identity| !identity.is_active());
                continue;
            }
        };
        match change {
            Ok(Change::CertificateDisabled { certificate_id }) => {
                cut(&broker, |identity| identity.certificate_id() == certificate_id);
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => cut(&broker, |identity| !identity.is_active()),
            Err(RecvError::Closed) => return,
        }
    }
}

fn cut<H>(broker: &Broker<H>, is_meant: impl Fn(&DeviceIdentity) -> bool)
where
    H: Handler<Identity = Caller>,
{
    broker.disconnect_if(
        |caller| caller.device().is_some_and(&is_meant),
        DisconnectReason::NotAuthorized,
    );
}
