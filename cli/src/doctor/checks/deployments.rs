//! Deployments: one that is stuck, one that failed here, statuses that the cloud has not heard.

use marram_model::status::DeploymentStatus;
use marram_nucleus::deployment::state::DeploymentState;

use crate::doctor::Finding;
use crate::doctor::check::Check;
use crate::doctor::device::Device;

pub(super) const CHECK: Check<Device> = Check::local(
    "deployments",
    "how the last deployments went, as far as the device remembers",
    look,
);

/// Longer than all its stages' deadlines together, in minutes.
const LONG_MIN: i64 = 60;

fn look(device: &Device) -> Finding {
    let config = match device.config() {
        Ok(config) => config.clone(),
        Err(skipped) => return skipped,
    };
    let now_ms = device.clock.now_ms();
    let minutes = |since_ms: i64| (now_ms - since_ms).max(0) / 60_000;
    let state = DeploymentState::new(config, device.clock.clone());
    if let Some(current) = state.current() {
        let age = minutes(current.request.received_ms);
        let seen = format!("{} is under way, for {age} min", current.key());
        if age > LONG_MIN {
            return Finding::warning(
                seen,
                "see logs/greengrass.log; a new deployment or a cancel ends it",
            );
        }
        return Finding::ok(seen);
    }
    let waiting = state.outcomes().len();
    if let Some(last) = state.local_deployments().into_iter().next()
        && last.outcome.status == DeploymentStatus::Failed
    {
        return Finding::warning(
            format!(
                "the last local deployment {}, made {} min ago, failed: {}",
                last.id,
                minutes(last.created_ms),
                last.outcome.failure_cause.as_deref().unwrap_or("no cause was kept")
            ),
            format!(
                "greengrass-cli deployment status -i {}; mend the cause, deploy again",
                last.id
            ),
        );
    }
    if waiting > 0 {
        return Finding::warning(
            format!("{waiting} statuses of deployments have not reached the cloud"),
            "they are told when the cloud is reached: see the check `mqtt`",
        );
    }
    Finding::ok("none under way, none that failed here, nothing left to tell the cloud")
}
