//! Which values the nucleus's own settings may have, and what holds in the place of others.
//!
//! A device does not stop for a bad setting, since it must take the deployment that mends it; it
//! says which one, and what it does instead.
//!
//! Source: recipes-and-deployments C3; the readers are in `cloud::settings` and `deployment`.

use std::fmt;

use serde_json::Value;

use super::schema::{self, UnknownKeys};
use crate::config::ConfigStore;
use crate::config::rules::{CONFIGURATION, NUCLEUS_COMPONENT, SERVICES};
use crate::config::tree::compare_names;

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// A whole number within both bounds.
    Between(i64, i64),
    /// One of these words, in any casing.
    OneOf(&'static [&'static str]),
}

/// The key, its limit, and what holds for another value.
const LIMITS: &[(&str, Limit, &str)] = &[
    ("componentStoreMaxSizeBytes", Limit::Between(0, i64::MAX), "10000000000 holds"),
    (
        "componentUpdateMaxDeferralSeconds",
        Limit::Between(0, 2_592_000),
        "the nearest limit or the default holds",
    ),
    ("credentialEndpointTimeoutMs", Limit::Between(1, i64::MAX), "60000 holds"),
    (
        "deploymentConfigurationTimeSource",
        Limit::OneOf(&["deploymentCreationTime", "deploymentProcessingTime"]),
        "deploymentCreationTime holds",
    ),
    (
        "fleetStatus.periodicStatusPublishIntervalSeconds",
        Limit::Between(86_400, i64::MAX),
        "86400 holds",
    ),
    ("greengrassDataPlanePort", Limit::Between(1, 65_535), "8443 holds"),
    ("mqtt.keepAliveTimeoutMs", Limit::Between(1, i64::MAX), "60000 holds"),
    ("mqtt.maxInFlightPublishes", Limit::Between(1, 100), "the nearest limit or the default holds"),
    (
        "mqtt.maxMessageSizeInBytes",
        Limit::Between(1, 268_435_456),
        "the nearest limit or the default holds",
    ),
    (
        "mqtt.maxSubscriptionsPerConnection",
        Limit::Between(10, 65_535),
        "the nearest limit or the default holds",
    ),
    ("mqtt.maximumReconnectDelaySeconds", Limit::Between(1, i64::MAX), "120 holds"),
    ("mqtt.minimumReconnectDelaySeconds", Limit::Between(1, i64::MAX), "1 holds"),
    ("mqtt.operationTimeoutMs", Limit::Between(1, i64::MAX), "30000 holds"),
    ("mqtt.pingTimeoutMs", Limit::Between(1, i64::MAX), "30000 holds"),
    ("mqtt.port", Limit::Between(1, 65_535), "the port of iotDataEndpoint holds, or 8883"),
    ("mqtt.receiveMaximum", Limit::Between(1, 65_535), "the nearest limit or the default holds"),
    ("mqtt.sessionExpirySeconds", Limit::Between(0, i64::MAX), "604800 holds"),
    ("mqtt.socketTimeoutMs", Limit::Between(1, i64::MAX), "3000 holds"),
    ("mqtt.spooler.maxSizeInBytes", Limit::Between(0, i64::MAX), "2621440 holds"),
    ("mqtt.spooler.storageType", Limit::OneOf(&["Memory", "Disk"]), "Memory holds"),
    ("mqtt.version", Limit::OneOf(&["mqtt5", "mqtt3"]), "mqtt5 holds"),
    ("s3EndpointType", Limit::OneOf(&["GLOBAL", "REGIONAL", "DUALSTACK"]), "GLOBAL holds"),
];

/// A setting with a value that it cannot have.
#[derive(Debug, PartialEq, Eq)]
struct OutOfRange {
    key: &'static str,
    value: String,
    limit: String,
    instead: &'static str,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, limit, instead } = self;
        write!(
            f,
            "`{key}` of {NUCLEUS_COMPONENT} is {value}; give it {limit}. Until then {instead}"
        )
    }
}

