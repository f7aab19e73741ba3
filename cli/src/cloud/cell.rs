//! Members of the API's answers as cells of tables.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A text, or a dash where there is none.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The API's seconds since 1970 as a time of day.
pub(crate) fn time(value: &Value) -> String {
    let seconds = value.as_f64().map(|seconds| seconds as i64);
    seconds
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "-".to_owned())
}

/// `thing/NAME` or `thinggroup/NAME` of a target's ARN.
pub(crate) fn target(arn: &Value) -> String {
    let text = text(arn);
    text.splitn(6, ':').nth(5).map_or_else(|| text.clone(), str::to_owned)
}

/// `linux amd64, all`: the platforms of a component version.
pub(crate) fn platforms(platforms: &Value) -> String {
    let names = platforms.as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|platform| platform["name"].as_str()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_and_targets_are_short() {
        assert_eq!(time(&json!(1_767_323_045.678)), "2026-01-02T03:04:05Z");
        assert_eq!(time(&Value::Null), "-");
        assert_eq!(target(&json!("arn:aws:iot:r:1:thinggroup/a:b")), "thinggroup/a:b");
        assert_eq!(text(&json!("")), "-");
    }
}
