use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const BEGAN_S: i64 = 1_000_000;

fn plan(configuration: Value) -> Plan {
    Plan::of(&serde_json::from_value(configuration).unwrap()).unwrap()
}

fn exponential(base: i64, factor: f64, criteria: &Value, maximum: Option<i64>) -> Plan {
    let mut rollout = json!({"exponentialRate": {
        "baseRatePerMinute": base,
        "incrementFactor": factor,
        "rateIncreaseCriteria": criteria,
    }});
    if let Some(maximum) = maximum {
        rollout["maximumPerMinute"] = maximum.into();
    }
    plan(json!({ "jobExecutionsRolloutConfig": rollout }))
}

fn abort(criteria: &Value) -> Plan {
    plan(json!({"abortConfig": {"criteriaList": criteria}}))
}

/// What each minute releases of `things`, where every thing that is told succeeds at once.
fn minutes(plan: &Plan, mut things: i64) -> Vec<i64> {
    let mut progress = Progress::begin(plan, BEGAN_S);
    let mut released = Vec::new();
    for minute in 0.. {
        if things == 0 {
            break;
        }
        let now_s = BEGAN_S + minute * 60 + 30;
        let count = progress.quota(plan, now_s).min(things);
        progress.released(plan, count);
        for _ in 0..count {
            progress.ended(plan, JobStatus::Succeeded, now_s);
        }
        things -= count;
        released.push(count);
    }
    released
}

#[test]
fn a26c_an_exponential_rate_grows_to_its_maximum() {
    let plan = exponential(10, 2.0, &json!({"numberOfNotifiedThings": 15}), Some(50));
    assert_eq!(minutes(&plan, 200), [10, 10, 20, 40, 50, 50, 20]);
}

#[test]
fn a26c_successes_may_be_what_counts() {
    let criteria = json!({"numberOfSucceededThings": 15});
    let plan = exponential(10, 2.0, &criteria, Some(50));
    assert_eq!(minutes(&plan, 200), [10, 10, 20, 40, 50, 50, 20]);
    let mut progress = Progress::begin(&plan, BEGAN_S);
    for minute in 0..9 {
        let quota = progress.quota(&plan, BEGAN_S + minute * 60);
        assert_eq!(quota, 10, "nothing has succeeded by minute {minute}");
        progress.released(&plan, quota);
    }
}

#[test]
fn a26c_a_constant_rate_stays() {
    let plan = plan(json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 30}}));
    assert_eq!(minutes(&plan, 100), [30, 30, 30, 10]);
}

#[test]
fn a26c_a_fractional_rate_is_kept_and_rounded_down_to_be_used() {
    let plan = exponential(1, 1.5, &json!({"numberOfNotifiedThings": 1}), None);
    // 1, 1.5, 2.25, 3.375, 5.06, 7.59
    assert_eq!(minutes(&plan, 20), [1, 1, 2, 3, 5, 7, 1]);
}

#[test]
fn a26c_unused_quota_is_gone_and_an_early_growth_waits_for_its_window() {
    let plan = exponential(10, 2.0, &json!({"numberOfNotifiedThings": 10}), None);
    let mut progress = Progress::begin(&plan, BEGAN_S);
    progress.released(&plan, 10);
    assert_eq!(progress.quota(&plan, BEGAN_S + 59), 0);
    assert_eq!(progress.due_at_s(&plan, BEGAN_S + 59), BEGAN_S + 60);
    progress.ended(&plan, JobStatus::Succeeded, BEGAN_S + 61);
    assert_eq!(progress.due_at_s(&plan, BEGAN_S + 61), BEGAN_S + 61, "a window has room at first");
    assert_eq!(progress.quota(&plan, BEGAN_S + 3600), 20);
    assert_eq!(progress.quota(&plan, BEGAN_S + 60), 20, "a clock that goes back changes nothing");
}

