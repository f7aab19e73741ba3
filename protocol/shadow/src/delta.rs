//! What the device still has to do: desired values that reported does not have.

use serde_json::{Map, Number, Value};

use crate::document::{Document, Section};

/// The difference of a document, in desired's values with desired's metadata; `None` when there
/// is nothing left to do.
pub(crate) fn delta(document: &Document) -> Option<Section> {
    let desired = document.desired.as_ref()?;
    let Some(reported) = &document.reported else {
        return Some(desired.clone());
    };
    let section = difference(desired, &reported.state);
    (!section.state.is_empty()).then_some(section)
}

fn difference(desired: &Section, reported: &Map<String, Value>) -> Section {
    let mut found = Section::default();
    for (key, wanted) in &desired.state {
        let stamps = desired.metadata.get(key).cloned().unwrap_or(Value::Null);
        match (wanted, reported.get(key), stamps) {
            (Value::Object(wanted), Some(Value::Object(had)), Value::Object(stamps)) => {
                let wanted = Section { state: wanted.clone(), metadata: stamps };
                let nested = difference(&wanted, had);
                if !nested.state.is_empty() {
                    found.state.insert(key.clone(), Value::Object(nested.state));
                    found.metadata.insert(key.clone(), Value::Object(nested.metadata));
                }
            }
            (wanted, Some(had), _) if equal(wanted, had) => {}
            (wanted, _, stamps) => {
                found.state.insert(key.clone(), wanted.clone());
                found.metadata.insert(key.clone(), stamps);
            }
        }
    }
    found
}

/// Equality of JSON values in which `1` equals `1.0` and the order of members means nothing.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers_equal(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn numbers_equal(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}
