//! Checking how a job is to spread (cloud API, sections 3.4 and 4): what could not be acted on is
//! refused before anything is stored.

use std::ops::RangeInclusive;

use marram_aws::greengrassv2::{AbortCriteria, ExponentialRate};
use marram_aws::iot::{JobConfiguration, RetryConfig, RetryableFailureType};

const PER_MINUTE: RangeInclusive<i64> = 1..=1000;
const AT_LEAST_ONE: RangeInclusive<i64> = 1..=i64::MAX;
const PER_CENT: RangeInclusive<f64> = 0.0..=100.0;
/// A week.
const MINUTES: RangeInclusive<i64> = 1..=10_080;

const EXPIRY_S: RangeInclusive<i64> = 60..=3600;
const RETRIES: RangeInclusive<i64> = 0..=10;

/// What two services want of the same shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// `iotJobConfiguration` of a deployment.
    Greengrass,
    /// A job's own.
    Iot,
}

impl Rules {
    fn factor(self) -> RangeInclusive<f64> {
        match self {
            Self::Greengrass => 1.0..=5.0,
            Self::Iot => 1.1..=5.0,
        }
    }
}

/// A member that cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongMember {
    /// Its name, with dots into nested members.
    pub(crate) name: String,
    /// What is wrong with its value, and what is right.
    pub(crate) message: String,
}

/// Checks what a job shall keep to.
///
/// # Errors
/// A member is out of its bounds.
pub(crate) fn check(configuration: &JobConfiguration, rules: Rules) -> Result<(), WrongMember> {
    if let Some(rollout) = &configuration.job_executions_rollout_config {
        let at = "jobExecutionsRolloutConfig";
        if let Some(rate) = rollout.maximum_per_minute {
            within(&format!("{at}.maximumPerMinute"), rate, &PER_MINUTE)?;
        }
        if let Some(rate) = &rollout.exponential_rate {
            check_rate(&format!("{at}.exponentialRate"), rate, rules)?;
        }
    }
    if let Some(abort) = &configuration.abort_config {
        if abort.criteria_list.is_empty() {
            return Err(member("abortConfig.criteriaList", "is empty: give at least one"));
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
    if let Some(urls) = &configuration.presigned_url_config
        && let Some(seconds) = urls.expires_in_sec
    {
        within("presignedUrlConfig.expiresInSec", seconds, &EXPIRY_S)?;
    }
    configuration.job_executions_retry_config.as_ref().map_or(Ok(()), check_retries)
}

/// Ten retries of a thing are the most, of both kinds together.
fn check_retries(retry: &RetryConfig) -> Result<(), WrongMember> {
    let at = "jobExecutionsRetryConfig.criteriaList";
    let kinds: Vec<_> = retry.criteria_list.iter().map(|one| one.failure_type).collect();
    let is_valid = match kinds[..] {
        [_] => true,
        [one, other] => one != other && !kinds.contains(&RetryableFailureType::All),
        _ => false,
    };
    if !is_valid {
        return Err(member(at, "must be one of FAILED and TIMED_OUT, both, or ALL alone"));
    }
    for (index, criteria) in retry.criteria_list.iter().enumerate() {
        let name = format!("{at}[{index}].numberOfRetries");
        within(&name, criteria.number_of_retries, &RETRIES)?;
    }
    let sum: i64 = retry.criteria_list.iter().map(|one| one.number_of_retries).sum();
    within(&format!("{at}: the sum of numberOfRetries"), sum, &RETRIES)
}

fn check_rate(at: &str, rate: &ExponentialRate, rules: Rules) -> Result<(), WrongMember> {
    within(&format!("{at}.baseRatePerMinute"), rate.base_rate_per_minute, &PER_MINUTE)?;
    within(&format!("{at}.incrementFactor"), rate.increment_factor, &rules.factor())?;
    let criteria = &rate.rate_increase_criteria;
    let at = format!("{at}.rateIncreaseCriteria");
    let (notified, succeeded) =
        (criteria.number_of_notified_things, criteria.number_of_succeeded_things);
    match (notified, succeeded) {
        (None, None) => {}
        (Some(_), Some(_)) if rules == Rules::Greengrass => {}
        _ => {
            let check = |name: &str, count: Option<i64>| {
                let name = format!("{at}.{name}");
                count.map_or(Ok(()), |count| within(&name, count, &AT_LEAST_ONE))
            };
            check("numberOfNotifiedThings", notified)?;
            return check("numberOfSucceededThings", succeeded);
        }
    }
    let how_many = if rules == Rules::Greengrass { "exactly one" } else { "one or both" };
    let message =
        format!("needs {how_many} of `numberOfNotifiedThings` and `numberOfSucceededThings`");
    Err(member(&at, &message))
}

fn check_criteria(at: &str, criteria: &AbortCriteria) -> Result<(), WrongMember> {
    within(&format!("{at}.thresholdPercentage"), criteria.threshold_percentage, &PER_CENT)?;
    let least = criteria.min_number_of_executed_things;
    within(&format!("{at}.minNumberOfExecutedThings"), least, &AT_LEAST_ONE)
}

fn within<T>(name: &str, value: T, range: &RangeInclusive<T>) -> Result<(), WrongMember>
where
    T: PartialOrd + std::fmt::Display,
{
    if range.contains(&value) {
        return Ok(());
    }
    Err(member(name, &format!("is {value}: use {} to {}", range.start(), range.end())))
}

fn member(name: &str, message: &str) -> WrongMember {
    WrongMember { name: name.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused_by(rules: Rules, configuration: Value) -> Option<String> {
        let configuration = serde_json::from_value(configuration).unwrap();
        check(&configuration, rules).err().map(|error| error.name)
    }

    fn refused(configuration: Value) -> Option<String> {
        refused_by(Rules::Greengrass, configuration)
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

    #[test]
    fn a_job_of_its_own_may_have_both_criteria_and_retries() {
        let both = json!({"numberOfNotifiedThings": 1, "numberOfSucceededThings": 1});
        let retries = |list: Value| json!({"jobExecutionsRetryConfig": {"criteriaList": list}});
        let one = |kind: &str, count: i64| json!({"failureType": kind, "numberOfRetries": count});
        for good in [
            exponential(1, 1.1, &both),
            retries(json!([one("FAILED", 6), one("TIMED_OUT", 4)])),
            retries(json!([one("ALL", 10)])),
            json!({"presignedUrlConfig": {"expiresInSec": 60}}),
        ] {
            assert_eq!(refused_by(Rules::Iot, good.clone()), None, "{good}");
        }
        for (bad, named) in [
            (exponential(1, 1.0, &both), "incrementFactor"),
            (exponential(1, 2.0, &json!({})), "rateIncreaseCriteria"),
            (retries(json!([])), "criteriaList"),
            (retries(json!([one("FAILED", 1), one("FAILED", 1)])), "criteriaList"),
            (retries(json!([one("FAILED", 1), one("ALL", 1)])), "criteriaList"),
            (retries(json!([one("FAILED", 11)])), "criteriaList[0].numberOfRetries"),
            (retries(json!([one("FAILED", 6), one("TIMED_OUT", 5)])), "the sum"),
            (json!({"presignedUrlConfig": {"expiresInSec": 3601}}), "expiresInSec"),
        ] {
            let name = refused_by(Rules::Iot, bad.clone()).unwrap_or_default();
            assert!(name.contains(named), "{bad}: {name}");
        }
    }
}
