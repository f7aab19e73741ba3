//! The clock: certificates and signatures hold for a time, so it must be about right.

use std::sync::Arc;
use std::time::Duration;

use marram_aws::timestamp::parse_http_date;
use marram_http::client::{Client, Request};
use marram_os::clock::{Clock, SystemClock};
use marram_telemetry::Chain;

use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::cloud::Cloud;
use crate::doctor::device::Device;

const ABOUT: &str = "the clock agrees with the cloud's";

pub(super) const DEVICE: Check<Device> =
    Check::network("clock", ABOUT, |device| -> Waiting { Box::pin(of_device(device)) });

pub(super) const CLOUD: Check<Cloud> =
    Check::network("clock", ABOUT, |cloud| -> Waiting { Box::pin(of_cloud(cloud)) });

/// Signatures of AWS's services hold for five minutes, in milliseconds.
const MAX_SKEW_MS: i64 = 300_000;
const MUCH_SKEW_MS: i64 = 30_000;
/// A `Date` header has whole seconds.
const PRECISION_MS: i64 = 1000;
const DEADLINE: Duration = Duration::from_secs(10);

async fn of_device(device: Arc<Device>) -> Finding {
    let settings = match device.settings() {
        Ok(settings) => settings,
        Err(skipped) => return skipped,
    };
    // The device's identity need not be in order to ask for the time.
    let tls = settings.tls(&[]).or_else(|_| settings.anonymous_tls());
    match tls {
        Ok(tls) => compare(&settings.data_plane_url, tls).await,
        Err(error) => Finding::skipped(Chain(&error).to_string()),
    }
}

async fn of_cloud(cloud: Arc<Cloud>) -> Finding {
    let ready = match cloud.ready() {
        Ok(ready) => ready,
        Err(skipped) => return skipped,
    };
    let ca = match std::fs::read_to_string(&ready.ca_file) {
        Ok(ca) => ca,
        Err(error) => return Finding::skipped(format!("{}: {error}", ready.ca_file.display())),
    };
    match marram_tls::client_config(&ca, None, &[]) {
        Ok(tls) => compare(&ready.endpoint_url, tls).await,
        Err(error) => Finding::skipped(Chain(&error).to_string()),
    }
}

/// Any answer has a date, refusals too.
async fn compare(url: &str, tls: rustls::ClientConfig) -> Finding {
    let client = Client::new(Some(tls));
    let before = SystemClock.now_ms();
    let response = match client.send(Request::get(format!("{url}/")).deadline(DEADLINE)).await {
        Ok(response) => response,
        Err(error) => return Finding::skipped(Chain(&error).to_string()),
    };
    let after = SystemClock.now_ms();
    match response.header("date").and_then(parse_http_date) {
        Some(theirs) => judge(skew(before, after, theirs)),
        None => Finding::skipped(format!("{url} tells no time")),
    }
}

/// How far the clocks are apart at least: positive if ours is ahead.
fn skew(before_ms: i64, after_ms: i64, theirs_ms: i64) -> i64 {
    match () {
        () if before_ms > theirs_ms + PRECISION_MS => before_ms - theirs_ms - PRECISION_MS,
        () if after_ms < theirs_ms => after_ms - theirs_ms,
        () => 0,
    }
}

fn judge(skew_ms: i64) -> Finding {
    let seconds = skew_ms.unsigned_abs() / 1000;
    let side = if skew_ms > 0 { "ahead of" } else { "behind" };
    let seen = format!("{seconds} s {side} the cloud's clock");
    let remedy = "run a time service (chrony, systemd-timesyncd), or set the clock by hand";
    match skew_ms.abs() {
        apart if apart > MAX_SKEW_MS => {
            Finding::failed(format!("{seen}: signatures are refused"), remedy)
        }
        apart if apart > MUCH_SKEW_MS => Finding::warning(seen, remedy),
        0 => Finding::ok("agrees with the cloud's to the second"),
        _ => Finding::ok(seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn only_what_the_exchange_cannot_explain_counts() {
        assert_eq!(skew(10_500, 10_700, 10_000), 0);
        assert_eq!(skew(9_000, 12_000, 11_000), 0);
        assert_eq!(skew(20_000, 20_100, 10_000), 9_000);
        assert_eq!(skew(5_000, 6_000, 10_000), -4_000);
    }

    #[test]
    fn five_minutes_are_too_much_and_half_a_minute_is_told() {
        assert_eq!(judge(0).status, Status::Ok);
        assert_eq!(judge(-20_000).status, Status::Ok);
        assert_eq!(judge(-31_000).status, Status::Warning);
        let failed = judge(3_600_000);
        assert_eq!(failed.status, Status::Failed);
        assert!(failed.detail.starts_with("3600 s ahead of"), "{}", failed.detail);
        assert!(failed.remedy.unwrap().contains("time service"));
    }
}
