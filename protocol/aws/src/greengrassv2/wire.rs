//! The two scalar forms of rest-json that serde does not have: seconds and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, kept in milliseconds since 1970 and written as a JSON number of seconds with a
/// fraction. JavaScript's SDK refuses a string here (cloud API, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochSeconds(pub i64);

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self((seconds * 1000.0).round() as i64))
    }
}

/// Bytes, written as standard base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map(Self)
            .map_err(|error| de::Error::custom(format!("not standard base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_number_of_seconds_with_its_fraction() {
        assert_eq!(
            serde_json::to_string(&EpochSeconds(1_767_323_045_123)).unwrap(),
            "1767323045.123"
        );
        assert!(serde_json::to_value(EpochSeconds(1_767_323_045_000)).unwrap().is_number());
    }

    #[test]
    fn a_moment_is_read_back_to_the_millisecond() {
        for ms in [0, 1, 1_767_323_045_001, 1_767_323_045_999] {
            let text = serde_json::to_string(&EpochSeconds(ms)).unwrap();
            assert_eq!(serde_json::from_str::<EpochSeconds>(&text).unwrap(), EpochSeconds(ms));
        }
    }

    #[test]
    fn bytes_travel_as_base64_and_other_text_is_refused() {
        assert_eq!(serde_json::to_string(&Blob(b"hello".to_vec())).unwrap(), "\"aGVsbG8=\"");
        assert_eq!(serde_json::from_str::<Blob>("\"aGVsbG8=\"").unwrap().0, b"hello");
        let error = serde_json::from_str::<Blob>("\"hi there\"").unwrap_err();
        assert!(error.to_string().contains("base64"), "{error}");
    }
}
