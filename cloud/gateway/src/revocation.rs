//! Cutting the connections of certificates that may no longer be used.

use std::sync::Arc;

use marram_broker::{Broker, DisconnectReason};
use marram_registry::{Change, DeviceIdentity};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::device::DeviceHandler;

/// Follows the registry's changes until it is gone.
pub(crate) async fn cut_revoked(
    broker: Broker<DeviceHandler>,
    mut changes: broadcast::Receiver<Change>,
) {
    loop {
        match changes.recv().await {
            Ok(Change::CertificateDisabled { certificate_id }) => {
                cut(&broker, |identity| identity.certificate_id() == certificate_id);
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => cut(&broker, |identity| !identity.is_active()),
            Err(RecvError::Closed) => return,
        }
    }
}

fn cut(broker: &Broker<DeviceHandler>, is_meant: impl Fn(&DeviceIdentity) -> bool) {
    broker.disconnect_if(
        |identity: &Arc<DeviceIdentity>| is_meant(identity),
        DisconnectReason::NotAuthorized,
    );
}
