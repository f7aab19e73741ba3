//! How a job spreads over its things: its pace, and when the rest is given up. Pure.
//!
//! The arithmetic is that of the cloud API's section 5.6. Time is cut into windows of a minute
//! from the job's beginning. In each window as many executions are released as the rate says,
//! which grows by a factor once enough things were told, or have succeeded, since it last grew;
//! a growth takes effect in the next window, and there is at most one in a window. What a window
//! leaves unused is gone.
//!
//! Every attempt that ended counts for giving up, also one that is retried: repeated failures are
//! to end a job before they have used up all retries.

pub(crate) mod configuration;

use marram_aws::greengrassv2::{AbortCriteria, FailureType};
use marram_aws::iot::{JobConfiguration, RetryCriteria, RetryableFailureType};
use marram_model::jobs::JobStatus;
use serde::{Deserialize, Serialize};

use crate::job_execution::Attempts;

const WINDOW_S: i64 = 60;

/// What a job was asked to keep to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// `None` releases everything at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
    /// Any of these gives the rest up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    abort: Vec<AbortCriteria>,
    /// How long one thing may be in progress, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_s: Option<i64>,
    /// How often a thing tries again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retry: Vec<RetryCriteria>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pace {
    /// The first rate, in executions a window.
    base: f64,
    /// The highest rate; `None` for no limit.
    maximum: Option<f64>,
    /// `None` keeps the first rate.
    growth: Option<Growth>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Growth {
    factor: f64,
    /// Counts things told if true, things that succeeded if not.
    by_notified: bool,
    /// After how many of them the rate grows.
    every: i64,
    /// After how many things that succeeded it grows too, where both were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    or_succeeded: Option<i64>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    began_at_s: i64,
    window: i64,
    /// Released in this window.
    used: i64,
    rate: f64,
    /// The rate from the next window on.
    next_rate: f64,
    /// Whether the rate has grown in this window.
    has_grown: bool,
    /// Of the things that the growth counts, those since it last grew.
    counted: i64,
    /// Successes since the rate last grew, where the growth counts them beside things told.
    #[serde(default)]
    also_succeeded: i64,
    succeeded: i64,
    failed: i64,
    rejected: i64,
    timed_out: i64,
}

impl Plan {
    /// A job's plan; `None` where there is nothing to keep to.
    pub(crate) fn of(configuration: &JobConfiguration) -> Option<Self> {
        let abort = configuration.abort_config.as_ref();
        let timeout = configuration.timeout_config.as_ref();
        let retry = configuration.job_executions_retry_config.as_ref();
        let plan = Self {
            pace: pace_of(configuration),
            abort: abort.map(|abort| abort.criteria_list.clone()).unwrap_or_default(),
            timeout_s: timeout.and_then(|t| t.in_progress_timeout_in_minutes).map(|m| m * 60),
            retry: retry.map(|retry| retry.criteria_list.clone()).unwrap_or_default(),
        };
        (plan != Self::default()).then_some(plan)
    }

    /// Whether executions wait until they are released.
    pub(crate) fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// How long an execution may be in progress, in seconds.
    pub(crate) fn timeout_s(&self) -> Option<i64> {
        self.timeout_s
    }

    /// Whether a thing whose attempt ended with `status`, after `attempts` that were retried,
    /// tries again.
    pub(crate) fn allows_retry(&self, status: JobStatus, attempts: Attempts) -> bool {
        let Attempts { failed, timed_out } = attempts;
        self.retry.iter().any(|criterion| {
            let used = match (criterion.failure_type, status) {
                (RetryableFailureType::Failed, JobStatus::Failed) => failed,
                (RetryableFailureType::TimedOut, JobStatus::TimedOut) => timed_out,
                (RetryableFailureType::All, JobStatus::Failed | JobStatus::TimedOut) => {
                    failed + timed_out
                }
                _ => return false,
            };
            used < criterion.number_of_retries
        })
    }
}

fn pace_of(configuration: &JobConfiguration) -> Option<Pace> {
    let rollout = configuration.job_executions_rollout_config.as_ref()?;
    let maximum = rollout.maximum_per_minute.map(|rate| rate as f64);
    let Some(rate) = &rollout.exponential_rate else {
        return maximum.map(|base| Pace { base, maximum: None, growth: None });
    };
    let criteria = &rate.rate_increase_criteria;
    let by_notified = criteria.number_of_notified_things.is_some();
    let every = criteria.number_of_notified_things.or(criteria.number_of_succeeded_things);
    let or_succeeded = criteria.number_of_succeeded_things.filter(|_| by_notified);
    let factor = rate.increment_factor;
    let growth = every.map(|every| Growth { factor, by_notified, every, or_succeeded });
    Some(Pace { base: rate.base_rate_per_minute as f64, maximum, growth })
}

impl Pace {
    fn capped(&self, rate: f64) -> f64 {
        self.maximum.map_or(rate, |maximum| rate.min(maximum))
    }
}

