//! Checking `iotJobConfiguration` (cloud API, section 3.4): what could not be acted on is refused
//! before anything is stored.

use std::ops::RangeInclusive;

use marram_aws::ApiError;
use marram_aws::greengrassv2::{AbortCriteria, ExponentialRate, IoTJobConfiguration};

const PER_MINUTE: RangeInclusive<i64> = 1..=1000;
const AT_LEAST_ONE: RangeInclusive<i64> = 1..=i64::MAX;
const FACTOR: RangeInclusive<f64> = 1.0..=5.0;
const PER_CENT: RangeInclusive<f64> = 0.0..=100.0;
/// A week.
const MINUTES: RangeInclusive<i64> = 1..=10_080;

pub(super) fn check(configuration: &IoTJobConfiguration) -> Result<(), ApiError> {
    if let Some(rollout) = &configuration.job_executions_rollout_config {
        let at = "jobExecutionsRolloutConfig";
        if let Some(rate) = rollout.maximum_per_minute {
            within(&format!("{at}.maximumPerMinute"), rate, &PER_MINUTE)?;
        }
        if let Some(rate) = &rollout.exponential_rate {
            check_rate(&format!("{at}.exponentialRate"), rate)?;
        }
    }
    if let Some(abort) = &configuration.abort_config {
        if abort.criteria_list.is_empty() {
            return Err(field("abortConfig.criteriaList", "is empty: give at least one"));
        }
        for (index, criteria) in abort.criteria_list.iter().enumerate() {
            check_criteria(&format!("abortConfig.criteriaList[{index}]"), criteria)?;
        }
    }
    if let Some(timeout) = &configuration.timeout_config
        && let Some(minutes) = timeout.in_progress_timeout_in_minutes
    {
        within("timeoutConfig.inProgressTimeoutInMinutes", minutes, &MINUTES)?;
    }
    Ok(())
}

fn check_rate(at: &str, rate: &ExponentialRate) -> Result<(), ApiError> {
    within(&format!("{at}.baseRatePerMinute"), rate.base_rate_per_minute, &PER_MINUTE)?;
    within(&format!("{at}.incrementFactor"), rate.increment_factor, &FACTOR)?;
    let criteria = &rate.rate_increase_criteria;
    let at = format!("{at}.rateIncreaseCriteria");
    match (criteria.number_of_notified_things, criteria.number_of_succeeded_things) {
        (Some(count), None) => {
            within(&format!("{at}.numberOfNotifiedThings"), count, &AT_LEAST_ONE)
        }
        (None, Some(count)) => {
            within(&format!("{at}.numberOfSucceededThings"), count, &AT_LEAST_ONE)
        }
        _ => {
            let message =
                "give exactly one of `numberOfNotifiedThings` and `numberOfSucceededThings`";
            Err(field(&at, message))
        }
    }
}

fn check_criteria(at: &str, criteria: &AbortCriteria) -> Result<(), ApiError> {
    within(&format!("{at}.thresholdPercentage"), criteria.threshold_percentage, &PER_CENT)?;
    let least = criteria.min_number_of_executed_things;
    within(&format!("{at}.minNumberOfExecutedThings"), least, &AT_LEAST_ONE)
}

fn within<T>(name: &str, value: T, range: &RangeInclusive<T>) -> Result<(), ApiError>
where
    T: PartialOrd + std::fmt::Display,
{
    if range.contains(&value) {
        return Ok(());
    }
    Err(field(name, &format!("is {value}: use {} to {}", range.start(), range.end())))
}

fn field(name: &str, message: &str) -> ApiError {
    ApiError::field(&format!("iotJobConfiguration.{name}"), message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(configuration: Value) -> Option<String> {
        let configuration = serde_json::from_value(configuration).unwrap();
        check(&configuration).err().map(|error| error.message)
    }

    fn exponential(base: i64, factor: f64, criteria: &Value) -> Value {
        json!({"jobExecutionsRolloutConfig": {"exponentialRate": {
            "baseRatePerMinute": base,
            "incrementFactor": factor,
            "rateIncreaseCriteria": criteria,
        }}})
    }

    fn abort(threshold: f64, least: i64) -> Value {
        json!({"abortConfig": {"criteriaList": [{
            "failureType": "TIMED_OUT",
            "action": "CANCEL",
            "thresholdPercentage": threshold,
            "minNumberOfExecutedThings": least,
        }]}})
    }

    #[test]
    fn the_bounds_are_those_of_the_api() {
        let notified = json!({"numberOfNotifiedThings": 1});
        for good in [
            json!({}),
            json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 1000}}),
            exponential(1, 5.0, &notified),
            abort(100.0, 1),
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10_080}}),
        ] {
            assert_eq!(refused(good.clone()), None, "{good}");
        }
        let both = json!({"numberOfNotifiedThings": 1, "numberOfSucceededThings": 1});
        for (bad, named) in [
            (json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 0}}), "maximumPerMinute"),
            (exponential(1001, 2.0, &notified), "baseRatePerMinute"),
            (exponential(1, 5.1, &notified), "incrementFactor"),
            (exponential(1, 2.0, &json!({})), "rateIncreaseCriteria"),
            (exponential(1, 2.0, &both), "rateIncreaseCriteria"),
            (exponential(1, 2.0, &json!({"numberOfSucceededThings": 0})), "numberOfSucceeded"),
            (json!({"abortConfig": {"criteriaList": []}}), "criteriaList"),
            (abort(100.5, 1), "thresholdPercentage"),
            (abort(50.0, 0), "criteriaList[0].minNumberOfExecutedThings"),
            (json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10_081}}), "inProgress"),
        ] {
            let message = refused(bad.clone()).unwrap_or_default();
            assert!(message.contains(named), "{bad}: {message}");
        }
    }
}
