//! What the supervisor reads from the nucleus's configuration, each time it needs it.

use serde_json::Value;

use marram_model::deployment::SystemResourceLimits;
use marram_telemetry::Limits;

use crate::config::ConfigStore;

const NUCLEUS: [&str; 3] = ["services", "aws.greengrass.Nucleus", "configuration"];

const DEFAULT_SHELL: &str = "sh";

/// The program that runs scripts with `-c`.
pub(super) fn shell(config: &ConfigStore) -> String {
    text(config, &["runWithDefault", "posixShell"]).unwrap_or_else(|| DEFAULT_SHELL.to_owned())
}

/// The user of components that name none, as `user[:group]`.
pub(super) fn default_user(config: &ConfigStore) -> Option<String> {
    text(config, &["runWithDefault", "posixUser"])
}

/// The limits of components whose deployment gives them none.
pub(super) fn default_limits(config: &ConfigStore) -> Option<SystemResourceLimits> {
    let value = get(config, &["runWithDefault", "systemResourceLimits"])?;
    serde_json::from_value(value)
        .inspect_err(|error| {
            tracing::warn!(%error, "`runWithDefault.systemResourceLimits` is not valid");
        })
        .ok()
}

/// How long the log of one component may grow.
pub(super) fn log_limits(config: &ConfigStore) -> Limits {
    let default = Limits::default();
    Limits {
        file_kb: whole(config, &["logging", "fileSizeKB"]).unwrap_or(default.file_kb),
        total_kb: whole(config, &["logging", "totalLogsSizeKB"]).unwrap_or(default.total_kb),
    }
}

fn get(config: &ConfigStore, keys: &[&str]) -> Option<Value> {
    config.get(&[&NUCLEUS, keys].concat())
}

fn text(config: &ConfigStore, keys: &[&str]) -> Option<String> {
    get(config, keys)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A positive number, also as digits in a text.
fn whole(config: &ConfigStore, keys: &[&str]) -> Option<u64> {
    let value = get(config, keys)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.filter(|number| *number > 0)
}