#[test]
fn a26d_the_rest_is_given_up_at_the_threshold() {
    let plan = abort(&json!([{"failureType": "FAILED", "action": "CANCEL",
                              "thresholdPercentage": 50.0, "minNumberOfExecutedThings": 4}]));
    let mut progress = Progress::begin(&plan, BEGAN_S);
    for status in [JobStatus::Failed, JobStatus::Succeeded, JobStatus::Failed] {
        progress.ended(&plan, status, BEGAN_S);
        assert!(!progress.is_to_abort(&plan), "fewer than four have ended");
    }
    progress.ended(&plan, JobStatus::Canceled, BEGAN_S);
    assert!(!progress.is_to_abort(&plan), "a withdrawn execution is none that ended");
    progress.ended(&plan, JobStatus::Succeeded, BEGAN_S);
    assert!(progress.is_to_abort(&plan));
    let mut retried = progress.clone();
    progress.forget(JobStatus::Failed, Attempts::default());
    assert!(!progress.is_to_abort(&plan));
    retried.forget(JobStatus::Queued, Attempts { failed: 1, timed_out: 0 });
    assert!(!retried.is_to_abort(&plan), "its attempts before the last one count no more either");
}

#[test]
fn a26d_any_criterion_is_enough_and_all_counts_every_failure() {
    let plan = abort(&json!([
        {"failureType": "REJECTED", "action": "CANCEL",
         "thresholdPercentage": 100.0, "minNumberOfExecutedThings": 1},
        {"failureType": "ALL", "action": "CANCEL",
         "thresholdPercentage": 60.0, "minNumberOfExecutedThings": 3},
    ]));
    let mut progress = Progress::begin(&plan, BEGAN_S);
    progress.ended(&plan, JobStatus::TimedOut, BEGAN_S);
    progress.ended(&plan, JobStatus::Succeeded, BEGAN_S);
    assert!(!progress.is_to_abort(&plan));
    progress.ended(&plan, JobStatus::Rejected, BEGAN_S);
    assert!(progress.is_to_abort(&plan));
}

#[test]
fn a_job_without_a_configuration_has_no_plan() {
    assert_eq!(Plan::of(&JobConfiguration::default()), None);
    let timeout = plan(json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 2}}));
    assert_eq!((timeout.is_paced(), timeout.timeout_s()), (false, Some(120)));
}

/// AWS's example: base 50, factor 2, and 1000 things told or succeeded, whichever is first.
#[test]
fn a26c_of_two_criteria_the_first_to_be_met_counts() {
    let criteria = json!({"numberOfNotifiedThings": 1000, "numberOfSucceededThings": 100});
    let plan = exponential(50, 2.0, &criteria, None);
    // All that are told succeed, so 100 successes come first.
    assert_eq!(minutes(&plan, 600), [50, 50, 100, 200, 200]);
    let criteria = json!({"numberOfNotifiedThings": 100, "numberOfSucceededThings": 1000});
    let plan = exponential(50, 2.0, &criteria, None);
    assert_eq!(minutes(&plan, 600), [50, 50, 100, 200, 200]);
}

#[test]
fn another_plan_begins_its_pace_anew_and_forgets_no_failure() {
    let slow = plan(json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 2}}));
    let mut progress = Progress::begin(&slow, BEGAN_S);
    progress.released(&slow, progress.clone().quota(&slow, BEGAN_S));
    progress.ended(&slow, JobStatus::Failed, BEGAN_S);
    let other = plan(json!({
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 7},
        "abortConfig": {"criteriaList": [{"failureType": "FAILED", "action": "CANCEL",
                                          "thresholdPercentage": 100.0,
                                          "minNumberOfExecutedThings": 1}]},
    }));
    let mut progress = progress.replan(&other, BEGAN_S + 10);
    assert_eq!(progress.quota(&other, BEGAN_S + 10), 7);
    assert!(progress.is_to_abort(&other));
}

fn retries(criteria: &[(&str, i64)]) -> Plan {
    let list: Vec<Value> = criteria
        .iter()
        .map(|(kind, count)| json!({"failureType": kind, "numberOfRetries": count}))
        .collect();
    plan(json!({"jobExecutionsRetryConfig": {"criteriaList": list}}))
}

