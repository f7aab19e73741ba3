//! `DeploymentIoTJobConfiguration`: how a deployment's job spreads over a group.

use serde::{Deserialize, Serialize};

/// `DeploymentIoTJobConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IoTJobConfiguration {
    /// How fast devices are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_executions_rollout_config: Option<RolloutConfig>,
    /// When the rest is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_config: Option<AbortConfig>,
    /// When one device is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_config: Option<TimeoutConfig>,
}

/// `IoTJobExecutionsRolloutConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutConfig {
    /// A rate that grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exponential_rate: Option<ExponentialRate>,
    /// The highest rate, in devices per minute: 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_per_minute: Option<i64>,
}

/// `IoTJobExponentialRolloutRate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExponentialRate {
    /// The first rate, in devices per minute: 1 to 1000.
    pub base_rate_per_minute: i64,
    /// What the rate is multiplied by: 1 to 5.
    pub increment_factor: f64,
    /// When it is multiplied.
    pub rate_increase_criteria: RateIncreaseCriteria,
}

/// `IoTJobRateIncreaseCriteria`; exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateIncreaseCriteria {
    /// After so many devices were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of_notified_things: Option<i64>,
    /// After so many devices succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of_succeeded_things: Option<i64>,
}

/// `IoTJobAbortConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortConfig {
    /// Any of these is enough.
    pub criteria_list: Vec<AbortCriteria>,
}

/// `IoTJobAbortCriteria`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortCriteria {
    /// Which ends of executions count.
    pub failure_type: FailureType,
    /// What is done.
    pub action: AbortAction,
    /// The share of such ends, in per cent: 0 to 100.
    pub threshold_percentage: f64,
    /// The least number of executions that must have ended: 1 or more.
    pub min_number_of_executed_things: i64,
}

/// `IoTJobExecutionFailureType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureType {
    /// The device could not do it.
    Failed,
    /// The device would not do it.
    Rejected,
    /// The device took too long.
    TimedOut,
    /// Any of the three.
    All,
}

/// `IoTJobAbortAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AbortAction {
    /// The job is cancelled.
    Cancel,
}

/// `IoTJobTimeoutConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutConfig {
    /// How long one device may take, in minutes: 1 to 10080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress_timeout_in_minutes: Option<i64>,
}
