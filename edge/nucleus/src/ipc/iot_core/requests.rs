//! Checks of PublishToIoTCore and SubscribeToIoTCore, in the order and with the texts of the Java
//! nucleus (ipc 4.2, components 7).

use marram_ipc::IpcError;
use marram_ipc::encoding::DigitEnum;
use marram_ipc::shapes::{PublishToIoTCoreRequest, SubscribeToIoTCoreRequest};
use marram_mqtt::{Publish, PublishProperties, QoS, topic};
use serde_json::{Map, Value};

use super::SubscribeFailed;
use crate::config::ConfigStore;

const DEFAULT_MAX_PAYLOAD: usize = 128 * 1024;
const MAX_PAYLOAD: usize = 256 * 1024 * 1024;
/// AWS IoT Core quotas of topics (developer guide, "Message broker limits").
const MAX_SLASHES: usize = 7;
const MAX_TOPIC_CHARACTERS: usize = 256;
const MAX_RESERVED_TOPIC_CHARACTERS: usize = 512;

/// The `mqtt` settings that bound requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Limits {
    /// Largest payload in bytes.
    max_payload: usize,
    /// Whether MQTT 5 is spoken: topics that begin with `$` may be longer then.
    is_mqtt5: bool,
}

impl Limits {
    /// Reads them from the nucleus's configuration.
    pub(in crate::ipc) fn from_config(config: &ConfigStore) -> Self {
        let mqtt =
            |key| config.get(&["services", "aws.greengrass.Nucleus", "configuration", "mqtt", key]);
        let max_payload = mqtt("maxMessageSizeInBytes")
            .and_then(|value| match value {
                Value::String(text) => text.trim().parse().ok(),
                number => number.as_u64().and_then(|bytes| usize::try_from(bytes).ok()),
            })
            .unwrap_or(DEFAULT_MAX_PAYLOAD);
        let is_mqtt3 = mqtt("version").is_some_and(|version| {
            version.as_str().is_some_and(|v| v.eq_ignore_ascii_case("mqtt3"))
        });
        Self { max_payload: max_payload.min(MAX_PAYLOAD), is_mqtt5: !is_mqtt3 }
    }
}

/// Checks what a publish must have; `authorize` gets the topic.
pub(in crate::ipc) fn check_publish(
    request: PublishToIoTCoreRequest,
    authorize: impl FnOnce(&str) -> Result<(), IpcError>,
) -> Result<Publish, IpcError> {
    let topic = request.topic_name.ok_or_else(topic_required)?;
    authorize(&topic).map_err(|_| not_authorized())?;
    let payload =
        request.payload.ok_or_else(|| IpcError::invalid_arguments("Payload is required"))?.0;
    let qos = parse_qos(request.qos)?;
    let format = request.payload_format.map_or_else(|| "0".to_owned(), |format| format.0);
    if !matches!(format.as_str(), "0" | "1") {
        let text = format!("Invalid payload format value: {format}");
        return Err(IpcError::invalid_arguments(text));
    }
    let properties = PublishProperties {
        response_topic: request.response_topic.map(Into::into),
        correlation_data: request.correlation_data.map(|data| data.0),
        user_properties: request
            .user_properties
            .unwrap_or_default()
            .into_iter()
            .map(|property| (property.key.into(), property.value.into()))
            .collect(),
        content_type: request.content_type.map(Into::into),
        payload_format_utf8: format == "1",
        message_expiry_s: request.message_expiry_interval_seconds,
    };
    let retain = request.retain.unwrap_or(false);
    Ok(Publish { topic: topic.into(), payload, qos, retain, properties })
}

/// Checks whether the cloud would take the message.
pub(in crate::ipc) fn check_limits(message: &Publish, limits: Limits) -> Result<(), IpcError> {
    check_size(message.payload.len(), limits)
        .and_then(|()| check_topic_name(&message.topic, limits))
        .map_err(|reason| publish_failed(&message.topic, &reason))
}

/// Checks a subscription; `authorize` gets the filter as it is written.
pub(in crate::ipc) fn check_subscribe(
    request: SubscribeToIoTCoreRequest,
    limits: Limits,
    authorize: impl FnOnce(&str) -> Result<(), IpcError>,
) -> Result<(String, QoS), IpcError> {
    let filter = request.topic_name.ok_or_else(topic_required)?;
    authorize(&filter).map_err(|_| not_authorized())?;
    let qos = parse_qos(request.qos)?;
    check_filter(&filter, limits).map_err(|reason| subscribe_failed(&filter, &reason))?;
    Ok((filter, qos))
}

pub(in crate::ipc) fn publish_failed(topic: &str, reason: &str) -> IpcError {
    IpcError::service(format!("Publish to topic {topic} failed: {reason}"))
}

pub(in crate::ipc) fn subscribe_failed(filter: &str, reason: &str) -> IpcError {
    IpcError::service(format!("Subscribe to topic {filter} failed with error {reason}"))
}

/// A subscription that the connection could not make; with the cloud's reason code if it refused.
pub(in crate::ipc) fn subscription_refused(filter: &str, error: &SubscribeFailed) -> IpcError {
    let failed = subscribe_failed(filter, &error.reason);
    let Some(code) = error.reason_code else {
        return failed;
    };
    failed.with_context(Map::from_iter([
        ("reasonString".to_owned(), Value::from(error.reason.as_str())),
        ("reasonCode".to_owned(), Value::from(code)),
    ]))
}

