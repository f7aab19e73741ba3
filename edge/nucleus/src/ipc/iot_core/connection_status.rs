//! SubscribeToIoTCoreConnectionStatus: the status now, and then each change of it.

use std::sync::Arc;

use bytes::Bytes;
use marram_ipc::shapes::IoTCoreConnectionStatusEvent;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ipc::outbox::Outbox;
use crate::ipc::pubsub::DELIVERY_DEADLINE;

/// Tells until the connection's owner is gone. `None` is a device that never connects. A change
/// that is taken back before it could be told is none.
pub(in crate::ipc) async fn tell(
    connection: Option<watch::Receiver<bool>>,
    outbox: Arc<Outbox>,
    stream: i32,
) {
    let Some(mut connection) = connection else {
        return send(false, &outbox, stream).await;
    };
    let mut told = None;
    loop {
        let is_connected = *connection.borrow_and_update();
        if told != Some(is_connected) {
            send(is_connected, &outbox, stream).await;
            told = Some(is_connected);
        }
        if connection.changed().await.is_err() {
            return;
        }
    }
}

async fn send(is_connected: bool, outbox: &Outbox, stream: i32) {
    let status = match is_connected {
        true => IoTCoreConnectionStatusEvent::Connected,
        false => IoTCoreConnectionStatusEvent::Disconnected,
    };
    let event = Bytes::from(status.event());
    outbox.deliver(stream, &event, Instant::now() + DELIVERY_DEADLINE).await;
}