#[test]
fn retries_are_counted_by_the_kind_of_failure() {
    let plan = retries(&[("FAILED", 2), ("TIMED_OUT", 1)]);
    let allows =
        |status, failed, timed_out| plan.allows_retry(status, Attempts { failed, timed_out });
    assert!(allows(JobStatus::Failed, 1, 9) && !allows(JobStatus::Failed, 2, 0));
    assert!(allows(JobStatus::TimedOut, 9, 0) && !allows(JobStatus::TimedOut, 0, 1));
    for never in [JobStatus::Rejected, JobStatus::Succeeded, JobStatus::Canceled] {
        assert!(!allows(never, 0, 0), "{never}");
    }
    let all = retries(&[("ALL", 3)]);
    let attempts = |failed, timed_out| Attempts { failed, timed_out };
    assert!(all.allows_retry(JobStatus::Failed, attempts(1, 1)));
    assert!(!all.allows_retry(JobStatus::TimedOut, attempts(2, 1)));
}

proptest! {
    /// However attempts end, a thing makes exactly as many as its criteria allow.
    #[test]
    fn a_thing_never_tries_more_often_than_allowed(
        failed in 0_i64..=5,
        timed_out in 0_i64..=5,
        ends in prop::collection::vec(any::<bool>(), 12),
    ) {
        let plan = retries(&[("FAILED", failed), ("TIMED_OUT", timed_out)]);
        let mut attempts = Attempts::default();
        for is_failure in ends {
            let (status, used, most) = match is_failure {
                true => (JobStatus::Failed, &mut attempts.failed, failed),
                false => (JobStatus::TimedOut, &mut attempts.timed_out, timed_out),
            };
            let expected = *used < most;
            *used += 1;
            let before = match is_failure {
                true => Attempts { failed: attempts.failed - 1, ..attempts },
                false => Attempts { timed_out: attempts.timed_out - 1, ..attempts },
            };
            prop_assert_eq!(plan.allows_retry(status, before), expected);
            if !expected {
                break;
            }
        }
    }

    /// The job is given up exactly when a criterion's share is reached, whatever the order.
    #[test]
    fn the_threshold_is_a_share_of_what_ended(
        ends in prop::collection::vec(0_usize..4, 0..60),
        threshold in 1_i64..=100,
        least in 1_i64..20,
        kind in 0_usize..4,
    ) {
        let kinds = ["FAILED", "REJECTED", "TIMED_OUT", "ALL"];
        let statuses =
            [JobStatus::Failed, JobStatus::Rejected, JobStatus::TimedOut, JobStatus::Succeeded];
        let plan = abort(&json!([{"failureType": kinds[kind], "action": "CANCEL",
                                  "thresholdPercentage": threshold,
                                  "minNumberOfExecutedThings": least}]));
        let mut progress = Progress::begin(&plan, BEGAN_S);
        let (mut executed, mut failures) = (0_i64, 0_i64);
        for end in ends {
            progress.ended(&plan, statuses[end], BEGAN_S);
            executed += 1;
            failures += i64::from(if kind == 3 { end < 3 } else { end == kind });
            let expected = executed >= least && failures * 100 >= threshold * executed;
            prop_assert_eq!(progress.is_to_abort(&plan), expected);
        }
    }

    /// No minute ever releases more than the highest rate, every minute at least one, and the
    /// rate never shrinks.
    #[test]
    fn the_pace_keeps_its_bounds(
        base in 1_i64..=100,
        factor in 1.0_f64..5.0,
        every in 1_i64..200,
        maximum in 1_i64..=1000,
        gaps in prop::collection::vec(0_i64..200, 1..60),
    ) {
        let plan = exponential(base, factor, &json!({"numberOfNotifiedThings": every}), Some(maximum));
        let mut progress = Progress::begin(&plan, BEGAN_S);
        let (mut now_s, mut last_rate) = (BEGAN_S, 0.0);
        let mut in_window = (-1, 0);
        for gap in gaps {
            now_s += gap;
            let count = progress.quota(&plan, now_s);
            progress.released(&plan, count);
            let window = (now_s - BEGAN_S) / 60;
            in_window = if in_window.0 == window {
                prop_assert_eq!(count, 0, "the window was used up");
                (window, in_window.1)
            } else {
                prop_assert!(count >= 1);
                (window, count)
            };
            prop_assert!(in_window.1 <= maximum.max(1));
            prop_assert!(progress.rate >= last_rate);
            last_rate = progress.rate;
        }
    }
}
