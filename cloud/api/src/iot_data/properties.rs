//! What `Publish` says of a message beside its topic and payload: MQTT 5's properties.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use marram_aws::ApiError;
use serde_json::{Map, Value};

/// Longest response topic and content type in bytes.
const MAX_TEXT: usize = 256;
/// Most user properties of a message.
const MAX_PAIRS: usize = 50;
/// Most bytes of user properties and of correlation data, as they travel.
const MAX_HEADER: usize = 8 * 1024;

/// Properties of a message; those that are absent have their default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageProperties {
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What an answer repeats.
    pub correlation_data: Option<Bytes>,
    /// Names and values, in their order.
    pub user_properties: Vec<(String, String)>,
    /// What the payload is.
    pub content_type: Option<String>,
    /// Whether the payload says that it is UTF-8.
    pub is_utf8: bool,
    /// Seconds after which nobody is given the message any more.
    pub expires_after_s: Option<u32>,
}

impl MessageProperties {
    /// Reads the members of a request.
    pub(crate) fn read(members: &Map<String, Value>, payload: &[u8]) -> Result<Self, ApiError> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let response_topic = bounded("responseTopic", text("responseTopic"))?;
        if let Some(topic) = response_topic.as_deref().filter(|topic| topic.contains(['+', '#'])) {
            return Err(wrong("responseTopic", topic, "a topic without `+` and `#`"));
        }
        let expiry = members.get("messageExpiry").and_then(Value::as_i64);
        let expires_after_s = expiry.map(|seconds| {
            u32::try_from(seconds).map_err(|_| {
                wrong("messageExpiry", &seconds.to_string(), "seconds from 0 to 4294967295")
            })
        });
        Ok(Self {
            response_topic,
            correlation_data: text("correlationData").map(correlation_data).transpose()?,
            user_properties: text("userProperties").map_or_else(|| Ok(Vec::new()), pairs)?,
            content_type: bounded("contentType", text("contentType"))?,
            is_utf8: text("payloadFormatIndicator")
                .map_or(Ok(false), |text| is_utf8(text, payload))?,
            expires_after_s: expires_after_s.transpose()?,
        })
    }
}

fn wrong(member: &str, value: &str, allowed: &str) -> ApiError {
    let shown: String = value.chars().take(80).collect();
    ApiError::invalid_request(format!("`{member}` is `{shown}`: use {allowed}"))
}

fn bounded(member: &str, text: Option<&str>) -> Result<Option<String>, ApiError> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if text.len() > MAX_TEXT || text.contains('\0') => {
            Err(wrong(member, text, &format!("at most {MAX_TEXT} bytes without NUL")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

fn correlation_data(text: &str) -> Result<Bytes, ApiError> {
    let bytes = STANDARD.decode(text).ok().filter(|_| text.len() <= MAX_HEADER);
    let allowed = format!("at most {MAX_HEADER} characters of base64");
    bytes.map(Bytes::from).ok_or_else(|| wrong("correlationData", text, &allowed))
}

/// Base64 of `[{"name": "value"}, …]`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let bytes = STANDARD.decode(text).ok().filter(|_| text.len() <= MAX_HEADER);
    let objects: Option<Vec<Map<String, Value>>> =
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    // MQTT has no NUL in texts.
    let pair = |(name, value): (String, Value)| {
        let value = value.as_str().filter(|value| !name.contains('\0') && !value.contains('\0'))?;
        Some((name.clone(), value.to_owned()))
    };
    let pairs: Option<Vec<_>> =
        objects.and_then(|objects| objects.into_iter().flatten().map(pair).collect());
    pairs.filter(|pairs| pairs.len() <= MAX_PAIRS).ok_or_else(|| {
        let allowed =
            format!("base64 of a list of at most {MAX_PAIRS} objects `{{\"name\": \"value\"}}`");
        wrong("userProperties", text, &allowed)
    })
}

fn is_utf8(text: &str, payload: &[u8]) -> Result<bool, ApiError> {
    match text {
        "UNSPECIFIED_BYTES" => Ok(false),
        "UTF8_DATA" if std::str::from_utf8(payload).is_ok() => Ok(true),
        "UTF8_DATA" => Err(ApiError::invalid_request(
            "`payloadFormatIndicator` is `UTF8_DATA`, and the payload is not UTF-8",
        )),
        other => Err(wrong("payloadFormatIndicator", other, "`UNSPECIFIED_BYTES` or `UTF8_DATA`")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(members: Value, payload: &[u8]) -> Result<MessageProperties, ApiError> {
        MessageProperties::read(members.as_object().unwrap(), payload)
    }

    #[test]
    fn all_properties_are_read() {
        let members = json!({
            "responseTopic": "answers/1", "contentType": "text/plain", "messageExpiry": 60,
            "correlationData": STANDARD.encode("id"), "payloadFormatIndicator": "UTF8_DATA",
            "userProperties": STANDARD.encode(r#"[{"a": "1"}, {"a": "2"}]"#),
        });
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = MessageProperties {
            response_topic: Some("answers/1".to_owned()),
            correlation_data: Some(Bytes::from_static(b"id")),
            user_properties: vec![pair("a", "1"), pair("a", "2")],
            content_type: Some("text/plain".to_owned()),
            is_utf8: true,
            expires_after_s: Some(60),
        };
        assert_eq!(read(members, b"hi").unwrap(), expected);
        assert_eq!(read(json!({}), b"\xff").unwrap(), MessageProperties::default());
    }

    #[test]
    fn a_wrong_property_is_named() {
        let many = format!("[{}]", vec![r#"{"a":"1"}"#; MAX_PAIRS + 1].join(","));
        for (member, value) in [
            ("responseTopic", json!("a/+")),
            ("responseTopic", json!("x".repeat(MAX_TEXT + 1))),
            ("contentType", json!("a\0b")),
            ("contentType", json!("x".repeat(MAX_TEXT + 1))),
            ("messageExpiry", json!(-1)),
            ("messageExpiry", json!(4_294_967_296_i64)),
            ("correlationData", json!("***")),
            ("userProperties", json!("***")),
            ("userProperties", json!(STANDARD.encode(r#"[{"a": 1}]"#))),
            ("userProperties", json!(STANDARD.encode(r#"[{"a": "\u0000"}]"#))),
            ("userProperties", json!(STANDARD.encode(many))),
            ("payloadFormatIndicator", json!("OTHER")),
            ("payloadFormatIndicator", json!("UTF8_DATA")),
        ] {
            let error = read(json!({ member: value }), b"\xff").unwrap_err();
            assert_eq!(error.code, "InvalidRequestException");
            assert!(error.message.contains(&format!("`{member}`")), "{error}");
        }
    }
}
