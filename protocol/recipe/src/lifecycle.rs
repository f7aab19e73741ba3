//! The lifecycle of a component: its steps, read from the interpolated map
//! (recipes and deployments, A3).
//!
//! A step that is written wrongly fails only when it runs, with `*_CONFIG_NOT_VALID`; so it is
//! kept as [`ConfigNotValid`] and does not spoil the others.

mod step;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

pub use step::{Condition, ConfigNotValid, SkipIf, Step};

use crate::fields::brief;

/// What a component does, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// Variables of every step.
    pub setenv: BTreeMap<String, String>,
    /// Errors further apart than this are not counted together.
    pub error_reset_time: Duration,
    /// The steps that the recipe has.
    steps: BTreeMap<StepName, Result<Step, ConfigNotValid>>,
}

/// The name of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepName {
    /// Before everything else, possibly with a restart of the device.
    Bootstrap,
    /// Once for each launch of the nucleus.
    Install,
    /// Runs until it is up.
    Startup,
    /// Runs as long as the component does; ignored where there is a startup.
    Run,
    /// Ends the component.
    Shutdown,
    /// After an error, before the next try.
    Recover,
    /// When the component is removed.
    Uninstall,
}

impl StepName {
    /// All steps, in the order in which a component comes to them.
    pub const ALL: [Self; 7] = [
        Self::Bootstrap,
        Self::Install,
        Self::Startup,
        Self::Run,
        Self::Shutdown,
        Self::Recover,
        Self::Uninstall,
    ];

    /// The key in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Install => "install",
            Self::Startup => "startup",
            Self::Run => "run",
            Self::Shutdown => "shutdown",
            Self::Recover => "recover",
            Self::Uninstall => "uninstall",
        }
    }

    /// How long the step may take if the recipe does not say; `None` is for ever.
    pub fn default_timeout(self) -> Option<Duration> {
        match self {
            Self::Run => None,
            Self::Shutdown => Some(Duration::from_secs(15)),
            Self::Recover => Some(Duration::from_secs(60)),
            _ => Some(Duration::from_secs(120)),
        }
    }

    pub(crate) fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str().eq_ignore_ascii_case(key))
    }
}

/// Why a lifecycle cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseLifecycle {
    /// `Setenv` is no map.
    #[error("`Setenv` of the lifecycle is {0}: write a map of names to values")]
    Setenv(String),
    /// `errorResetTime` is no number of seconds.
    #[error("`errorResetTime` of the lifecycle is {0}: write a number of seconds")]
    ErrorResetTime(String),
}

const DEFAULT_ERROR_RESET: Duration = Duration::from_secs(3600);

impl Lifecycle {
    /// Reads a lifecycle. Keys may be in any case; of several spellings the last wins.
    pub fn parse(map: &Map<String, Value>) -> Result<Self, ParseLifecycle> {
        let mut lifecycle = Self {
            setenv: BTreeMap::new(),
            error_reset_time: DEFAULT_ERROR_RESET,
            steps: BTreeMap::new(),
        };
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(name) = StepName::parse(key) {
                lifecycle.steps.insert(name, Step::parse(value));
            } else if key.eq_ignore_ascii_case("setenv") {
                lifecycle.setenv =
                    step::environment(value).ok_or_else(|| ParseLifecycle::Setenv(brief(value)))?;
            } else if key.eq_ignore_ascii_case("errorResetTime") {
                lifecycle.error_reset_time = step::seconds(value)
                    .ok_or_else(|| ParseLifecycle::ErrorResetTime(brief(value)))?;
            }
        }
        Ok(lifecycle)
    }

    /// A step, if the recipe has it; it may turn out to be written wrongly.
    pub fn step(&self, name: StepName) -> Option<Result<&Step, &ConfigNotValid>> {
        self.steps.get(&name).map(Result::as_ref)
    }

    /// True if the recipe has the step, right or wrong.
    pub fn has(&self, name: StepName) -> bool {
        self.steps.contains_key(&name)
    }
}

#[cfg(test)]
mod tests;
