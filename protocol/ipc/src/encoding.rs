//! How the model's primitive shapes look in JSON.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A Blob: bytes that travel as standard base64 with padding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Bytes);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_ref()).map_err(|error| {
            D::Error::custom(format_args!("a blob must be standard base64 with padding: {error}"))
        })?;
        Ok(Self(bytes.into()))
    }
}

/// Whether `text` is base64 as the SDKs decode it, checked without decoding.
pub fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    // Without a branch for each byte the compiler checks many at once.
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() | (*byte == b'+') | (*byte == b'/');
    let all_digits = |digits: &[u8]| digits.iter().fold(true, |all, byte| all & is_digit(byte));
    text.len().is_multiple_of(4) && padding <= 2 && data.as_bytes().chunks(256).all(all_digits)
}

/// A Timestamp: epoch seconds on the wire, milliseconds here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ms: i64,
}

impl Serialize for Timestamp {
    /// Always with a fraction: the C component SDK rejects `1700000000`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.ms as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    /// Takes integers and floats; rounds to the nearest millisecond.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self { ms: (seconds * 1000.0).round() as i64 })
    }
}

/// The text of an enum whose values are digits. Clients send `"1"`; nucleus lite also takes `1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigitEnum(pub String);

impl<'de> Deserialize<'de> for DigitEnum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = DigitEnum;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string of digits")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DigitEnum, E> {
                Ok(DigitEnum(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<DigitEnum, E> {
                Ok(DigitEnum(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<DigitEnum, E> {
                Ok(DigitEnum(number.to_string()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// Compact JSON of a shape of ours.
pub(crate) fn to_json(shape: &impl Serialize) -> Vec<u8> {
    // Shapes have text keys and no failing serializers, and a Vec takes every write.
    serde_json::to_vec(shape).expect("the IPC's shapes are always valid JSON")
}

/// Appends `text` as a JSON string.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(&to_json(&text));
    }
}

/// Appends valid JSON without the whitespace between its tokens, leaving every token as it is.
pub(crate) fn push_compact_json(out: &mut Vec<u8>, json: &str) {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let mut rest = json.as_bytes();
    // Most clients send none at all, and many bytes at once are seen to be none.
    let has_space = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | is_space(byte));
    if !rest.chunks(256).any(has_space) {
        out.extend_from_slice(rest);
        return;
    }
    while !rest.is_empty() {
        let outside = rest.iter().position(|byte| *byte == b'"').unwrap_or(rest.len());
        let (tokens, text) = rest.split_at(outside);
        out.extend(tokens.iter().filter(|byte| !is_space(byte)));
        let (text, after) = text.split_at(string_length(text));
        out.extend_from_slice(text);
        rest = after;
    }
}

/// Length in bytes of the JSON string at the start of `json`, with its quotes.
fn string_length(json: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn timestamps_are_seconds_of_any_number_type() {
        let parse = |text: &str| serde_json::from_str::<Timestamp>(text).map(|t| t.ms);
        assert_eq!(parse("1700000000").unwrap(), 1_700_000_000_000);
        assert_eq!(parse("1700000000.5").unwrap(), 1_700_000_000_500);
        assert_eq!(parse("1700000000.0019999").unwrap(), 1_700_000_000_002);
        assert_eq!(parse("0.0000000000000000").unwrap(), 0);
        assert!(parse("\"1\"").is_err());
        let whole = Timestamp { ms: 1_700_000_000_000 };
        assert_eq!(serde_json::to_string(&whole).unwrap(), "1700000000.0");
    }

    #[test]
    fn blobs_are_base64_with_padding() {
        let blob: Blob = serde_json::from_str(r#""aGk=""#).unwrap();
        assert_eq!(blob, Blob("hi".into()));
        assert_eq!(serde_json::to_string(&blob).unwrap(), r#""aGk=""#);
        assert_eq!(serde_json::to_string(&Blob::default()).unwrap(), r#""""#);
        for bad in [r#""aGk""#, r#""a?==""#, "1"] {
            assert!(serde_json::from_str::<Blob>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digit_enums_may_be_numbers() {
        for (json, text) in [(r#""1""#, "1"), ("1", "1"), ("-1", "-1"), (r#""x""#, "x")] {
            assert_eq!(serde_json::from_str::<DigitEnum>(json).unwrap().0, text);
        }
        assert!(serde_json::from_str::<DigitEnum>("true").is_err());
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value_and_equals_the_compact_form(value in json()) {
            let mut compact = Vec::new();
            push_compact_json(&mut compact, &serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(compact, serde_json::to_vec(&value).unwrap());
        }

        #[test]
        fn strings_are_written_as_serde_writes_them(text in ".*") {
            let mut out = Vec::new();
            push_json_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn base64_check_agrees_with_decoding_of_encoded_bytes(bytes: Vec<u8>) {
            prop_assert!(is_base64(&STANDARD.encode(bytes)));
        }

        #[test]
        fn what_cannot_be_base64_is_refused(text in "[A-Za-z0-9+/=]{0,9}") {
            prop_assert!(is_base64(&text) || STANDARD.decode(&text).is_err());
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            r#"["\\ {}\[\]:,]*"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
