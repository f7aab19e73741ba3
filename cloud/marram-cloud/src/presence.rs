//! Who is connected, written behind what the broker says.

use std::time::Duration;

use marram_fleet::Fleet;
use tokio::time::sleep;

/// How long after a failed try the next one is made.
const RETRY: Duration = Duration::from_secs(1);

/// Runs until it is dropped. What happens during one writing is written together by the next.
pub(crate) async fn save(fleet: Fleet) {
    loop {
        fleet.presence_changed().await;
        if let Err(error) = fleet.save_presence().await {
            tracing::error!(%error, "who is connected could not be written; trying again");
            sleep(RETRY).await;
        }
    }
}
