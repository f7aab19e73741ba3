//! A virtual clock, moved by an operation: hours pass in milliseconds.
//!
//! Only a cloud that was started with one has it. It moves in steps as short as the shortest
//! window of a roll-out, and what is due is done after each, so that a job spreads as it would
//! have. Signatures are judged by the real time, which their makers have.

use std::time::Duration;

use marram_aws::ApiError;
use marram_os::clock::{Clock, ManualClock};
use serde::{Deserialize, Serialize};

use crate::api::Services;

/// Roll-outs release and time-outs end by the minute.
const STEP: Duration = Duration::from_secs(60);
/// The longest way of one call, a week in seconds: that many steps stay within a call's time.
const MAX_SECONDS: u64 = 7 * 24 * 3600;

#[derive(Debug, Deserialize)]
pub(crate) struct GetClockRequest {}

#[derive(Debug, Deserialize)]
pub(crate) struct AdvanceClockRequest {
    seconds: u64,
}

/// The time in the cloud.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockResponse {
    is_virtual: bool,
    /// In milliseconds since 1970.
    now_ms: i64,
}

/// `GetClock`.
pub(crate) async fn get(
    services: &Services,
    _: GetClockRequest,
) -> Result<ClockResponse, ApiError> {
    let now_ms = match &services.virtual_clock {
        Some(clock) => clock.now_ms(),
        None => services.clock.now_ms(),
    };
    Ok(ClockResponse { is_virtual: services.virtual_clock.is_some(), now_ms })
}

/// `AdvanceClock`: all that is due by then is done when this returns.
pub(crate) async fn advance(
    services: &Services,
    request: AdvanceClockRequest,
) -> Result<ClockResponse, ApiError> {
    let Some(clock) = &services.virtual_clock else {
        let message = "the cloud goes by the real time: start it with `--clock virtual`";
        return Err(ApiError::conflict("clock", "clock", message));
    };
    let seconds = request.seconds;
    if seconds > MAX_SECONDS {
        let message = format!("`{seconds}` is more than {MAX_SECONDS}: go there in several calls");
        return Err(ApiError::field("seconds", message));
    }
    move_by(services, clock, Duration::from_secs(seconds)).await?;
    Ok(ClockResponse { is_virtual: true, now_ms: clock.now_ms() })
}

async fn move_by(
    services: &Services,
    clock: &ManualClock,
    mut left: Duration,
) -> Result<(), ApiError> {
    while !left.is_zero() {
        let step = left.min(STEP);
        clock.advance(step);
        left -= step;
        services.fleet.tick().await?;
    }
    Ok(())
}
