//! The keys that the nucleus knows, with their types.
//!
//! Source: recipes-and-deployments C1.1 and C3.

use serde_json::Value;

use super::SchemaProblem;
use crate::config::tree::compare_names;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A whole number, also as digits in a text.
    Whole,
    /// A number, also as a text.
    Number,
    /// `true` or `false`, also as a text.
    Flag,
    /// A map of texts.
    Texts,
    /// Whatever it likes.
    Any,
}

/// Keys below `system`.
pub(super) const SYSTEM: &[(&str, Kind)] = &[
    ("certificateFilePath", Kind::Text),
    ("privateKeyPath", Kind::Text),
    ("rootCaPath", Kind::Text),
    ("rootpath", Kind::Text),
    ("thingName", Kind::Text),
    ("ipcSocketPath", Kind::Text),
];

/// Keys below the nucleus's `configuration`.
pub(super) const NUCLEUS: &[(&str, Kind)] = &[
    ("accessControl", Kind::Any),
    ("awsRegion", Kind::Text),
    ("componentStoreMaxSizeBytes", Kind::Whole),
    ("componentUpdateMaxDeferralSeconds", Kind::Whole),
    ("credentialEndpointTimeoutMs", Kind::Whole),
    ("deploymentConfigurationTimeSource", Kind::Text),
    ("deploymentPollingFrequencySeconds", Kind::Whole),
    ("deploymentStatusKeepAliveFrequency", Kind::Any),
    ("downloadRetry.intervalSeconds", Kind::Number),
    ("downloadRetry.maxAttempts", Kind::Whole),
    ("envStage", Kind::Text),
    ("fipsMode", Kind::Flag),
    ("fleetStatus.periodicStatusPublishIntervalSeconds", Kind::Whole),
    ("greengrassDataPlaneEndpoint", Kind::Text),
    ("greengrassDataPlanePort", Kind::Whole),
    ("httpClient.connectionTimeoutMs", Kind::Whole),
    ("httpClient.socketTimeoutMs", Kind::Whole),
    ("interpolateComponentConfiguration", Kind::Flag),
    ("iotCredEndpoint", Kind::Text),
    ("iotDataEndpoint", Kind::Text),
    ("iotRoleAlias", Kind::Text),
    ("jvmOptions", Kind::Any),
    ("logging.fileSizeKB", Kind::Whole),
    ("logging.format", Kind::Text),
    ("logging.level", Kind::Text),
    ("logging.outputDirectory", Kind::Text),
    ("logging.outputType", Kind::Text),
    ("logging.totalLogsSizeKB", Kind::Whole),
    ("mqtt.keepAliveTimeoutMs", Kind::Whole),
    ("mqtt.maxInFlightPublishes", Kind::Whole),
    ("mqtt.maxMessageSizeInBytes", Kind::Whole),
    ("mqtt.maxPublishRetry", Kind::Whole),
    ("mqtt.maxSubscriptionsPerConnection", Kind::Whole),
    ("mqtt.maximumReconnectDelaySeconds", Kind::Whole),
    ("mqtt.minimumReconnectDelaySeconds", Kind::Whole),
    ("mqtt.operationTimeoutMs", Kind::Whole),
    ("mqtt.pingTimeoutMs", Kind::Whole),
    ("mqtt.port", Kind::Whole),
    ("mqtt.receiveMaximum", Kind::Whole),
    ("mqtt.sessionExpirySeconds", Kind::Whole),
    ("mqtt.socketTimeoutMs", Kind::Whole),
    ("mqtt.spooler.keepQos0WhenOffline", Kind::Flag),
    ("mqtt.spooler.maxSizeInBytes", Kind::Whole),
    ("mqtt.spooler.pluginName", Kind::Text),
    ("mqtt.spooler.storageType", Kind::Text),
    ("mqtt.standaloneMqttTimeoutMs", Kind::Whole),
    ("mqtt.threadPoolSize", Kind::Whole),
    ("mqtt.version", Kind::Text),
    ("networkProxy.noProxyAddresses", Kind::Text),
    ("networkProxy.proxy.password", Kind::Text),
    ("networkProxy.proxy.url", Kind::Text),
    ("networkProxy.proxy.username", Kind::Text),
    ("platformOverride", Kind::Texts),
    ("runWithDefault.posixShell", Kind::Text),
    ("runWithDefault.posixUser", Kind::Text),
    ("runWithDefault.systemResourceLimits.cpus", Kind::Number),
    ("runWithDefault.systemResourceLimits.memory", Kind::Whole),
    ("runWithDefault.windowsUser", Kind::Text),
    ("s3EndpointType", Kind::Text),
    ("telemetry.enabled", Kind::Flag),
    ("telemetry.periodicAggregateMetricsIntervalSec", Kind::Whole),
    ("telemetry.periodicAggregateMetricsIntervalSeconds", Kind::Whole),
    ("telemetry.periodicPublishMetricsIntervalSec", Kind::Whole),
    ("telemetry.periodicPublishMetricsIntervalSeconds", Kind::Whole),
];

