//! What becomes due with time: roll-outs that go on, executions that have timed out.

use std::time::Duration;

use marram_fleet::Fleet;
use tokio::time::{MissedTickBehavior, interval};

/// AWS's rates are per minute and its time-outs in minutes.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(crate) async fn run(fleet: Fleet) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = fleet.tick().await {
            tracing::error!(%error, "what is due could not be done; trying again");
        }
    }
}
