//! Moments in JSON bodies: numbers of seconds, with a fraction.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
///
/// On the wire it is the number of seconds, as AWS sends it (`1.621884415241E9`): JavaScript's SDK
/// throws on a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochMs(pub i64);

impl Serialize for EpochMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole seconds are written without a fraction, and no f64 loses a millisecond before
        // the year 287,000.
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for EpochMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Ok(Self((seconds * 1000.0).round() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_number_of_seconds_both_ways() {
        for (ms, text) in [(1_621_884_415_241, "1621884415.241"), (1_767_323_045_000, "1767323045")]
        {
            assert_eq!(serde_json::to_string(&EpochMs(ms)).unwrap(), text);
            assert_eq!(serde_json::from_str::<EpochMs>(text).unwrap(), EpochMs(ms));
        }
        assert_eq!(serde_json::from_str::<EpochMs>("1.5E9").unwrap(), EpochMs(1_500_000_000_000));
    }
}