/// Logs each setting of the nucleus that has a value it cannot have.
pub fn warn_of_settings(config: &ConfigStore) {
    let Some(settings) = config.get(&[SERVICES, NUCLEUS_COMPONENT, CONFIGURATION]) else { return };
    if let Err(problem) =
        schema::check(&settings, NUCLEUS_COMPONENT, schema::NUCLEUS, UnknownKeys::Logged)
    {
        tracing::warn!("a setting of the nucleus has the wrong type: {problem}");
    }
    for problem in out_of_range(&settings) {
        tracing::warn!("a setting of the nucleus is out of range: {problem}");
    }
}

fn out_of_range(settings: &Value) -> Vec<OutOfRange> {
    let problems = LIMITS.iter().filter_map(|(key, limit, instead)| {
        let value = find(settings, key)?;
        let wanted = limit.refuses(value)?;
        Some(OutOfRange { key, value: value.to_string(), limit: wanted, instead })
    });
    problems.collect()
}

impl Limit {
    /// What is wanted instead of the value, unless it will do. A wrong type is not looked at here.
    fn refuses(self, value: &Value) -> Option<String> {
        match self {
            Self::Between(min, max) => {
                let number = match value {
                    Value::String(text) => text.trim().parse().ok()?,
                    // What is larger than the type is larger than each limit, too.
                    Value::Number(n) if n.is_u64() => n.as_i64().unwrap_or(i64::MAX),
                    other => other.as_i64()?,
                };
                if (min..=max).contains(&number) {
                    return None;
                }
                Some(match max {
                    i64::MAX => format!("a whole number, {min} or more"),
                    max => format!("a whole number from {min} to {max}"),
                })
            }
            Self::OneOf(words) => {
                let text = value.as_str()?.trim();
                let is_known =
                    text.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case(text));
                (!is_known).then(|| format!("one of {}", words.join(", ")))
            }
        }
    }
}

/// The value at a dotted key, found in any casing.
fn find<'a>(settings: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(settings, |value, segment| {
        let mut members = value.as_object()?.iter();
        members.find(|(name, _)| compare_names(name, segment).is_eq()).map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(settings: Value) -> Vec<&'static str> {
        out_of_range(&settings).iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn c3_values_out_of_range_are_named_with_what_holds_instead() {
        let settings = json!({"mqtt": {"Port": 70_000, "maxInFlightPublishes": "500"}});
        let problems = out_of_range(&settings);
        let texts: Vec<String> = problems.iter().map(OutOfRange::to_string).collect();
        assert_eq!(
            texts,
            [
                "`mqtt.maxInFlightPublishes` of aws.greengrass.Nucleus is \"500\"; give it a whole \
                 number from 1 to 100. Until then the nearest limit or the default holds",
                "`mqtt.port` of aws.greengrass.Nucleus is 70000; give it a whole number from 1 to \
                 65535. Until then the port of iotDataEndpoint holds, or 8883",
            ]
        );
        let short = json!({"fleetStatus": {"periodicStatusPublishIntervalSeconds": 60}});
        assert_eq!(keys(short), ["fleetStatus.periodicStatusPublishIntervalSeconds"]);
        assert_eq!(keys(json!({"mqtt": {"version": "mqtt4"}})), ["mqtt.version"]);
        assert_eq!(keys(json!({"greengrassDataPlanePort": u64::MAX})), ["greengrassDataPlanePort"]);
        assert_eq!(
            keys(json!({"mqtt": {"sessionExpirySeconds": -1}})),
            ["mqtt.sessionExpirySeconds"]
        );
    }

    #[test]
    fn c3_defaults_limits_and_empty_values_will_do() {
        let settings = json!({
            "greengrassDataPlanePort": 8443, "s3EndpointType": "regional", "platformOverride": {},
            "mqtt": {"port": "443", "maxInFlightPublishes": 100, "version": ""},
            "fleetStatus": {"periodicStatusPublishIntervalSeconds": 86_400},
        });
        assert_eq!(keys(settings), Vec::<&str>::new());
        assert_eq!(keys(json!({"mqtt": {"port": "many"}})), Vec::<&str>::new(), "a wrong type");
    }

    #[test]
    fn every_limit_is_of_a_known_key() {
        for (key, ..) in LIMITS {
            assert!(schema::NUCLEUS.iter().any(|(known, _)| known == key), "{key}");
        }
    }
}
