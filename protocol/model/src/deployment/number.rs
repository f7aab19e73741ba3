//! Whole numbers that AWS may write as floating point: `1.604067741583E12`, `120.0`.

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serializer};

/// Numbers beyond this lose whole units as floating point, and no field needs them.
const LIMIT: f64 = 9_007_199_254_740_992.0;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(whole) = number.as_i64() {
        return Ok(whole);
    }
    match number.as_f64() {
        // Checked to be within the exact range; the fraction is dropped as the nucleus does.
        Some(float) if float.abs() <= LIMIT => Ok(float as i64),
        Some(float) => Err(Error::invalid_value(Unexpected::Float(float), &"a smaller number")),
        None => Err(Error::custom("not a number")),
    }
}

pub(super) fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(*number)
}

/// The same where the field may be absent or `null`.
pub(super) mod optional {
    use serde::de::Deserializer;
    use serde::{Deserialize, Serialize, Serializer};

    #[derive(Deserialize)]
    struct Whole(#[serde(with = "super")] i64);

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
    }

    pub(in super::super) fn serialize<S: Serializer>(
        number: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.serialize(serializer)
    }
}