impl Progress {
    /// A job that begins now.
    pub(crate) fn begin(plan: &Plan, now_s: i64) -> Self {
        let rate = plan.pace.as_ref().map_or(0.0, |pace| pace.capped(pace.base));
        Self {
            began_at_s: now_s,
            window: 0,
            used: 0,
            rate,
            next_rate: rate,
            has_grown: false,
            counted: 0,
            also_succeeded: 0,
            succeeded: 0,
            failed: 0,
            rejected: 0,
            timed_out: 0,
        }
    }

    /// The job is to keep to another plan from now on. A pace begins anew with its own first rate;
    /// what has ended counts on.
    pub(crate) fn replan(self, plan: &Plan, now_s: i64) -> Self {
        let Self { succeeded, failed, rejected, timed_out, .. } = self;
        Self { succeeded, failed, rejected, timed_out, ..Self::begin(plan, now_s) }
    }

    /// How many executions may be released now.
    pub(crate) fn quota(&mut self, plan: &Plan, now_s: i64) -> i64 {
        let Some(pace) = &plan.pace else { return i64::MAX };
        self.enter_window_of(pace, now_s);
        // The rates are at most 1000, so the cast is exact.
        let rate = self.rate.floor() as i64;
        (rate.max(1) - self.used).max(0)
    }

    /// When more may be released: now, where this window has room, or in the next one.
    pub(crate) fn due_at_s(&mut self, plan: &Plan, now_s: i64) -> i64 {
        match self.quota(plan, now_s) {
            0 => self.began_at_s + (self.window + 1) * WINDOW_S,
            _ => now_s,
        }
    }

    /// So many executions were released.
    pub(crate) fn released(&mut self, plan: &Plan, count: i64) {
        self.used += count;
        self.count(plan, true, count);
    }

    /// An execution ended; those that were withdrawn count for nothing.
    pub(crate) fn ended(&mut self, plan: &Plan, status: JobStatus, now_s: i64) {
        if let Some(pace) = &plan.pace {
            self.enter_window_of(pace, now_s);
        }
        if let Some(ended) = self.counter(status) {
            *ended += 1;
        }
        if status == JobStatus::Succeeded {
            self.count(plan, false, 1);
        }
    }

    /// An execution that had ended like this, after these attempts, counts no more.
    pub(crate) fn forget(&mut self, status: JobStatus, attempts: Attempts) {
        if let Some(ended) = self.counter(status) {
            *ended -= 1;
        }
        self.failed -= attempts.failed;
        self.timed_out -= attempts.timed_out;
    }

    /// Whether a criterion says that the rest is to be given up.
    pub(crate) fn is_to_abort(&self, plan: &Plan) -> bool {
        let executed = self.succeeded + self.failed + self.rejected + self.timed_out;
        plan.abort.iter().any(|criterion| {
            let failures = match criterion.failure_type {
                FailureType::Failed => self.failed,
                FailureType::Rejected => self.rejected,
                FailureType::TimedOut => self.timed_out,
                FailureType::All => self.failed + self.rejected + self.timed_out,
            };
            executed >= criterion.min_number_of_executed_things
                && failures as f64 * 100.0 >= criterion.threshold_percentage * executed as f64
        })
    }

    fn counter(&mut self, status: JobStatus) -> Option<&mut i64> {
        match status {
            JobStatus::Succeeded => Some(&mut self.succeeded),
            JobStatus::Failed => Some(&mut self.failed),
            JobStatus::Rejected => Some(&mut self.rejected),
            JobStatus::TimedOut => Some(&mut self.timed_out),
            _ => None,
        }
    }

    fn count(&mut self, plan: &Plan, is_notification: bool, count: i64) {
        let Some(pace) = &plan.pace else { return };
        let Some(growth) = &pace.growth else { return };
        if growth.by_notified == is_notification {
            self.counted += count;
        } else if !is_notification {
            self.also_succeeded += count;
        }
        self.grow(pace);
    }

    fn grow(&mut self, pace: &Pace) {
        let Some(growth) = &pace.growth else { return };
        let is_enough = self.counted >= growth.every
            || growth.or_succeeded.is_some_and(|every| self.also_succeeded >= every);
        if !self.has_grown && is_enough {
            self.next_rate = pace.capped(self.rate * growth.factor);
            self.has_grown = true;
            self.counted = 0;
            self.also_succeeded = 0;
        }
    }

    /// Windows pass one by one as long as that changes the rate. A clock that goes back stays in
    /// the window.
    fn enter_window_of(&mut self, pace: &Pace, now_s: i64) {
        let target = now_s.saturating_sub(self.began_at_s).div_euclid(WINDOW_S);
        while self.window < target {
            let changes = self.has_grown;
            self.window += 1;
            self.used = 0;
            self.rate = self.next_rate;
            self.has_grown = false;
            self.grow(pace);
            if !changes && !self.has_grown {
                self.window = target;
            }
        }
    }
}

#[cfg(test)]
mod tests;
