//! Deep merge: objects merge, `null` removes, everything else replaces.

use serde_json::{Map, Value, json};

/// Merges `patch` into `state`, keeping `metadata` in the same shape.
pub(crate) fn merge(
    state: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    now_s: i64,
) {
    for (key, value) in patch {
        if value.is_null() {
            state.shift_remove(key);
            metadata.shift_remove(key);
            continue;
        }
        let nested = (state.get_mut(key), metadata.get_mut(key), value);
        if let (Some(Value::Object(old)), Some(Value::Object(stamps)), Value::Object(patch)) =
            nested
        {
            merge(old, stamps, patch, now_s);
            continue;
        }
        let value = without_nulls(value);
        metadata.insert(key.clone(), stamp(&value, now_s));
        state.insert(key.clone(), value);
    }
}

/// The metadata of every path in `state`; `null`s, which remove, have none.
pub(crate) fn metadata_of(state: &Map<String, Value>, now_s: i64) -> Map<String, Value> {
    state
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), stamp(value, now_s)))
        .collect()
}

fn stamp(value: &Value, now_s: i64) -> Value {
    match value {
        Value::Object(map) => Value::Object(metadata_of(map, now_s)),
        Value::Array(items) => items.iter().map(|item| stamp(item, now_s)).collect(),
        _ => json!({ "timestamp": now_s }),
    }
}

fn without_nulls(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    map.iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), without_nulls(value)))
        .collect()
}
