//! YAML as recipes use it: the core schema, with text kept where YAML 1.1 would guess.

use serde_json::Value;

/// Values of one document, aliases followed: far more than a recipe has, and too few to fill a
/// small device's memory.
const MAX_NODES: usize = 50_000;

/// The same for all texts together, in bytes.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// Where and why a text is no YAML.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) reason: String,
}

/// Reads one YAML document. `yes`, `010` and `1_000` stay text; duplicate keys, alias bombs and
/// depths beyond 64 are errors.
pub(crate) fn read(text: &str) -> Result<Value, NotYaml> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_total_scalar_bytes: MAX_TEXT_BYTES,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let location = error.location();
        NotYaml {
            line: location.map(|l| l.line()),
            column: location.map(|l| l.column()),
            reason: error.to_string(),
        }
    })
}

/// Writes a value as YAML.
pub(crate) fn write(value: &Value) -> Result<String, serde_saphyr::ser_error::Error> {
    serde_saphyr::to_string(value)
}