fn topic_required() -> IpcError {
    IpcError::invalid_arguments("Topic is required")
}

fn not_authorized() -> IpcError {
    IpcError::unauthorized("Not Authorized")
}

fn parse_qos(qos: Option<DigitEnum>) -> Result<QoS, IpcError> {
    let Some(DigitEnum(text)) = qos else {
        return Err(IpcError::invalid_arguments("QoS is required"));
    };
    match text.as_str() {
        "0" => Ok(QoS::AtMostOnce),
        "1" => Ok(QoS::AtLeastOnce),
        _ => Err(IpcError::invalid_arguments(format!("Invalid QoS value: {text}"))),
    }
}

fn check_size(bytes: usize, limits: Limits) -> Result<(), String> {
    let limit = limits.max_payload;
    if bytes > limit {
        return Err(format!(
            "The publishing message size {bytes} bytes exceeds the configured limit of {limit} bytes"
        ));
    }
    Ok(())
}

fn check_topic_name(topic: &str, limits: Limits) -> Result<(), String> {
    if topic.is_empty() {
        return Err("Topic must not be empty".to_owned());
    }
    if topic.contains(['#', '+']) {
        return Err("Publish topics must not contain wildcard characters of '#' or '+'".to_owned());
    }
    check_quota(topic, without_rule(topic), limits)?;
    if !topic::is_valid_name(topic) {
        return Err("The topic must not contain the character U+0000".to_owned());
    }
    Ok(())
}

fn check_filter(filter: &str, limits: Limits) -> Result<(), String> {
    if filter.is_empty() {
        return Err("Topic must not be empty".to_owned());
    }
    let shared = topic::Shared::parse(filter).filter(|_| limits.is_mqtt5);
    let counted = shared.map_or_else(|| without_rule(filter), |shared| shared.filter);
    check_quota(filter, counted, limits)?;
    if !topic::is_valid_filter(filter) {
        return Err("The topic filter is not valid in MQTT".to_owned());
    }
    Ok(())
}

/// Checks the cloud's quotas on `counted`, which is `topic` without what does not count.
fn check_quota(topic: &str, counted: &str, limits: Limits) -> Result<(), String> {
    let is_reserved = topic.starts_with('$') && counted.len() == topic.len() && limits.is_mqtt5;
    let max = if is_reserved { MAX_RESERVED_TOPIC_CHARACTERS } else { MAX_TOPIC_CHARACTERS };
    if !is_reserved && counted.bytes().filter(|byte| *byte == b'/').count() > MAX_SLASHES {
        return Err(format!(
            "The request topic must have no more than {MAX_SLASHES} forward slashes (/)"
        ));
    }
    if counted.chars().count() > max {
        return Err(format!("The request topic must have no more than {max} characters"));
    }
    Ok(())
}

/// The topic behind `$aws/rules/<rule>/`, whose prefix does not count.
fn without_rule(topic: &str) -> &str {
    topic
        .strip_prefix("$aws/rules/")
        .and_then(|rule| rule.split_once('/'))
        .map_or(topic, |(_, counted)| counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_payload: DEFAULT_MAX_PAYLOAD, is_mqtt5: true };

    fn topic_error(topic: &str) -> Option<String> {
        check_topic_name(topic, LIMITS).err()
    }

    #[test]
    fn i28_slashes_and_characters_are_counted_as_the_cloud_counts_them() {
        assert_eq!(topic_error("a/b/c/d/e/f/g/h"), None);
        let error = topic_error("a/b/c/d/e/f/g/h/i").unwrap();
        assert_eq!(error, "The request topic must have no more than 7 forward slashes (/)");
        assert_eq!(topic_error("$aws/rules/r/a/b/c/d/e/f/g/h"), None);
        assert!(topic_error("$aws/rules/r/a/b/c/d/e/f/g/h/i").is_some());
        assert_eq!(topic_error("$aws/things/T/jobs/$next/a/b/c/d"), None);
        assert!(
            check_topic_name("$x/b/c/d/e/f/g/h/i", Limits { is_mqtt5: false, ..LIMITS }).is_err()
        );
        assert_eq!(topic_error(&"ä".repeat(256)), None);
        assert!(topic_error(&"a".repeat(257)).is_some());
        assert_eq!(topic_error(&format!("${}", "a".repeat(511))), None);
        assert!(topic_error(&format!("${}", "a".repeat(512))).is_some());
        assert_eq!(topic_error("").unwrap(), "Topic must not be empty");
        let wildcard = "Publish topics must not contain wildcard characters of '#' or '+'";
        assert_eq!(topic_error("a/#").unwrap(), wildcard);
    }

    #[test]
    fn filters_count_behind_the_shared_group() {
        for good in ["a/#", "$share/g/a/b/c/d/e/f/g/h", "#", "$aws/things/+/shadow/#"] {
            assert_eq!(check_filter(good, LIMITS), Ok(()), "{good}");
        }
        for bad in ["", "a#", "a/b/c/d/e/f/g/h/#", "$share/g/", "#/a"] {
            assert!(check_filter(bad, LIMITS).is_err(), "{bad}");
        }
    }
}