/// What becomes of a key that is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownKeys {
    /// It is a slip of the pen.
    Refused,
    /// A newer nucleus may know it: a file written for that one has to work here.
    Logged,
}

/// Checks `value`, which is at the key `at`, against the keys of `table`.
pub(super) fn check(
    value: &Value,
    at: &str,
    table: &[(&str, Kind)],
    unknown: UnknownKeys,
) -> Result<(), SchemaProblem> {
    check_below(value, at, "", table, unknown)
}

fn check_below(
    value: &Value,
    at: &str,
    prefix: &str,
    table: &[(&str, Kind)],
    unknown: UnknownKeys,
) -> Result<(), SchemaProblem> {
    let object = match value {
        Value::Object(object) => object,
        Value::Null => return Ok(()),
        other => return Err(wrong_type(at, other, "a map of keys")),
    };
    for (name, value) in object {
        let at = format!("{at}.{name}");
        match find(prefix, name, table) {
            Found::Leaf(kind) => check_kind(value, &at, kind)?,
            Found::Container(prefix) => check_below(value, &at, &prefix, table, unknown)?,
            Found::Nothing if unknown == UnknownKeys::Refused => {
                return Err(super::unknown(&at, value, &known(prefix, table)));
            }
            Found::Nothing => tracing::warn!(
                key = at,
                known = known(prefix, table),
                "the configuration has a key that this nucleus does not know"
            ),
        }
    }
    Ok(())
}

enum Found {
    Leaf(Kind),
    Container(String),
    Nothing,
}

/// What the table has for the key `name` below the dotted `prefix`.
fn find(prefix: &str, name: &str, table: &[(&str, Kind)]) -> Found {
    for (path, kind) in table {
        let Some(rest) = path.strip_prefix(prefix) else { continue };
        match rest.split_once('.') {
            None if compare_names(rest, name).is_eq() => return Found::Leaf(*kind),
            Some((first, _)) if compare_names(first, name).is_eq() => {
                return Found::Container(format!("{prefix}{first}."));
            }
            _ => {}
        }
    }
    Found::Nothing
}

fn known(prefix: &str, table: &[(&str, Kind)]) -> String {
    let mut names: Vec<&str> = table
        .iter()
        .filter_map(|(path, _)| path.strip_prefix(prefix))
        .map(|rest| rest.split_once('.').map_or(rest, |(first, _)| first))
        .collect();
    names.dedup();
    names.join(", ")
}

fn check_kind(value: &Value, at: &str, kind: Kind) -> Result<(), SchemaProblem> {
    let is_text_of = |parses: fn(&str) -> bool| value.as_str().is_some_and(parses);
    let (fits, expected) = match kind {
        Kind::Text => (value.is_string(), "a text (put it in quotes)"),
        Kind::Whole => (
            value.is_i64() || value.is_u64() || is_text_of(|text| text.parse::<i64>().is_ok()),
            "a whole number",
        ),
        Kind::Number => {
            (value.is_number() || is_text_of(|text| text.parse::<f64>().is_ok()), "a number")
        }
        Kind::Flag => (
            value.is_boolean()
                || is_text_of(|text| {
                    ["true", "false"].iter().any(|flag| text.eq_ignore_ascii_case(flag))
                }),
            "`true` or `false`",
        ),
        Kind::Texts => (
            value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
            "a map from texts to texts",
        ),
        Kind::Any => (true, ""),
    };
    if fits || value.is_null() { Ok(()) } else { Err(wrong_type(at, value, expected)) }
}

fn wrong_type(at: &str, value: &Value, expected: &'static str) -> SchemaProblem {
    let is_secret = at.ends_with("password");
    let value = if is_secret { "not a text".to_owned() } else { value.to_string() };
    SchemaProblem::WrongType { key: at.to_owned(), value, expected }
}
